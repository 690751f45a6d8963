import type { DetailedPeerCertificate, TLSSocket } from "node:tls";

/**
 * The certificates that the peer presented, DER, leaf first; empty when it has shown none.
 *
 * Node reaches them by issuer links, so that one which issued none of its predecessors is left out; it could not
 * serve a verification anyway. Nothing about them has been verified. At most `MAX_CHAIN` are returned.
 */
export function peerCertificates(socket: TLSSocket): Uint8Array[] {
  const chain: Uint8Array[] = [];
  // Node's types leave out that it returns an empty object, or none at all, without a certificate.
  let next = socket.getPeerCertificate(true) as Partial<DetailedPeerCertificate> | undefined;
  const seen = new Set<unknown>();
  while (next?.raw !== undefined && !seen.has(next) && chain.length < MAX_CHAIN) {
    seen.add(next);
    chain.push(next.raw);
    next = next.issuerCertificate;
  }
  return chain;
}

/** As many as the strictest SPIFFE client accepts. */
const MAX_CHAIN = 16;
