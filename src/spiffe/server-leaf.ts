import { type AssayError, errorFrom, fail } from "../base/errors.ts";
import { parseCertificate } from "../x509/certificate.ts";
import { checkLeaf } from "./x509-svid.ts";

/**
 * What is wrong with the certificate that a server shows, whoever signed it: it has to be an X.509-SVID of the SPIFFE ID
 * that is expected of it.
 * @param der the leaf
 * @returns undefined when it is the expected one; unauthenticated for another ID, invalid for what is no SVID
 */
export function wrongServer(der: Uint8Array, expected: string): AssayError | undefined {
  try {
    const found = checkLeaf(parseCertificate(der)).toString();
    return found === expected
      ? undefined
      : fail("unauthenticated", `the server is ${found}, not ${expected}`);
  } catch (error) {
    return errorFrom(error);
  }
}
