import type { Bundle } from "../../spiffe/bundle.ts";
import { encodeBundleDocument, encodeJwks } from "../../spiffe/bundle-document.ts";
import { encodeCertificates } from "../../x509/pem.ts";

/** How a bundle is written: a SPIFFE bundle document, its X.509 authorities as PEM, or its JWT authorities as a JWK Set. */
export type BundleFormat = "spiffe" | "pem" | "jwks";

export interface FormattedBundle {
  readonly text: string;
  /** `Content-Type`, where it is served. */
  readonly type: string;
}

export function formatBundle(bundle: Bundle, format: BundleFormat): FormattedBundle {
  switch (format) {
    case "spiffe":
      return { text: encodeBundleDocument(bundle), type: "application/json" };
    case "jwks":
      return {
        text: new TextDecoder().decode(encodeJwks(bundle.jwtAuthorities)),
        type: "application/jwk-set+json",
      };
    case "pem":
      return {
        text: encodeCertificates(bundle.x509Authorities.map(({ der }) => der)),
        type: "application/x-pem-file",
      };
  }
}
