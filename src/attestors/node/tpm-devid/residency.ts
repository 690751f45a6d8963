/** What has to fit together for a device's key to be in the TPM that an endorsement certificate speaks of. */
import { bytesEqual } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import { parseCertifyStatement } from "../../../tpm/certify-statement.ts";
import {
  type PublicArea,
  hasAttributes,
  nameOf,
  parsePublicArea,
} from "../../../tpm/public-area.ts";
import { isSignedBy, parseTpmSignature } from "../../../tpm/signature.ts";
import type { Certificate } from "../../../x509/certificate.ts";
import type { TpmDevidEvidence } from "./payload.ts";
import { isKeyOf } from "./certificate-key.ts";

export interface TpmDevidKeys {
  readonly devidKey: PublicArea;
  readonly endorsementKey: PublicArea;
  readonly attestationKey: PublicArea;
}

/** @throws invalid */
export function parseKeys(
  evidence: Pick<TpmDevidEvidence, "devidKey" | "endorsementKey" | "attestationKey">,
): TpmDevidKeys {
  return {
    devidKey: parsePublicArea(evidence.devidKey, "tpm_devid devid key"),
    endorsementKey: parsePublicArea(evidence.endorsementKey, "tpm_devid endorsement key"),
    attestationKey: parsePublicArea(evidence.attestationKey, "tpm_devid attestation key"),
  };
}

/**
 * An endorsement certificate of a TPM, as far as it says what it is for (TCG EK Credential Profile §3.5): an authority
 * may sign other certificates, too, whose keys are in no TPM.
 * @throws denied
 */
export function checkEndorsementCertificate(certificate: Certificate): void {
  const { basicConstraints, keyUsage, extKeyUsage } = certificate;
  if (basicConstraints?.ca === true) throw denied("endorsement certificate is an authority's");
  if (keyUsage !== undefined && !keyUsage.has("keyEncipherment") && !keyUsage.has("keyAgreement")) {
    throw denied("endorsement certificate is not meant for encipherment (key usage)");
  }
  if (extKeyUsage !== undefined && !extKeyUsage.includes(EK_CERTIFICATE)) {
    throw denied("endorsement certificate is for something else (extended key usage)");
  }
}

export interface ResidencyParams extends TpmDevidKeys {
  /** The device's certificate, trusted. */
  readonly leaf: Certificate;
  /** The TPM's, trusted. */
  readonly endorsement: Certificate;
}

/**
 * All but the proof that the attestation key is in the TPM of the endorsement key, which takes a challenge.
 * @throws denied, invalid
 */
export async function checkResidency(
  { leaf, endorsement, devidKey, endorsementKey, attestationKey }: ResidencyParams,
  { statement, signature }: Pick<TpmDevidEvidence, "statement" | "signature">,
): Promise<void> {
  if (!isKeyOf(leaf, devidKey)) throw denied("devid key is not that of the devid certificate");
  if (!isKeyOf(endorsement, endorsementKey)) {
    throw denied("endorsement key is not that of the endorsement certificate");
  }
  if (!hasAttributes(endorsementKey, "fixedTpm", "fixedParent", "restricted", "decrypt")) {
    throw denied("endorsement key is not a storage key that stays in its tpm");
  }
  if (!hasAttributes(devidKey, "fixedTpm", "fixedParent", "sensitiveDataOrigin", "sign")) {
    throw denied("devid key is not a signing key that was made in its tpm and stays there");
  }
  // One that is not restricted would sign a statement that somebody made up.
  if (
    !hasAttributes(attestationKey, "fixedTpm", "fixedParent", "restricted", "sign") ||
    hasAttributes(attestationKey, "decrypt")
  ) {
    throw denied("attestation key is not a restricted signing key that stays in its tpm");
  }
  const what = "tpm_devid statement's signature";
  const parsed = parseTpmSignature(signature, attestationKey, what);
  if (!(await isSignedBy(attestationKey, statement, parsed))) {
    throw denied("statement is not signed with the attestation key");
  }
  const { name } = parseCertifyStatement(statement, "tpm_devid statement");
  if (!bytesEqual(name, nameOf(devidKey))) throw denied("statement is about another key");
}

function denied(rule: string): Error {
  return fail("denied", `tpm_devid: ${rule}`);
}

/** tcg-kp-EKCertificate. */
const EK_CERTIFICATE = "2.23.133.8.1";
