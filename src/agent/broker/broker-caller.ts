import type { EpochSeconds } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import type { BrokerConfig } from "../../config/sections/broker-section.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { isRevoked } from "../../spiffe/revoked.ts";
import { checkLeaf, verifyX509Svid } from "../../spiffe/x509-svid.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import type { Place } from "./places.ts";

/** Who connected, by the certificates that its TLS handshake showed; nothing of them is verified yet. */
export interface BrokerCaller {
  /** DER, leaf first; empty without a certificate. */
  readonly chain: readonly Uint8Array[];
  readonly isRemote: boolean;
}

export interface Broker {
  readonly spiffeId: string;
  readonly expiresAt: EpochSeconds;
  readonly mayNamePids: boolean;
  readonly mayNamePods: boolean;
}

/** Of a connection that is held: the same object for each of its calls. */
export interface BrokerConnection extends BrokerCaller {
  readonly place: Place;
}

/**
 * Decided for each call, with the bundles and revocation lists of that moment (SPIFFE Broker Endpoint §5).
 * @param bundleOf of a trust domain; undefined for one that is not known
 * @throws unauthenticated without a valid X.509-SVID, or with a revoked one; denied for whoever is no broker
 */
export async function verifyBroker(
  caller: BrokerCaller,
  brokers: BrokerConfig["brokers"],
  bundleOf: (trustDomain: string) => Bundle | undefined,
  now: EpochSeconds,
): Promise<Broker> {
  const chain = parsed(caller.chain);
  const [leaf] = chain;
  if (leaf === undefined) throw fail("unauthenticated", "a broker shows its X.509-SVID");
  const bundle = bundleOf(trustDomainOf(leaf));
  if (bundle === undefined) {
    throw fail(
      "unauthenticated",
      "the certificate is of a trust domain that the agent does not know",
    );
  }
  const spiffeId = (await verifyX509Svid(chain, bundle, now)).toString();
  if (chain.some((certificate) => isRevoked(certificate, bundle))) {
    throw fail("unauthenticated", "the broker's SVID was revoked; connect with its next one");
  }
  const broker = brokers.find(({ id }) => id === spiffeId);
  if (broker === undefined) throw fail("denied", `${spiffeId} is not configured as a broker`);
  return {
    spiffeId,
    expiresAt: leaf.notAfter,
    mayNamePids: !caller.isRemote || broker.pidOverTcp,
    mayNamePods: broker.pods,
  };
}

function parsed(chain: readonly Uint8Array[]): Certificate[] {
  try {
    return chain.map(parseCertificate);
  } catch (cause) {
    throw fail("unauthenticated", errorFrom(cause).message, { cause });
  }
}

function trustDomainOf(leaf: Certificate): string {
  try {
    return checkLeaf(leaf).trustDomain.name;
  } catch (cause) {
    throw fail("unauthenticated", errorFrom(cause).message, { cause });
  }
}
