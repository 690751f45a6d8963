import { fail } from "../../../base/errors.ts";
import { type CertificateRequest, parseCsr } from "../../../x509/csr.ts";
import { commonNamesOf } from "../../../x509/names.ts";
import { decodePem } from "../../../x509/pem.ts";
import type { ProvisionGrant } from "../../datastore/provision.ts";

/** The one request in a PEM text; who made it is not verified yet (`verifyCsr`). @throws invalid */
export function readRequest(body: Uint8Array): CertificateRequest {
  const csr = parseCsr(requestIn(body));
  if (csr.asksForCa) throw fail("invalid", "the request asks for an authority's certificate");
  return csr;
}

/** @returns DER of the one request in a PEM text, of which nothing is verified. @throws invalid */
export function requestIn(body: Uint8Array): Uint8Array {
  const text = Buffer.from(body).toString("latin1");
  const blocks = decodePem(text).filter(({ label }) => label.endsWith("CERTIFICATE REQUEST"));
  const [block] = blocks;
  if (block === undefined || blocks.length > 1) {
    throw fail(
      "invalid",
      "the body is not one pem certificate request (pkcs #10); send the file as it is (curl -T FILE)",
    );
  }
  return block.der;
}

/**
 * A request may name what was authorized and nothing else; what of it is not named is in the certificate nevertheless.
 * @param allowedDnsNames what the certificate may have by now, names of the entry included
 * @throws unauthenticated: the token is for other names
 */
export function checkRequestedNames(
  csr: CertificateRequest,
  grant: Pick<ProvisionGrant, "commonName" | "ipAddresses" | "spiffeId">,
  allowedDnsNames: readonly string[],
): void {
  const names = commonNamesOf(csr.subject);
  if (names.length !== 1 || names[0] !== grant.commonName) {
    throw other("the request's common name is not the one that was authorized");
  }
  const { uris, dnsNames, ipAddresses, otherAltNames } = csr;
  const dns = new Set(allowedDnsNames.map((name) => name.toLowerCase()));
  const addresses = new Set(grant.ipAddresses);
  const foreign =
    dnsNames.find((name) => !dns.has(name.toLowerCase())) ??
    ipAddresses.find((address) => !addresses.has(address)) ??
    uris.find((uri) => uri !== grant.spiffeId);
  if (foreign !== undefined || otherAltNames > 0) {
    throw other("the request names alternative names that were not authorized");
  }
}

function other(why: string): Error {
  return fail("unauthenticated", `${why}; have it authorized, or leave it out`);
}
