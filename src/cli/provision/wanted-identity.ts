/** What `provision client` and `provision exec` are told alike: the server, by what it is known, what is wanted. */
import { existsSync } from "node:fs";
import { systemClock } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { readSecretFile } from "../../config/secret.ts";
import { KEY_TYPES } from "../../keys/contract.ts";
import { readCertificates } from "../../provision/answer.ts";
import type { ServerAddress } from "../../provision/http-exchange.ts";
import type { IdentitySource } from "../../provision/identity.ts";
import type { IdentityFileNames } from "../../provision/identity-files.ts";
import { type IdentityNames, identityNames } from "../../provision/names.ts";
import { ProvisionClient, authorityByFingerprint } from "../../provision/provision-client.ts";
import type { Certificate } from "../../x509/certificate.ts";
import type { CommandContext } from "../program/command.ts";
import { type OptionSpec, UsageError, orUsage } from "../program/grammar.ts";
import { readNamedFile } from "../files/named-file.ts";
import { accountId } from "../watch/accounts.ts";

/** Further names, with spaces or commas between them. */
export const SANS = "ASSAY_PROVISION_SANS";

export const SERVER_OPTIONS: readonly OptionSpec[] = [
  {
    name: "server",
    value: "URL",
    help: "the front end 'provision' of a server, https://HOST:33004",
    env: "ASSAY_PROVISION_SERVER",
  },
  {
    name: "ca-file",
    value: "FILE",
    help: "authorities (PEM) of the server and of what it signs",
    env: "ASSAY_PROVISION_CA_FILE",
  },
  {
    name: "ca-fingerprint",
    value: "HEX",
    help: "in place of a file: SHA-256 of an authority's certificate",
    env: "ASSAY_PROVISION_CA_FINGERPRINT",
  },
  {
    name: "trust-domain",
    value: "TD",
    help: "know the server by its SVID in this trust domain, whatever its host is called",
    env: "ASSAY_PROVISION_TRUST_DOMAIN",
  },
  { name: "plain-http", help: "allow http:// in --server: anybody on the way reads the token" },
];

export const IDENTITY_OPTIONS: readonly OptionSpec[] = [
  {
    name: "name",
    value: "NAME",
    help: "common name, and a DNS name of the certificate where it is one",
    env: "ASSAY_PROVISION_NAME",
  },
  {
    name: "san",
    value: "NAME",
    help: `a further DNS name or IP address; those of $${SANS}, too`,
    many: true,
  },
  { name: "key-type", value: "TYPE", help: "of its key", choices: KEY_TYPES, fallback: "ec-p256" },
  {
    name: "max-life",
    value: "DURATION",
    help: "refuse a certificate that lasts longer",
    fallback: "what the server says",
  },
];

export const FILE_OPTIONS: readonly OptionSpec[] = [
  { name: "key-name", value: "FILE", help: "name of the key's file", fallback: "id.key" },
  { name: "cert-name", value: "FILE", help: "of the certificate's", fallback: "id.crt" },
  { name: "ca-name", value: "FILE", help: "of the authorities'", fallback: "cacert.pem" },
  { name: "owner", value: "USER[:GROUP]", help: "of the files, where it is not this user" },
  {
    name: "wait",
    value: "DURATION",
    help: "how long to ask a server again that does not answer",
    fallback: "30s",
  },
];

/** Words of before, for those who have them already. */
export interface OldWords {
  readonly server?: string;
  readonly name?: string;
  readonly caFile?: string;
}

