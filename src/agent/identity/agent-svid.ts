import { bytesEqual } from "../../base/bytes.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { signerFromPkcs8 } from "../../keys/software-signer.ts";
import { type SpiffeId, isAgentPath } from "../../spiffe/spiffe-id.ts";
import { checkLeaf } from "../../spiffe/x509-svid.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { encodeCertificates, encodePem } from "../../x509/pem.ts";
import type { StoredSvid } from "./identity-file.ts";

/** The agent's own X.509-SVID, ready for TLS. */
export interface AgentSvid {
  readonly spiffeId: SpiffeId;
  readonly certPem: string;
  readonly keyPem: string;
  /** Leaf first. */
  readonly chain: readonly Certificate[];
  readonly notBefore: EpochSeconds;
  readonly expiresAt: EpochSeconds;
  /** Proves itself anew instead of renewing. */
  readonly reattestable: boolean;
}

/** @throws invalid when the chain is no agent's SVID of the trust domain or the key is not its own */
export function agentSvid(stored: StoredSvid, trustDomain: string): AgentSvid {
  const chain = stored.chain.map(parseCertificate);
  const leaf = chain[0];
  if (leaf === undefined) throw fail("invalid", "the agent's SVID has no certificate");
  const spiffeId = checkLeaf(leaf);
  if (spiffeId.trustDomain.name !== trustDomain || !isAgentPath(spiffeId.path)) {
    throw fail("invalid", `${spiffeId.toString()} is no agent's ID of trust domain ${trustDomain}`);
  }
  if (!bytesEqual(signerFromPkcs8(stored.key).publicKey, leaf.publicKey)) {
    throw fail("invalid", "the agent's SVID is for another key");
  }
  return {
    spiffeId,
    certPem: encodeCertificates(chain.map(({ raw }) => raw)),
    keyPem: encodePem("PRIVATE KEY", stored.key),
    chain,
    notBefore: leaf.notBefore,
    expiresAt: leaf.notAfter,
    reattestable: stored.reattestable,
  };
}

/** Hex key id of the authority that the chain ends at; empty when the certificate does not name it. */
export function authorityOf(chain: readonly Certificate[]): string {
  return chain.at(-1)?.authorityKeyId ?? "";
}
