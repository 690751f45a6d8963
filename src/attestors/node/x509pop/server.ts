import { createHash } from "node:crypto";
import { toHex } from "../../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { errorFrom, fail } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import { type ProofPublicKey, proofPublicKey } from "../../../keys/possession.ts";
import type { TrustDomain } from "../../../spiffe/trust-domain.ts";
import { checkLeaf } from "../../../spiffe/x509-svid.ts";
import { type Certificate, parseCertificate } from "../../../x509/certificate.ts";
import { verifyChain } from "../../../x509/chain.ts";
import type { NodeAttestorServer } from "../../contract.ts";
import {
  NONCE_BYTES,
  type ProofAnswer,
  X509POP_TYPE,
  encodeChallenge,
  parseAnswer,
  parseChain,
  signedBytes,
} from "./payload.ts";
import { nodeSelectors } from "./selectors.ts";

export interface X509PopServerOptions {
  /** `external_pki`: the agent is named by its certificate's hash. `spiffe`: by the path of its SVID. */
  readonly mode: "external_pki" | "spiffe";
  readonly trustDomain: TrustDomain;
  /** Authorities as of now: the operator's, or in mode `spiffe` those of the own trust domain. */
  readonly roots: () => readonly Certificate[];
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The server's half of `x509pop`: whoever holds the key of a certificate below one of the roots may become the one
 * agent that the certificate names, as often as it likes.
 */
export function x509popServer(options: X509PopServerOptions): NodeAttestorServer {
  return {
    type: X509POP_TYPE,
    async admit(payload, challenge) {
      const chain = parseChain(payload).map(parseCertificate);
      const [leaf] = chain;
      if (leaf === undefined) throw fail("invalid", "x509pop payload has no certificate");
      const path = await verified(chain, options);
      if (leaf.keyUsage?.has("digitalSignature") !== true) {
        throw denied("is not meant for digital signatures (key usage)");
      }
      // Before the challenge: nobody signs for a name that will not be given.
      const agentPath = agentPathOf(leaf, options);
      // Only now is the key one that somebody trusted describes.
      const key = proofPublicKey(leaf.publicKey);
      const nonce = options.random.bytes(NONCE_BYTES);
      const answer = parseAnswer(key.family, await challenge(encodeChallenge(key.family, nonce)));
      if (!(await isProof(key, nonce, answer))) {
        throw fail("denied", "x509pop answer is not signed with the certificate's key");
      }
      return {
        agentPath,
        selectors: nodeSelectors(leaf, path.slice(1), options.trustDomain.name),
        canReattest: true,
      };
    },
  };
}

async function verified(
  chain: readonly Certificate[],
  { roots, clock }: X509PopServerOptions,
): Promise<readonly Certificate[]> {
  try {
    return await verifyChain(chain, roots(), epochSeconds(clock));
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.kind !== "unauthenticated") throw error;
    throw fail("denied", `x509pop: ${error.message}`, { cause: error });
  }
}

function agentPathOf(leaf: Certificate, { mode, trustDomain }: X509PopServerOptions): string {
  if (mode === "external_pki") {
    const fingerprint = toHex(createHash("sha1").update(leaf.raw).digest());
    return `/spire/agent/${X509POP_TYPE}/${fingerprint}`;
  }
  const id = spiffeIdOf(leaf);
  if (id.trustDomain.name !== trustDomain.name) {
    throw denied(`is of trust domain ${id.trustDomain.name}, not ${trustDomain.name}`);
  }
  if (!id.path.startsWith(EXCHANGE_PREFIX)) {
    throw denied(`has a SPIFFE ID whose path does not begin with ${EXCHANGE_PREFIX}`);
  }
  return `/spire/agent/${X509POP_TYPE}/${id.path.slice(EXCHANGE_PREFIX.length)}`;
}

function spiffeIdOf(leaf: Certificate): ReturnType<typeof checkLeaf> {
  try {
    return checkLeaf(leaf);
  } catch (thrown) {
    throw fail("denied", `x509pop: ${errorFrom(thrown).message}`, { cause: thrown });
  }
}

function isProof(key: ProofPublicKey, nonce: Uint8Array, answer: ProofAnswer): Promise<boolean> {
  const data = signedBytes(nonce, answer.nonce);
  if (answer.family === "rsa") return key.verify(data, answer.signature);
  const { halfBytes } = key;
  const raw = new Uint8Array(2 * halfBytes);
  for (const [end, half] of [
    [halfBytes, answer.r],
    [2 * halfBytes, answer.s],
  ] as const) {
    if (half.length > halfBytes) return Promise.resolve(false);
    raw.set(half, end - half.length);
  }
  return key.verify(data, raw);
}

function denied(rule: string): Error {
  return fail("denied", `x509pop: certificate ${rule}`);
}

/** SPIRE's default: SVIDs below it may be exchanged for an agent's. */
const EXCHANGE_PREFIX = "/spire-exchange/";
