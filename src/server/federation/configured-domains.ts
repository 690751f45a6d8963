/** The foreign trust domains of the configuration file: `federation.federatesWith`. */
import { readFile, stat } from "node:fs/promises";
import { errorFrom, fail } from "../../base/errors.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import { parseBundleDocument } from "../../spiffe/bundle-document.ts";
import { requireCertificates } from "../../x509/pem.ts";
import { type ForeignBundle, encodeForeignBundle } from "../bundles/foreign-bundle.ts";
import type { BundleSource } from "./fetch-bundle.ts";

export interface ConfiguredDomain {
  readonly source: BundleSource;
  /** Taken while there is none of the domain. */
  readonly firstBundle?: ForeignBundle;
}

/** By trust domain. @throws precondition, invalid, naming the setting */
export async function configuredDomains(
  federation: ServerConfig["federation"],
): Promise<ReadonlyMap<string, ConfiguredDomain>> {
  const domains = new Map<string, ConfiguredDomain>();
  for (const [trustDomain, domain] of federation?.federatesWith ?? []) {
    const where = `federation.federatesWith.${trustDomain}`;
    const { endpointUrl, profile, endpointSpiffeId = "", bundleFile, caFile } = domain;
    const webRoots =
      caFile === undefined ? undefined : await readSmall(`${where}.caFile`, caFile, requireRoots);
    const firstBundle =
      bundleFile === undefined
        ? undefined
        : await readSmall(`${where}.bundleFile`, bundleFile, (text) =>
            readBundle(trustDomain, text),
          );
    domains.set(trustDomain, {
      source: {
        trustDomain,
        endpointUrl,
        endpointProfile: profile,
        endpointSpiffeId,
        ...(webRoots === undefined ? {} : { webRoots }),
      },
      ...(firstBundle === undefined ? {} : { firstBundle }),
    });
  }
  return domains;
}

/** A bundle document, or certificates. @throws invalid */
function readBundle(trustDomain: string, text: string): ForeignBundle {
  const bundle = text.trimStart().startsWith("{")
    ? parseBundleDocument(trustDomain, text)
    : {
        trustDomain,
        x509Authorities: requireCertificates(text).map((der) => ({ der, tainted: false })),
        jwtAuthorities: [],
        refreshHint: 0,
      };
  encodeForeignBundle(bundle); // checks it whole, before anything else is changed
  return bundle;
}

function requireRoots(text: string): string {
  requireCertificates(text);
  return text;
}

async function readSmall<T>(where: string, file: string, read: (text: string) => T): Promise<T> {
  let text: string;
  try {
    if ((await stat(file)).size > MAX_BYTES) {
      throw fail("invalid", `is larger than ${MAX_BYTES} bytes`);
    }
    text = await readFile(file, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const why = code === undefined ? errorFrom(cause).message : `cannot be read (${code})`;
    throw fail("precondition", `${where}: ${file} ${why}`, { cause });
  }
  try {
    return read(text);
  } catch (cause) {
    throw fail("invalid", `${where}: ${file}: ${errorFrom(cause).message}`, { cause });
  }
}

const MAX_BYTES = 1024 * 1024;
