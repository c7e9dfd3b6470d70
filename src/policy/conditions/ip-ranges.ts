import { isIPv4, isIPv6 } from 'node:net';
import { canonicalIp } from '../../lib/ip-addresses.ts';
import type { Meter } from '../sequences.ts';

/** Addresses that follow each other, both ends included. */
interface Run {
  readonly first: bigint;
  readonly last: bigint;
}

const BITS = /^(?:0|[1-9]\d{0,2})$/;
/** What stands before the IPv4 address in one that is mapped into IPv6 (RFC 4291 section 2.5.5.2). */
const MAPPED_BITS = 96;
/** IPv4 addresses are counted on from the last IPv6 address: so the families never meet. */
const IPV4 = 1n << 128n;

/**
 * Some ranges of addresses, of both families. `0.0.0.0/0` is every IPv4 address and no other, `::/0` every IPv6 address
 * and no other. IPv4 mapped into IPv6 is IPv4, in ranges as in addresses.
 */
export class IpRanges {
  /** In order, and with a gap between any two. */
  readonly #runs: readonly Run[];

  /** @throws RangeError, saying which text is no range and why */
  constructor(texts: readonly string[]) {
    this.#runs = joined(texts.map(parseRange));
  }

  /** @param address as {@link addressNumber} gives it */
  includes(address: bigint): boolean {
    const run = this.#lastFrom(address);
    return run !== null && address <= run.last;
  }

  /** Whether each address of `inner` is one of these. */
  covers(inner: IpRanges, meter: Meter): boolean {
    meter.steps += inner.#runs.length;
    return inner.#runs.every(({ first, last }) => last <= (this.#lastFrom(first)?.last ?? -1n));
  }

  /** The last run that begins with this address or before it. */
  #lastFrom(address: bigint): Run | null {
    let [low, high] = [0, this.#runs.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#runs[middle]?.first ?? 0n) <= address) low = middle + 1;
      else high = middle;
    }
    return this.#runs[low - 1] ?? null;
  }
}

/** @param ip as `canonicalIp` gives it */
export function addressNumber(ip: string): bigint {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(ip);
  const low = (dotted?.slice(1) ?? []).reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
  if (isIPv4(ip)) return IPV4 | low;
  // An IPv4 address at the end stands for two groups.
  const [head = '', tail = ''] = (dotted === null ? ip : ip.replace(dotted[0], '0:0')).split('::');
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const [before, after] = [groups(head), groups(tail)];
  const zeros = Array<string>(8 - before.length - after.length).fill('0');
  return low | [...before, ...zeros, ...after].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n);
}

function parseRange(text: string): Run {
  const [written = '', bitsText, ...rest] = text.split('/');
  const address = written.includes('%') ? null : canonicalIp(written);
  if (address === null || rest.length > 0) throw malformed(text);
  const writtenWidth = isIPv4(written) ? 32 : 128;
  if (bitsText !== undefined && (!BITS.test(bitsText) || Number(bitsText) > writtenWidth)) throw malformed(text);
  if (isIPv6(written) && isIPv4(address) && Number(bitsText ?? writtenWidth) < MAPPED_BITS) {
    throw new RangeError(`"${text}" holds IPv4 addresses and others. Write the range of IPv4 by itself.`);
  }
  const size = 1n << BigInt(writtenWidth - Number(bitsText ?? writtenWidth));
  const first = addressNumber(address);
  // Nobody can tell whether `10.1.2.3/8` means a host or a network.
  if (first % size !== 0n) {
    const hint = `Write that one, or leave "/${bitsText}" out.`;
    throw new RangeError(`"${text}" is not the first address of its network. ${hint}`);
  }
  return { first, last: first + size - 1n };
}

function malformed(text: string): RangeError {
  return new RangeError(`"${text}" is no address range. Write for example 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32.`);
}

/** Puts runs in order and makes one of those that meet or follow each other, within their family. */
function joined(runs: readonly Run[]): readonly Run[] {
  const result: Run[] = [];
  for (const run of runs.toSorted((a, b) => Number(a.first > b.first) - Number(a.first < b.first))) {
    const before = result.at(-1);
    const isNextFamily = before !== undefined && before.last < IPV4 && run.first >= IPV4;
    if (before === undefined || isNextFamily || run.first > before.last + 1n) result.push(run);
    else if (run.last > before.last) result[result.length - 1] = { first: before.first, last: run.last };
  }
  return result;
}
