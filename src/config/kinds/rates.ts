import { Invalid, type Kind, kind } from './kind.ts';

/** A token bucket: `perMinute` tokens flow in evenly, at most `burst` wait. */
export type RateLimit = 'off' | { readonly perMinute: number; readonly burst: number };

export const MAX_RATE = 1_000_000_000;

const RATE = /^(\d{1,10})\/(min|s)(?::(\d{1,10}))?$/;

/** `N/min`, `N/s`, either with `:BURST`, or `off`. Without a burst a whole minute's worth may come at once. */
export const rate: Kind<RateLimit> = kind('N/min, N/s, N/min:BURST or off', (value) => {
  if (value === 'off') return 'off';
  const match = RATE.exec(value);
  if (match === null) return null;
  const perMinute = Number(match[1]) * (match[2] === 's' ? 60 : 1);
  const burst = match[3] === undefined ? perMinute : Number(match[3]);
  if (perMinute === 0 || burst === 0) throw new Invalid('must allow at least one: write off for no limit');
  if (perMinute > MAX_RATE || burst > MAX_RATE) throw new Invalid(`must be at most ${MAX_RATE} a minute`);
  return { perMinute, burst };
});
