import { readFile } from "node:fs/promises";
import { toHex } from "../../base/bytes.ts";
import { createHash } from "node:crypto";
import { fail } from "../../base/errors.ts";
import { parseBundleDocument } from "../../spiffe/bundle-document.ts";
import type { AgentConfig } from "../../config/agent/agent-config.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { decodeCertificates } from "../../x509/pem.ts";
import type { AgentIdentity } from "./agent-identity.ts";

/** The trust bundle an operator gave: PEM certificates or a SPIFFE bundle document. @throws precondition */
export async function loadBootstrapBundle(file: string, trustDomain: string): Promise<Bundle> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    throw fail("precondition", `the trust bundle ${file} cannot be read`, { cause });
  }
  return parseBootstrapBundle(text, file, trustDomain);
}

/** @param source file or address, for the message @throws precondition */
export function parseBootstrapBundle(text: string, source: string, trustDomain: string): Bundle {
  try {
    const bundle = text.trimStart().startsWith("{")
      ? parseBundleDocument(trustDomain, text)
      : bundleFromPem(text, trustDomain);
    if (bundle.x509Authorities.length > 0) return bundle;
  } catch (cause) {
    throw fail("precondition", `the trust bundle ${source} is neither PEM nor a bundle document`, {
      cause,
    });
  }
  throw fail(
    "precondition",
    `the trust bundle ${source} holds no certificate; get one with assay bundle show`,
  );
}

/** Both bundles' authorities; what `preferred` says of an authority counts. */
export function unionBundle(preferred: Bundle, other: Bundle): Bundle {
  const ders = new Set(preferred.x509Authorities.map(({ der }) => toHex(der)));
  const keyIds = new Set(preferred.jwtAuthorities.map(({ keyId }) => keyId));
  return {
    ...preferred,
    x509Authorities: [
      ...preferred.x509Authorities,
      ...other.x509Authorities.filter(({ der }) => !ders.has(toHex(der))),
    ],
    jwtAuthorities: [
      ...preferred.jwtAuthorities,
      ...other.jwtAuthorities.filter(({ keyId }) => !keyIds.has(keyId)),
    ],
  };
}

/** SHA-256 of each authority, for people to compare. */
export function bundleFingerprints(bundle: Bundle): string[] {
  return bundle.x509Authorities.map(({ der }) => createHash("sha256").update(der).digest("hex"));
}

function bundleFromPem(text: string, trustDomain: string): Bundle {
  const ders = decodeCertificates(text);
  return {
    trustDomain,
    x509Authorities: ders.map((der) => {
      parseCertificate(der);
      return { der, tainted: false };
    }),
    jwtAuthorities: [],
    refreshHint: 0,
    sequence: 0,
  };
}

/**
 * Trusts what the operator gave for the first start.
 * @throws precondition when nothing is given and nothing is stored, or the file holds no bundle
 */
export async function trustBootstrapBundle(
  identity: AgentIdentity,
  { bootstrap, trustDomain }: Pick<AgentConfig, "bootstrap" | "trustDomain">,
): Promise<void> {
  if (bootstrap.kind === "bundle") {
    const given = await loadBootstrapBundle(bootstrap.file, trustDomain);
    // Until the first sync: the stored one may be the newer of the two, the given one was asked for.
    identity.trust(identity.bundle === undefined ? given : unionBundle(identity.bundle, given));
  } else if (bootstrap.kind === "stored" && identity.bundle === undefined) {
    throw fail(
      "precondition",
      "no trust bundle is known; pass --trust-bundle FILE (assay bundle show on the server), --trust-bundle-url or --insecure-bootstrap",
    );
  }
}
