import { type AssayError, errorFrom, fail } from "../base/errors.ts";
import { parseCertificate } from "../x509/certificate.ts";
import type { Bundle } from "./bundle.ts";
import { isRevoked } from "./revoked.ts";
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

/**
 * Whether a revocation list beside the trust domain's bundle names a certificate that a server shows.
 * @param chain DER
 */
export function revokedServer(
  chain: readonly Uint8Array[],
  bundle: Pick<Bundle, "crls">,
): AssayError | undefined {
  if (bundle.crls === undefined) return undefined;
  try {
    if (!chain.some((der) => isRevoked(parseCertificate(der), bundle))) return undefined;
  } catch (error) {
    return errorFrom(error);
  }
  return fail(
    "unauthenticated",
    "the server's SVID was revoked; a server that is in the right hands has made another by itself",
  );
}
