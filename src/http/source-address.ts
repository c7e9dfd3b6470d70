import { BlockList, isIPv6 } from 'node:net';
import { canonicalIp } from '../lib/ip-addresses.ts';

/** Where a request comes from, as policies and the audit log see it (spec 12, "Source address"). */
export interface SourceAddress {
  /** Null: unknown. */
  readonly ip: string | null;
  /** Who is at the other end of the socket. */
  readonly peer: string;
  /** A peer that is no trusted proxy sent forwarding headers. */
  readonly forwardedUntrusted: boolean;
}

export type TrustedProxies = (ip: string) => boolean;

/** What one customer of a network provider is given: an IPv4 address, or the /64 of an IPv6 address. */
export function networkOf(ip: string): string {
  if (!isIPv6(ip)) return ip;
  const [head = '', tail] = ip.split('::');
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const [before, after] = [groups(head), groups(tail ?? '')];
  // An IPv4 address at the end stands for two groups.
  const missing = 8 - before.length - after.length - (ip.includes('.') ? 1 : 0);
  return `${[...before, ...Array<string>(missing).fill('0'), ...after].slice(0, 4).join(':')}::/64`;
}

/** @param cidrs as validated by the configuration; empty: nobody is trusted */
export function trustedProxies(cidrs: readonly string[]): TrustedProxies {
  if (cidrs.length === 0) return () => false;
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family);
  }
  return (ip) => list.check(ip, isIPv6(ip) ? 'ipv6' : 'ipv4');
}

/**
 * The right-most hop that is not a trusted proxy. A malformed one, or none, makes the address unknown; so do forwarding
 * headers of a peer that is not trusted, since nobody knows what it hides.
 */
export function sourceAddress(
  peerAddress: string,
  forwardedFor: string | undefined,
  hasOtherForwarding: boolean,
  isTrusted: TrustedProxies,
): SourceAddress {
  const peer = canonicalIp(peerAddress);
  const forwarded = forwardedFor !== undefined || hasOtherForwarding;
  // The other end is gone already.
  if (peer === null) return { ip: null, peer: 'unknown', forwardedUntrusted: forwarded };
  if (!isTrusted(peer)) return { ip: forwarded ? null : peer, peer, forwardedUntrusted: forwarded };
  if (forwardedFor === undefined) return { ip: hasOtherForwarding ? null : peer, peer, forwardedUntrusted: false };
  const hops = forwardedFor.split(',').map((hop) => canonicalIp(hop.trim()));
  const source = hops.findLast((hop) => hop === null || !isTrusted(hop));
  return { ip: source ?? null, peer, forwardedUntrusted: false };
}
