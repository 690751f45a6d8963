/** `frontends.acme` of a server's file, completed and checked. */
import { isIP } from "node:net";
import { fail } from "../../base/errors.ts";
import { type AcmeLimitsConfig, acmeLimits } from "../sections/acme-limits-section.ts";
import { type AcmeNamesConfig, acmeNames } from "../sections/acme-names-section.ts";
import type { ACME } from "../sections/acme-section.ts";
import { type AcmeValidationConfig, acmeValidation } from "../sections/acme-validation-section.ts";
import { parseAddress } from "../address.ts";
import { allOf } from "../settings/problems.ts";
import type { ValueOf } from "../settings/shape.ts";
import { type WebTls, certificateFilesOf, isLoopback, plainUrl } from "./web-tls.ts";
import { TRUST_DOMAIN_SET } from "../own-sets.ts";

type Given = ValueOf<typeof ACME>;

export interface AcmeFrontEndConfig {
  readonly listen: { readonly host: string; readonly port: number };
  /** Without a slash at its end; empty: made of the address listened on. */
  readonly url: string;
  readonly tls: WebTls;
  /** Name of the authority set; `trust-domain` is the domain's own. */
  readonly set: string;
  /** Names of certificate profiles, at least one; the first holds where an order names none. */
  readonly profiles: readonly string[];
  readonly orderTtlSeconds: number;
  readonly authorizationTtlSeconds: number;
  readonly unusedAccountTtlSeconds: number;
  readonly termsOfService?: string;
  readonly website?: string;
  readonly names: AcmeNamesConfig;
  readonly validation: AcmeValidationConfig;
  readonly limits: AcmeLimitsConfig;
}

/** What the rest of the file has. */
interface Known {
  readonly sets: ReadonlyMap<string, { readonly profiles: readonly string[] }>;
  readonly profiles: ReadonlyMap<string, unknown>;
}

/** @throws ConfigError, naming the keys */
export function acmeFrontEnd(given: Given, known: Known): AcmeFrontEndConfig {
  const { termsOfService, website } = given;
  const made = allOf<AcmeFrontEndConfig>({
    listen: () => listenOf(given),
    url: () => urlOf(given),
    tls: () => tlsOf(given),
    set: () => setOf(given, known),
    profiles: () => profilesOf(given, known),
    orderTtlSeconds: () => given.orderTtl,
    authorizationTtlSeconds: () => given.authorizationTtl,
    unusedAccountTtlSeconds: () => given.unusedAccountTtl,
    names: () => acmeNames(given.names),
    validation: () => acmeValidation(given.validation),
    limits: () => acmeLimits(given.limits),
  });
  return {
    ...made,
    ...(termsOfService === undefined ? {} : { termsOfService }),
    ...(website === undefined ? {} : { website }),
  };
}

function listenOf({ listen }: Given): AcmeFrontEndConfig["listen"] {
  return parseAddress(listen, `${WHERE}.listen`, { zeroPort: true });
}

/** Requests are signed for an address, which must therefore be one and the same for all. */
function urlOf(given: Given): string {
  const { url: text } = given;
  if (text === undefined) {
    const { host } = listenOf(given);
    if (host !== "0.0.0.0" && host !== "::" && host !== "[::]") return "";
    throw fail(
      "invalid",
      `${WHERE}.url: is missing; clients sign for one address, which ${host} is not`,
    );
  }
  const url = plainUrl(text);
  if (url?.protocol === "https:" || url?.protocol === "http:") return url.href.replace(/\/+$/, "");
  throw fail(
    "invalid",
    `${WHERE}.url is no address without query and fragment, for example https://acme.example.org`,
  );
}

function setOf({ set }: Given, { sets }: Known): string {
  if (set === TRUST_DOMAIN_SET || sets.has(set)) return set;
  throw fail("invalid", `${WHERE}.set: authoritySets has no ${set}; name it there`);
}

function profilesOf({ set, profiles }: Given, known: Known): readonly string[] {
  const signed = known.sets.get(set)?.profiles;
  const isSigned = (name: string): boolean => signed === undefined || signed.includes(name);
  const own = DEFAULT_PROFILES.filter((name) => known.profiles.has(name) && isSigned(name));
  if (profiles === undefined && own.length > 0) return own;
  for (const name of profiles ?? DEFAULT_PROFILES) {
    if (!known.profiles.has(name)) {
      throw fail("invalid", `${WHERE}.profiles: there is no certificate profile ${name}`);
    }
    if (isSigned(name)) continue;
    throw fail(
      "invalid",
      `${WHERE}.profiles: authority set ${set} does not sign ${name}; add it to the set's profiles`,
    );
  }
  return profiles ?? DEFAULT_PROFILES;
}

function tlsOf(given: Given): WebTls {
  const { svid, plainHttp } = given;
  const files = certificateFilesOf(given, WHERE);
  if ([files !== undefined, svid, plainHttp].filter(Boolean).length > 1) {
    throw fail("invalid", `${WHERE}: give certificateFile and keyFile, svid or plainHttp, not two`);
  }
  if ((files !== undefined || svid) && urlOf(given).startsWith("http:")) {
    throw fail("invalid", `${WHERE}.url is http:// and the listener has TLS; write https://`);
  }
  if (files !== undefined) return files;
  const { host } = listenOf(given);
  if (svid) return { kind: "svid", dnsNames: [nameOf(given)] };
  if (plainHttp || isLoopback(host)) return { kind: "none" };
  throw fail(
    "invalid",
    `${WHERE}: there is no TLS on ${host}; give certificateFile and keyFile, or svid: true, or listen on a loopback address behind a proxy`,
  );
}

function nameOf(given: Given): string {
  const host = given.url === undefined ? listenOf(given).host : new URL(urlOf(given)).hostname;
  if (isIP(host.replace(/^\[|\]$/g, "")) === 0) return host;
  throw fail("invalid", `${WHERE}.svid: url has no DNS name that the SVID could have`);
}

const DEFAULT_PROFILES = ["server-90d", "server-7d"] as const;
const WHERE = "frontends.acme";
