import { encodeCertificates } from "../../../x509/pem.ts";
import { trustStore } from "../../../x509/pkcs12/stores.ts";
import { debianPackage } from "./debian-package.ts";
import type { ExportedTrust } from "./exported-trust.ts";
import { mobileconfig } from "./mobileconfig.ts";

export const TRUST_FORMATS = ["pem", "pkcs12", "mobileconfig", "deb"] as const;

export type TrustFormat = (typeof TRUST_FORMATS)[number];

/** Those that are text, and can go to standard output. */
export const TEXT_FORMATS: ReadonlySet<TrustFormat> = new Set<TrustFormat>(["pem", "mobileconfig"]);

/** @throws invalid for a password that importers would read differently */
export async function renderTrust(
  trust: ExportedTrust,
  format: TrustFormat,
  password: string,
): Promise<Uint8Array> {
  switch (format) {
    case "pem":
      return Buffer.from(encodeCertificates(trust.roots));
    case "mobileconfig":
      return Buffer.from(mobileconfig(trust));
    case "deb":
      return debianPackage(trust);
    case "pkcs12":
      return trustStore({ roots: trust.roots, password });
  }
}
