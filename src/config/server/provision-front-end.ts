/** `frontends.provision` of a server's file and the options for it, completed and checked. */
import { errorFrom, fail } from "../../base/errors.ts";
import { checkDnsName } from "../../spiffe/dns-name.ts";
import { parseAddress } from "../address.ts";
import { authoritySetsSetting } from "./build-authority-sets.ts";
import { knownSet, signedProfile } from "./front-end-signing.ts";
import { formatDuration } from "../settings/duration.ts";
import type { PathContext } from "../paths.ts";
import { allOf } from "../settings/problems.ts";
import { PROVISION } from "../sections/provision-section.ts";
import { readValue } from "../settings/read-value.ts";
import type { ServerSettings } from "./server-settings.ts";
import type { ValueOf } from "../settings/shape.ts";
import type { Settings } from "../settings/source.ts";
import { type WebTls, certificateFilesOf } from "./web-tls.ts";

type Given = ValueOf<typeof PROVISION>;

export interface ProvisionFrontEndConfig {
  readonly listen: { readonly host: string; readonly port: number };
  readonly tls: WebTls;
  /** Name of the authority set; `trust-domain` is the domain's own. */
  readonly set: string;
  /** Name of the certificate profile. */
  readonly profile: string;
  /** Of a certificate that was authorized without one; 0 = the profile's. */
  readonly lifeSeconds: number;
  readonly maxLifeSeconds: number;
  readonly tokenLifeSeconds: number;
  /** Failed ones that burn a token. */
  readonly attempts: number;
  readonly renewals: boolean;
  readonly anonymousAuthorize: boolean;
}

/** Undefined without the section and without an option for it. @throws ConfigError, naming the keys */
export function provisionFrontEnd(
  settings: Settings<ServerSettings>,
  context: PathContext,
): ProvisionFrontEndConfig | undefined {
  const given = settings.get("frontends")?.provision;
  const listen = settings.get("provision-listen");
  const anonymous = settings.get("anonymous-authorize");
  const plainHttp = settings.get("plain-http");
  const asked = [listen, anonymous, plainHttp].some((each) => each !== undefined && each !== false);
  if (given === undefined && !asked) return undefined;
  const section: Given = {
    ...(given ?? defaults(context)),
    ...(listen === undefined ? {} : { listen }),
    ...(anonymous === undefined ? {} : { anonymousAuthorize: anonymous }),
    ...(plainHttp === undefined ? {} : { plainHttp }),
  };
  return allOf<ProvisionFrontEndConfig>({
    listen: () => parseAddress(section.listen, `${WHERE}.listen`, { zeroPort: true }),
    tls: () => tlsOf(section),
    set: () => knownSet(section.set, authoritySetsSetting(settings), WHERE),
    profile: () => profileOf(section, settings),
    lifeSeconds: () => lifeOf(section),
    maxLifeSeconds: () => section.maxLife,
    tokenLifeSeconds: () => tokenLifeOf(section),
    attempts: () => section.attempts,
    renewals: () => section.renewals,
    anonymousAuthorize: () => section.anonymousAuthorize,
  });
}

/** As a section without a key has it. */
function defaults(context: PathContext): Given {
  const report = (path: string, problem: string): void => {
    throw new TypeError(`${path}: ${problem}`);
  };
  const made = readValue(PROVISION, {}, WHERE, { context, report });
  if (made === undefined)
    throw new TypeError("every key of the section has a default or may be absent");
  return made;
}

function tlsOf(given: Given): WebTls {
  const files = certificateFilesOf(given, WHERE);
  if (given.plainHttp && files !== undefined) {
    throw fail("invalid", `${WHERE}: certificateFile and plainHttp exclude each other`);
  }
  if (given.plainHttp) return { kind: "none" };
  if (files !== undefined) return files;
  for (const host of given.hosts) inHosts(host);
  return { kind: "svid", dnsNames: given.hosts };
}

function inHosts(host: string): void {
  try {
    checkDnsName(host);
  } catch (cause) {
    throw fail("invalid", `${WHERE}.hosts: '${host}': ${errorFrom(cause).message}`, { cause });
  }
}

function profileOf({ set, profile }: Given, settings: Settings<ServerSettings>): string {
  return signedProfile(profile, set, authoritySetsSetting(settings), `${WHERE}.profile`);
}

function lifeOf({ life = 0, maxLife }: Given): number {
  if (life <= maxLife) return life;
  throw fail("invalid", `${WHERE}.life is longer than maxLife (${formatDuration(maxLife)})`);
}

function tokenLifeOf({ tokenLife }: Given): number {
  if (tokenLife <= MAX_TOKEN_LIFE_SECONDS) return tokenLife;
  const most = formatDuration(MAX_TOKEN_LIFE_SECONDS);
  throw fail("invalid", `${WHERE}.tokenLife is longer than ${most}`);
}

/** The longest that a one-time token can count. */
export const MAX_TOKEN_LIFE_SECONDS = 30 * 24 * 3600;

const WHERE = "frontends.provision";
