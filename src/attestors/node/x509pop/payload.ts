/** The messages of `x509pop` as both halves of SPIRE's write and read them: JSON, byte strings in base64. */
import { concatBytes, toBase64 } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import { isObject } from "../../../base/is-object.ts";
import { bytesMember, encodeMessage, parseMessage } from "../json-message.ts";

/** The attestation type, as agent and server name it on the wire. */
export const X509POP_TYPE = "x509pop";

export type ProofFamily = "rsa" | "ecdsa";

/** RSA: RSASSA-PSS. ECDSA: unsigned big-endian numbers. Always over `server's nonce || agent's nonce`, SHA-256. */
export type ProofAnswer =
  | { readonly family: "rsa"; readonly nonce: Uint8Array; readonly signature: Uint8Array }
  | {
      readonly family: "ecdsa";
      readonly nonce: Uint8Array;
      readonly r: Uint8Array;
      readonly s: Uint8Array;
    };

/** @param chain DER, leaf first */
export function encodeChain(chain: readonly Uint8Array[]): Uint8Array {
  return encodeMessage({ certificates: chain.map(toBase64) });
}

/** DER certificates, leaf first, not parsed yet. @throws invalid */
export function parseChain(payload: Uint8Array): Uint8Array[] {
  const { certificates } = parseMessage("x509pop payload", payload);
  if (!Array.isArray(certificates) || certificates.length === 0) {
    throw fail("invalid", "x509pop payload has no certificate");
  }
  if (certificates.length > 1 + MAX_INTERMEDIATES) {
    throw fail("invalid", `x509pop payload has more than ${MAX_INTERMEDIATES} intermediates`);
  }
  return certificates.map((text) => bytesMember("x509pop certificate", text));
}

export function encodeChallenge(family: ProofFamily, nonce: Uint8Array): Uint8Array {
  return encodeByFamily(family, { nonce: toBase64(nonce) });
}

/** The server's nonce. @throws invalid, also when it is for another kind of key */
export function parseChallenge(family: ProofFamily, challenge: Uint8Array): Uint8Array {
  const { nonce } = parseByFamily("x509pop challenge", family, challenge);
  return nonceOf("x509pop challenge", nonce);
}

export function encodeAnswer(answer: ProofAnswer): Uint8Array {
  const nonce = toBase64(answer.nonce);
  return encodeByFamily(
    answer.family,
    answer.family === "rsa"
      ? { nonce, signature: toBase64(answer.signature) }
      : { nonce, r: toBase64(answer.r), s: toBase64(answer.s) },
  );
}

/** @throws invalid, also when it is for another kind of key */
export function parseAnswer(family: ProofFamily, bytes: Uint8Array): ProofAnswer {
  const what = "x509pop answer";
  const fields = parseByFamily(what, family, bytes);
  const nonce = nonceOf(what, fields["nonce"]);
  if (family === "rsa") return { family, nonce, signature: bytesMember(what, fields["signature"]) };
  return { family, nonce, r: bytesMember(what, fields["r"]), s: bytesMember(what, fields["s"]) };
}

/** What is signed, hashed once. Both sides have a share in it, so that neither has the other sign a text of its own. */
export function signedBytes(serverNonce: Uint8Array, agentNonce: Uint8Array): Uint8Array {
  return concatBytes([serverNonce, agentNonce]);
}

/** Both members are always there, null for the kind that is not meant. */
function encodeByFamily(family: ProofFamily, fields: Record<string, string>): Uint8Array {
  return encodeMessage({
    rsa_signature: family === "rsa" ? fields : null,
    ecdsa_signature: family === "ecdsa" ? fields : null,
  });
}

function parseByFamily(
  what: string,
  family: ProofFamily,
  bytes: Uint8Array,
): Record<string, unknown> {
  const fields = parseMessage(what, bytes)[`${family}_signature`];
  if (!isObject(fields)) throw fail("invalid", `${what} is not for a key of type ${family}`);
  return fields;
}

function nonceOf(what: string, value: unknown): Uint8Array {
  const nonce = bytesMember(what, value);
  if (nonce.length !== NONCE_BYTES) {
    throw fail("invalid", `${what} has a nonce of ${nonce.length} bytes instead of ${NONCE_BYTES}`);
  }
  return nonce;
}

export const NONCE_BYTES = 32;
/** SPIRE's limit. */
export const MAX_INTERMEDIATES = 4;
