/** The CSR of a finalization: its key is taken from it, and its names are to be the order's (RFC 8555 §7.4). */
import { bytesEqual } from "../../../base/bytes.ts";
import { errorFrom } from "../../../base/errors.ts";
import { type CertificateRequest, parseCsr, verifyCsr } from "../../../x509/csr.ts";
import { commonNameOf } from "../../../x509/names.ts";
import type { AcmeIdentifierRecord } from "../../datastore/acme.ts";
import { canonicalIp, nameSetKey } from "./identifiers.ts";
import { acmeError } from "./problem.ts";

export interface CsrWish {
  /** Base64url of its DER. */
  readonly text: string;
  readonly request: CertificateRequest;
  /** One of the order's names, where the CSR has it as its subject. */
  readonly commonName?: string;
}

/**
 * @param text base64url of DER
 * @param accountKey DER SubjectPublicKeyInfo: a key that signs requests is no certificate's (§11.1)
 * @throws AcmeError badCSR
 */
export async function readCsr(
  text: unknown,
  identifiers: readonly AcmeIdentifierRecord[],
  accountKey: Uint8Array,
): Promise<CsrWish> {
  if (typeof text !== "string" || text === "") {
    throw acmeError("badCSR", "the payload has no csr, base64url of DER");
  }
  const der = Buffer.from(text, "base64url");
  // Padding is forbidden; some clients send PEM.
  if (der.toString("base64url") !== text) {
    throw acmeError("badCSR", "csr is not base64url without padding; send DER, not PEM");
  }
  const request = await requested(der);
  if (bytesEqual(request.publicKey, accountKey)) {
    throw acmeError("badCSR", "the csr has the account's key; make one for the certificate alone");
  }
  if (request.asksForCa) throw acmeError("badCSR", "the csr asks for an authority's certificate");
  if (request.uris.length > 0 || request.otherAltNames > 0) {
    throw acmeError("badCSR", "the csr has names other than dns names and addresses");
  }
  const commonName = commonNameOf(request.subject);
  const asked: AcmeIdentifierRecord[] = [
    ...request.dnsNames.map((name) => ({ type: "dns" as const, value: name.toLowerCase() })),
    ...request.ipAddresses.map((address) => ({ type: "ip" as const, value: address })),
    ...(commonName === undefined ? [] : [identifierOf(commonName)]),
  ];
  if (nameSetKey(distinct(asked)) !== nameSetKey(identifiers)) {
    throw acmeError("badCSR", "the csr's names are not exactly the order's identifiers");
  }
  // A longer one does not fit into a subject, and is among the names anyway.
  const isShort = commonName !== undefined && commonName.length <= MAX_COMMON_NAME;
  return { text, request, ...(isShort ? { commonName: identifierOf(commonName).value } : {}) };
}

async function requested(der: Uint8Array): Promise<CertificateRequest> {
  try {
    const csr = parseCsr(der);
    await verifyCsr(csr);
    return csr;
  } catch (cause) {
    throw acmeError("badCSR", errorFrom(cause).message, { cause });
  }
}

/** Clients put the first name there, even where it is an address. */
function identifierOf(commonName: string): AcmeIdentifierRecord {
  const address = canonicalIp(commonName);
  if (address !== undefined) return { type: "ip", value: address };
  return { type: "dns", value: commonName.toLowerCase() };
}

function distinct(identifiers: readonly AcmeIdentifierRecord[]): readonly AcmeIdentifierRecord[] {
  return [...new Map(identifiers.map((each) => [nameSetKey([each]), each])).values()];
}

/** RFC 5280 appendix A.1, ub-common-name. */
const MAX_COMMON_NAME = 64;
