import { createHash, timingSafeEqual } from "node:crypto";
import { toHex } from "../../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { errorFrom, fail } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import { type Selector, isPrintableValue } from "../../../spiffe/selector.ts";
import { digestBytes, makeCredential } from "../../../tpm/make-credential.ts";
import { nameOf } from "../../../tpm/public-area.ts";
import { isSignedBy, schemeOf } from "../../../tpm/signature.ts";
import { type Certificate, parseCertificate } from "../../../x509/certificate.ts";
import { verifyChain } from "../../../x509/chain.ts";
import { commonNameOf } from "../../../x509/names.ts";
import { signatureTwin } from "../../../x509/signature-twin.ts";
import type { NodeAttestorServer } from "../../contract.ts";
import {
  NONCE_BYTES,
  TPM_DEVID_TYPE,
  encodeChallenge,
  parseAnswer,
  parseEvidence,
} from "./payload.ts";
import { checkEndorsementCertificate, checkResidency, parseKeys } from "./residency.ts";

export interface TpmDevidServerOptions {
  /** Who signs device certificates, as of now. */
  readonly devidRoots: () => readonly Certificate[];
  /** Manufacturers' authorities, intermediate ones included. */
  readonly endorsementRoots: () => readonly Certificate[];
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The server's half of `tpm_devid`: the device whose certificate's key is in a TPM of a known manufacturer may become
 * the one agent that the certificate names, as often as it likes. The device's key is certified by an attestation key
 * of the same TPM, and that key is in the TPM with the endorsement key, since no other opens the credential.
 */
export function tpmDevidServer(options: TpmDevidServerOptions): NodeAttestorServer {
  const { clock, random } = options;
  return {
    type: TPM_DEVID_TYPE,
    async admit(payload, challenge) {
      const evidence = parseEvidence(payload);
      const chain = evidence.devidChain.map(parseCertificate);
      const [leaf] = chain;
      if (leaf === undefined) throw fail("invalid", "tpm_devid payload has no devid certificate");
      const endorsement = parseCertificate(evidence.endorsementCertificate);
      const keys = parseKeys(evidence);
      // Certificates first: only what somebody trusted has signed is worth the work on a key.
      const now = epochSeconds(clock);
      const path = await verified("devid", chain, options.devidRoots(), now);
      if (leaf.keyUsage?.has("digitalSignature") === false) {
        throw fail("denied", "tpm_devid: devid certificate is not meant for digital signatures");
      }
      await verified("endorsement", [endorsement], options.endorsementRoots(), now);
      checkEndorsementCertificate(endorsement);
      await checkResidency({ leaf, endorsement, ...keys }, evidence);

      const nonce = random.bytes(NONCE_BYTES);
      const content = random.bytes(digestBytes(keys.endorsementKey.nameAlg));
      const made = makeCredential({
        endorsementKey: keys.endorsementKey,
        name: nameOf(keys.attestationKey),
        content,
        random,
      });
      const answer = parseAnswer(await challenge(encodeChallenge({ nonce, ...made })));
      const signature = { ...schemeOf(keys.devidKey), bytes: answer.signature };
      if (!(await isSignedBy(keys.devidKey, nonce, signature, "der"))) {
        throw fail("denied", "tpm_devid answer is not signed with the devid certificate's key");
      }
      if (answer.content.length !== content.length || !timingSafeEqual(answer.content, content)) {
        throw fail("denied", "tpm_devid answer has not opened the credential");
      }
      const twin = signatureTwin(leaf, (path[1] ?? leaf).publicKey);
      return {
        agentPath: pathOf(leaf.raw),
        selectors: selectorsOf(leaf, path.slice(1)),
        canReattest: true,
        ...(twin === undefined ? {} : { twinPath: pathOf(twin) }),
      };
    },
  };
}

async function verified(
  what: "devid" | "endorsement",
  chain: readonly Certificate[],
  roots: readonly Certificate[],
  now: number,
): Promise<readonly Certificate[]> {
  try {
    return await verifyChain(chain, roots, now);
  } catch (thrown) {
    const error = errorFrom(thrown);
    if (error.kind !== "unauthenticated") throw error;
    throw fail("denied", `tpm_devid: ${what} ${error.message}`, { cause: error });
  }
}

/** SPIRE's selectors. Values that hold control characters or are too long to be selectors are left out. */
function selectorsOf(leaf: Certificate, authorities: readonly Certificate[]): Selector[] {
  const subject = commonNameOf(leaf.subject) ?? "";
  const issuer = commonNameOf(leaf.issuer) ?? "";
  return [
    ...(subject === "" ? [] : [`subject:cn:${subject}`]),
    ...(issuer === "" ? [] : [`issuer:cn:${issuer}`]),
    ...authorities.map(({ raw }) => `ca:fingerprint:${sha1(raw)}`),
  ]
    .filter(isPrintableValue)
    .map((value) => ({ type: TPM_DEVID_TYPE, value }));
}

function pathOf(raw: Uint8Array): string {
  return `/spire/agent/${TPM_DEVID_TYPE}/${sha1(raw)}`;
}

function sha1(bytes: Uint8Array): string {
  return toHex(createHash("sha1").update(bytes).digest());
}
