import { errorFrom, fail } from "../../../base/errors.ts";
import type { HttpCall } from "../../../http/http-call.ts";
import {
  PROOF_HEADER,
  isRenewalProof,
  parseRenewalProof,
} from "../../../provision/renewal-proof.ts";
import { parseCertificate } from "../../../x509/certificate.ts";
import { decodeCertificates } from "../../../x509/pem.ts";
import { requestIn } from "./requested-names.ts";

/** The certificate that is to be renewed, by whoever has its key. */
export interface ShownCertificate {
  /** DER, leaf first; nothing else of them is verified. */
  readonly chain: readonly Uint8Array[];
  /** Where a signature shows the key: digest of the certificate that the next one may follow, and no other. */
  readonly follows?: string;
}

/**
 * By a signature over the request, with the chain beside it in the body; without one by the TLS connection.
 * @throws unauthenticated; invalid when the body cannot be read
 */
export async function shownCertificate({
  peer,
  headers,
  body,
}: Pick<HttpCall, "peer" | "headers" | "body">): Promise<ShownCertificate> {
  const header = headers[PROOF_HEADER];
  // Behind a proxy the connection shows the proxy's certificate.
  if (typeof header !== "string") {
    if (peer !== undefined) return { chain: peer };
    throw fail(
      "unauthenticated",
      `show the certificate that is to be renewed as client certificate, or sign with its key (${PROOF_HEADER})`,
    );
  }
  const proof = parseRenewalProof(header);
  const chain = decodeCertificates(Buffer.from(body).toString("latin1")).slice(0, MAX_CHAIN);
  const [leaf] = chain;
  if (leaf === undefined) {
    throw fail("unauthenticated", "the body has no certificate (pem) beside the request");
  }
  const isProven = await isRenewalProof(proof, publicKeyOf(leaf), requestIn(body));
  if (!isProven) {
    throw fail(
      "unauthenticated",
      `the signature in ${PROOF_HEADER} does not fit the certificate's key, or is of another request`,
    );
  }
  return { chain, follows: proof.follows };
}

function publicKeyOf(leaf: Uint8Array): Uint8Array {
  try {
    return parseCertificate(leaf).publicKey;
  } catch (cause) {
    throw fail("unauthenticated", `the certificate cannot be read: ${errorFrom(cause).message}`, {
      cause,
    });
  }
}

const MAX_CHAIN = 16;
