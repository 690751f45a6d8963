/** `frontends.acme.validation` of a server's file: how challenges are checked, and where nobody is sent. */
import { isIP } from "node:net";
import { Networks } from "../../base/networks.ts";
import { fail } from "../../base/errors.ts";
import { allOf } from "../settings/problems.ts";
import { type ValueOf, count, duration, interval, list, section, text } from "../settings/shape.ts";

const NETWORKS = list(text({ maxLength: 64 }), { most: 256 });
const PORT = count(1, 65_535);

export const ACME_VALIDATION = section({
  resolvers: {
    shape: list(text({ maxLength: 64 }), { least: 1, most: 8 }),
    help: "DNS servers, ADDRESS or ADDRESS:PORT; absent: those of the system",
  },
  resolverTimeout: {
    shape: interval(50),
    help: "how long one DNS server may take to answer; each is asked twice",
    default: "2s",
  },
  timeout: {
    shape: duration(1),
    help: "how long one challenge may take, look-ups, redirects and all",
    default: "10s",
  },
  httpPort: { shape: PORT, help: "port of http-01, and of redirects to http", default: 80 },
  httpsPort: { shape: PORT, help: "port of redirects to https", default: 443 },
  tlsPort: { shape: PORT, help: "port of tls-alpn-01", default: 443 },
  redirects: { shape: count(0, 10), help: "how many http-01 follows", default: 5 },
  allowedNetworks: {
    shape: NETWORKS,
    help: "addresses that may be connected to; absent: all that are not refused. Of what is refused by default, exactly what is named here is opened",
  },
  refusedNetworks: {
    shape: NETWORKS,
    help: "addresses that are never connected to, beside those refused by default",
    default: [],
  },
  caaIdentities: {
    shape: list(text({ maxLength: 253 }), { most: 16 }),
    help: "names of this server in CAA records; absent: CAA is not looked at",
    default: [],
  },
});

export interface AcmeValidationConfig {
  /** As `dns.Resolver.setServers` takes them; empty: the system's. */
  readonly resolvers: readonly string[];
  readonly resolverTimeoutMs: number;
  readonly timeoutSeconds: number;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly tlsPort: number;
  readonly redirects: number;
  /** `ADDRESS/BITS`; undefined: all. */
  readonly allowedNetworks: readonly string[] | undefined;
  readonly refusedNetworks: readonly string[];
  /** Lower case; empty: CAA is off. */
  readonly caaIdentities: readonly string[];
}

/** @throws ConfigError, naming the keys */
export function acmeValidation(
  given: ValueOf<typeof ACME_VALIDATION> | undefined,
): AcmeValidationConfig {
  return allOf<AcmeValidationConfig>({
    resolvers: () => (given?.resolvers ?? []).map(resolverOf),
    resolverTimeoutMs: () => given?.resolverTimeout ?? 2000,
    timeoutSeconds: () => given?.timeout ?? 10,
    httpPort: () => given?.httpPort ?? 80,
    httpsPort: () => given?.httpsPort ?? 443,
    tlsPort: () => given?.tlsPort ?? 443,
    redirects: () => given?.redirects ?? 5,
    allowedNetworks: () => networksOf(given?.allowedNetworks, "allowedNetworks"),
    refusedNetworks: () => networksOf(given?.refusedNetworks, "refusedNetworks") ?? [],
    caaIdentities: () => (given?.caaIdentities ?? []).map(identityOf),
  });
}

function resolverOf(text: string): string {
  const [, six, four, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const bare = isIP(text) === 6;
  const known = bare || (six !== undefined ? isIP(six) === 6 : isIP(four ?? "") === 4);
  const inRange = port === undefined || (Number(port) > 0 && Number(port) <= 65_535);
  if (known && inRange) return bare ? `[${text}]` : text;
  throw fail(
    "invalid",
    `${WHERE}.resolvers: '${text}' is no address of a DNS server, for example 10.0.0.53 or [fd00::53]:5353`,
  );
}

function networksOf(
  texts: readonly string[] | undefined,
  key: string,
): readonly string[] | undefined {
  try {
    return texts === undefined ? undefined : Networks.parse(texts).texts;
  } catch (cause) {
    throw fail("invalid", `${WHERE}.${key}: ${cause instanceof Error ? cause.message : ""}`, {
      cause,
    });
  }
}

/** RFC 8659 §4.2, `issuer-domain-name`. */
function identityOf(text: string): string {
  if (CAA_NAME.test(text)) return text.toLowerCase();
  throw fail("invalid", `${WHERE}.caaIdentities: '${text}' is no domain name`);
}

const WHERE = "frontends.acme.validation";
const CAA_NAME = /^[A-Za-z0-9]([A-Za-z0-9-]{0,62})(\.[A-Za-z0-9-]{1,63})*$/;
