import { isIP, SocketAddress } from 'node:net';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/** One spelling an address: IPv4 inside IPv6 as IPv4, IPv6 compressed. @returns null when it is none */
export function canonicalIp(text: string): string | null {
  switch (isIP(text)) {
    case 4:
      return text;
    case 6: {
      // Compressed first: `::ffff:102:304` is `::ffff:1.2.3.4`.
      const address = new SocketAddress({ address: text, family: 'ipv6' }).address.toLowerCase();
      return MAPPED.exec(address)?.[1] ?? address;
    }
    default:
      return null;
  }
}
