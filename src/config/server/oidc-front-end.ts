/** `frontends.oidc` of a server's file, completed and checked. */
import { isIP } from "node:net";
import { fail } from "../../base/errors.ts";
import { isLoopback } from "../../base/loopback.ts";
import { parseAddress } from "../address.ts";
import type { FRONT_ENDS } from "../sections/front-end-sections.ts";
import { socketPathOf } from "../paths.ts";
import { allOf } from "../settings/problems.ts";
import type { ValueOf } from "../settings/shape.ts";
import { type WebTls, plainUrl, webTlsOf } from "./web-tls.ts";

type Given = NonNullable<ValueOf<typeof FRONT_ENDS>["oidc"]>;

export interface OidcFrontEndConfig {
  readonly listen: { readonly host: string; readonly port: number } | { readonly socket: string };
  /** Exactly the tokens' `iss`. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** Lower case, without ports; empty: any. */
  readonly hosts: readonly string[];
  readonly tls: WebTls;
  readonly maxAgeSeconds: number;
}

/**
 * @param jwtIssuer what tokens have as their `iss` by the setting of that name; undefined: nothing
 * @throws ConfigError, naming the keys
 */
export function oidcFrontEnd(given: Given, jwtIssuer: string | undefined): OidcFrontEndConfig {
  return allOf<OidcFrontEndConfig>({
    listen: () => listenOf(given),
    issuer: () => issuerOf(given, jwtIssuer),
    jwksUri: () => jwksUriOf(given, jwtIssuer),
    hosts: () => hostsOf(given, jwtIssuer),
    tls: () => tlsOf(given, jwtIssuer),
    maxAgeSeconds: () => given.maxAge,
  });
}

/** The tokens' `iss`: the front end's issuer, where there is one, says it too. @throws invalid when the two differ */
export function issuerOfTokens(
  jwtIssuer: string | undefined,
  frontends: ValueOf<typeof FRONT_ENDS>,
): string {
  return frontends.oidc === undefined ? (jwtIssuer ?? "") : issuerOf(frontends.oidc, jwtIssuer);
}

function listenOf({ listen }: Given): OidcFrontEndConfig["listen"] {
  if (listen.includes("/")) return { socket: socketPathOf(listen, `${WHERE}.listen`) };
  return parseAddress(listen, `${WHERE}.listen`, { zeroPort: true });
}

/** OpenID Connect Discovery 1.0 §3, `issuer`. */
function issuerOf({ issuer }: Given, jwtIssuer: string | undefined): string {
  if (issuer !== undefined && jwtIssuer !== undefined && issuer !== jwtIssuer) {
    throw fail(
      "invalid",
      `${WHERE}.issuer and jwtIssuer differ, so that no token would be from this issuer; leave one out`,
    );
  }
  const text = issuer ?? jwtIssuer;
  if (text === undefined) {
    throw fail("invalid", `${WHERE}.issuer: is missing; give it or jwtIssuer`);
  }
  const where = issuer === undefined ? `jwtIssuer, as ${WHERE} needs it,` : `${WHERE}.issuer`;
  webAddress(text, where);
  return text;
}

function jwksUriOf(given: Given, jwtIssuer: string | undefined): string {
  const { jwksUri } = given;
  if (jwksUri === undefined) return `${issuerOf(given, jwtIssuer).replace(/\/$/, "")}/keys`;
  webAddress(jwksUri, `${WHERE}.jwksUri`);
  return jwksUri;
}

function hostsOf(given: Given, jwtIssuer: string | undefined): readonly string[] {
  const { hosts } = given;
  if (hosts === undefined) {
    const addresses = [issuerOf(given, jwtIssuer), jwksUriOf(given, jwtIssuer)];
    return [...new Set(addresses.map((address) => new URL(address).hostname))];
  }
  if (hosts.includes("*")) return [];
  for (const host of hosts) {
    if (!HOST_NAME.test(host) && !/^\[[0-9a-fA-F:.]+\]$/.test(host)) {
      throw fail(
        "invalid",
        `${WHERE}.hosts: '${host}' is no host name; leave out scheme, port and path`,
      );
    }
  }
  return hosts.map((host) => host.toLowerCase());
}

function tlsOf(given: Given, jwtIssuer: string | undefined): OidcFrontEndConfig["tls"] {
  return webTlsOf(given, WHERE, {
    dnsNames: () => dnsNamesOf(hostsOf(given, jwtIssuer)),
    host() {
      const listen = listenOf(given);
      return "host" in listen ? listen.host : undefined;
    },
    behindProxy: "a loopback address or a Unix socket",
  });
}

function dnsNamesOf(hosts: readonly string[]): readonly string[] {
  const names = hosts.filter((host) => HOST_NAME.test(host) && isIP(host) === 0);
  if (names.length > 0) return names.slice(0, MAX_DNS_NAMES);
  throw fail("invalid", `${WHERE}.svid: hosts has no DNS name that the SVID could have`);
}

/** https, and http to this machine alone, for trying things out. */
function webAddress(text: string, where: string): void {
  const url = plainUrl(text);
  const isWeb =
    url?.protocol === "https:" || (url?.protocol === "http:" && isLoopback(url.hostname));
  if (!isWeb) {
    throw fail(
      "invalid",
      `${where} is no https address without query and fragment, for example https://oidc.example.org`,
    );
  }
}

const WHERE = "frontends.oidc";
const HOST_NAME = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_-]{1,63})*$/;
/** As many as the profile of the server's SVID allows. */
const MAX_DNS_NAMES = 16;