/** @throws UsageError; unauthenticated, unavailable where a fingerprint has to be looked for */
export async function identitySource(
  { options, env, signal }: CommandContext,
  old: OldWords,
): Promise<IdentitySource> {
  const url = serverUrl(options.text("server") ?? old.server, options.flag("plain-http"));
  const sans = [...options.list("san"), ...(env[SANS] ?? "").split(/[\s,]+/).filter(Boolean)];
  const names = namesOf(options.text("name") ?? old.name, sans);
  const maxLifeSeconds = options.seconds("max-life");
  const trustDomain = options.text("trust-domain")?.replace(/^spiffe:\/\//, "");
  const address = {
    url,
    timeoutMs: CALL_TIMEOUT_MS,
    ...(trustDomain === undefined ? {} : { trustDomain }),
  };
  const roots = await rootsOf({ options, signal }, old, { ...address, roots: [] });
  return {
    client: new ProvisionClient({ ...address, roots }),
    names,
    roots,
    keyType: KEY_TYPES.find((known) => known === options.text("key-type")) ?? "ec-p256",
    ...(maxLifeSeconds === undefined ? {} : { maxLifeSeconds }),
    clock: systemClock,
    random: systemRandom,
  };
}

export function fileNames({ options }: CommandContext): IdentityFileNames {
  const named = (option: string, fallback: string): string => {
    const name = options.text(option) ?? fallback;
    if (FILE_NAME.test(name)) return name;
    throw new UsageError(`--${option}: '${name}' is no name of a file, or one with folders`);
  };
  const names = {
    key: named("key-name", "id.key"),
    certificate: named("cert-name", "id.crt"),
    authorities: named("ca-name", "cacert.pem"),
  };
  if (new Set(Object.values(names)).size === 3) return names;
  throw new UsageError(
    "--key-name, --cert-name and --ca-name are the same; three files are written",
  );
}

/** `USER`, `USER:GROUP`. */
export function ownerOf({ options }: CommandContext): {
  readonly uid?: number;
  readonly gid?: number;
} {
  const text = options.text("owner");
  if (text === undefined) return {};
  const [user = "", group = ""] = text.split(":");
  return orUsage(() => ({
    uid: accountId("owner", user),
    ...(group === "" ? {} : { gid: accountId("group", group) }),
  }));
}

export function waitMs({ options }: CommandContext): number {
  return (options.seconds("wait") ?? 30) * 1000;
}

/** HOST:PORT counts as https. @throws UsageError */
function serverUrl(text: string | undefined, isPlain: boolean): URL {
  if (text === undefined) {
    throw new UsageError("--server is missing; for example --server https://ca.example.org:33004");
  }
  const scheme = isPlain ? "http" : "https";
  const whole = /^[a-z]+:\/\//.test(text) ? text : `${scheme}://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (url === undefined || !["https:", "http:"].includes(url.protocol) || url.username !== "") {
    throw new UsageError(`--server: '${text}' is no address, for example https://HOST:33004`);
  }
  if (url.protocol === "http:" && !isPlain) {
    throw new UsageError(
      "--server: http:// lets anybody on the way read the token; use https://, or add --plain-http",
    );
  }
  if (url.protocol === "https:" && isPlain) {
    throw new UsageError("--plain-http has no meaning with https://; leave one out");
  }
  if (url.port === "" && !/:(80|443)\/?$/.test(text)) url.port = DEFAULT_PORT;
  return url;
}

function namesOf(name: string | undefined, sans: readonly string[]): IdentityNames {
  if (name !== undefined) return orUsage(() => identityNames(name, sans));
  throw new UsageError("--name is missing; for example --name web.example.org");
}

async function rootsOf(
  { options, signal }: Pick<CommandContext, "options" | "signal">,
  old: OldWords,
  address: ServerAddress,
): Promise<readonly Certificate[]> {
  const file = options.text("ca-file");
  const fingerprint = options.text("ca-fingerprint");
  if (file !== undefined && fingerprint !== undefined) {
    throw new UsageError("--ca-file and --ca-fingerprint are both given; one says it all");
  }
  if (fingerprint !== undefined) {
    const hex = fingerprint.replaceAll(":", "").toLowerCase();
    if (!/^[0-9a-f]{64}$/.test(hex)) {
      throw new UsageError("--ca-fingerprint is no SHA-256 in hexadecimal, 64 digits");
    }
    if (address.url.protocol === "http:") {
      throw new UsageError("--ca-fingerprint needs https://; with --plain-http give --ca-file");
    }
    return [await authorityByFingerprint(address, hex, signal)];
  }
  const path =
    file ?? (old.caFile !== undefined && existsSync(old.caFile) ? old.caFile : undefined);
  if (path === undefined) {
    throw new UsageError(
      "the server's authority is not known; give --ca-file, or --ca-fingerprint as 'assay provision token' prints it",
    );
  }
  const roots = readCertificates(readNamedFile(path, "ca-file"));
  if (roots.length > 0) return roots;
  throw fail("invalid", `--ca-file: ${path} holds no certificate (PEM)`);
}

/** A token out of a file. @throws not_found, invalid */
export function tokenOfFile(path: string): string {
  return readSecretFile(path, "--token-file");
}

const DEFAULT_PORT = "33004";
const CALL_TIMEOUT_MS = 15_000;
const FILE_NAME = /^(?!current$|federated$)[A-Za-z0-9_-][A-Za-z0-9._-]{0,254}$/;
