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
import { type KnownSigning, knownSet, signedProfile, signs } from "./front-end-signing.ts";
import { type WebTls, plainUrl, webTlsOf } from "./web-tls.ts";

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

/** @throws ConfigError, naming the keys */
export function acmeFrontEnd(given: Given, known: KnownSigning): AcmeFrontEndConfig {
  const { termsOfService, website } = given;
  const made = allOf<AcmeFrontEndConfig>({
    listen: () => listenOf(given),
    url: () => urlOf(given),
    tls: () => tlsOf(given),
    set: () => knownSet(given.set, known, WHERE),
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

/** Absent: those of the default that are there and signed. */
function profilesOf({ set, profiles }: Given, known: KnownSigning): readonly string[] {
  const own = DEFAULT_PROFILES.filter(
    (name) => known.profiles.has(name) && signs(set, name, known),
  );
  if (profiles === undefined && own.length > 0) return own;
  return (profiles ?? DEFAULT_PROFILES).map((name) =>
    signedProfile(name, set, known, `${WHERE}.profiles`),
  );
}

function tlsOf(given: Given): WebTls {
  const tls = webTlsOf(given, WHERE, {
    dnsNames: () => [nameOf(given)],
    host: () => listenOf(given).host,
    behindProxy: "a loopback address",
  });
  if (tls.kind !== "none" && urlOf(given).startsWith("http:")) {
    throw fail("invalid", `${WHERE}.url is http:// and the listener has TLS; write https://`);
  }
  return tls;
}

function nameOf(given: Given): string {
  const host = given.url === undefined ? listenOf(given).host : new URL(urlOf(given)).hostname;
  if (isIP(host.replace(/^\[|\]$/g, "")) === 0) return host;
  throw fail(
    "invalid",
    `${WHERE}.svid: url has no DNS name that the SVID could have; write url: https://NAME:PORT, or set certificateFile and keyFile`,
  );
}

const DEFAULT_PROFILES = ["server-90d", "server-7d"] as const;
const WHERE = "frontends.acme";
