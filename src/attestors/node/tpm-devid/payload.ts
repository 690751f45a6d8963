/** The messages of `tpm_devid` as both halves of SPIRE's write and read them: JSON with Go's member names. */
import { toBase64 } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { MadeCredential } from "../../../tpm/make-credential.ts";
import { bytesMember, encodeMessage, parseMessage } from "../json-message.ts";

/** The attestation type, as agent and server name it on the wire. */
export const TPM_DEVID_TYPE = "tpm_devid";

/** What an agent shows. Structures of the TPM stand without the length in front that files have. */
export interface TpmDevidEvidence {
  /** DER, the device's certificate first. */
  readonly devidChain: readonly Uint8Array[];
  /** TPMT_PUBLIC of its key. */
  readonly devidKey: Uint8Array;
  /** DER. */
  readonly endorsementCertificate: Uint8Array;
  /** TPMT_PUBLIC. */
  readonly endorsementKey: Uint8Array;
  /** TPMT_PUBLIC of a key that signs only what the TPM has written. */
  readonly attestationKey: Uint8Array;
  /** TPMS_ATTEST of the device's key. */
  readonly statement: Uint8Array;
  /** TPMT_SIGNATURE of the statement with the attestation key. */
  readonly signature: Uint8Array;
}

export interface TpmDevidChallenge extends MadeCredential {
  /** To be signed with the device's key. */
  readonly nonce: Uint8Array;
}

export interface TpmDevidAnswer {
  /** RSA: as it is. ECDSA: DER. */
  readonly signature: Uint8Array;
  /** What was in the credential. */
  readonly content: Uint8Array;
}

export function encodeEvidence(evidence: TpmDevidEvidence): Uint8Array {
  return encodeMessage({
    DevIDCert: evidence.devidChain.map(toBase64),
    DevIDPub: toBase64(evidence.devidKey),
    EKCert: toBase64(evidence.endorsementCertificate),
    EKPub: toBase64(evidence.endorsementKey),
    AKPub: toBase64(evidence.attestationKey),
    CertifiedDevID: toBase64(evidence.statement),
    CertificationSignature: toBase64(evidence.signature),
  });
}

/** @throws invalid */
export function parseEvidence(payload: Uint8Array): TpmDevidEvidence {
  const message = parseMessage("tpm_devid payload", payload);
  const { DevIDCert: chain } = message;
  if (!Array.isArray(chain) || chain.length === 0) {
    throw fail("invalid", "tpm_devid payload has no devid certificate");
  }
  if (chain.length > 1 + MAX_INTERMEDIATES) {
    throw fail("invalid", `tpm_devid payload has more than ${MAX_INTERMEDIATES} intermediates`);
  }
  const bytes = (member: string, what: string): Uint8Array =>
    bytesMember(`tpm_devid ${what}`, message[member]);
  return {
    devidChain: chain.map((one) => bytesMember("tpm_devid devid certificate", one)),
    devidKey: bytes("DevIDPub", "devid key"),
    endorsementCertificate: bytes("EKCert", "endorsement certificate"),
    endorsementKey: bytes("EKPub", "endorsement key"),
    attestationKey: bytes("AKPub", "attestation key"),
    statement: bytes("CertifiedDevID", "statement"),
    signature: bytes("CertificationSignature", "statement's signature"),
  };
}

export function encodeChallenge({ nonce, credential, secret }: TpmDevidChallenge): Uint8Array {
  return encodeMessage({
    DevID: toBase64(nonce),
    CredActivation: { Credential: toBase64(credential), Secret: toBase64(secret) },
  });
}

/** @throws invalid */
export function parseChallenge(challenge: Uint8Array): TpmDevidChallenge {
  const { DevID: nonce, CredActivation: activation } = parseMessage(
    "tpm_devid challenge",
    challenge,
  );
  const { Credential: credential, Secret: secret } = (activation ?? {}) as Record<string, unknown>;
  const challenged = {
    nonce: bytesMember("tpm_devid nonce", nonce),
    credential: bytesMember("tpm_devid credential", credential),
    secret: bytesMember("tpm_devid secret", secret),
  };
  // Whatever has that length is no text that means anything elsewhere.
  if (challenged.nonce.length !== NONCE_BYTES) {
    throw fail("invalid", `tpm_devid nonce is not ${NONCE_BYTES} bytes long`);
  }
  return challenged;
}

export function encodeAnswer({ signature, content }: TpmDevidAnswer): Uint8Array {
  return encodeMessage({ DevID: toBase64(signature), CredActivation: toBase64(content) });
}

/** @throws invalid */
export function parseAnswer(answer: Uint8Array): TpmDevidAnswer {
  const { DevID: signature, CredActivation: content } = parseMessage("tpm_devid answer", answer);
  return {
    signature: bytesMember("tpm_devid signature", signature),
    content: bytesMember("tpm_devid credential's content", content),
  };
}

export const NONCE_BYTES = 32;
/** As many as other attestors take. */
export const MAX_INTERMEDIATES = 4;
