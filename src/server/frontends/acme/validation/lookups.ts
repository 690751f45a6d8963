import type { CaaRecord } from "node:dns";
import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { refuse } from "./refusal.ts";

export interface LookupsOptions {
  /** `ADDRESS` or `ADDRESS:PORT`; empty: the system's. */
  readonly resolvers: readonly string[];
  readonly resolverTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** One property of a CAA record set (RFC 8659 §4.1). */
export interface CaaProperty {
  readonly critical: boolean;
  /** Lower case. */
  readonly tag: string;
  readonly value: string;
}

/**
 * The look-ups of one validation, by DNS alone: no hosts file, no search list, nothing kept from earlier ones. Disposed,
 * or when its signal ends, it forgets what is under way.
 */
export class Lookups implements Disposable {
  readonly #resolver: Resolver;
  readonly #signal: AbortSignal;
  readonly #cancel = (): void => this.#resolver.cancel();

  constructor({ resolvers, resolverTimeoutMs, signal }: LookupsOptions) {
    this.#resolver = new Resolver({ timeout: resolverTimeoutMs, tries: TRIES });
    if (resolvers.length > 0) this.#resolver.setServers([...resolvers]);
    this.#signal = signal;
    signal.addEventListener("abort", this.#cancel, { once: true });
  }

  /** IPv6 and IPv4 in turn, IPv6 first; an address is its own. @throws refuse: `dns` */
  async addresses(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    const [six, four] = await Promise.allSettled([
      this.#ask(host, "AAAA", () => this.#resolver.resolve6(host)),
      this.#ask(host, "A", () => this.#resolver.resolve4(host)),
    ]);
    const found = inTurn(six, four);
    if (found.length > 0) return found;
    if (six.status === "rejected") throw six.reason;
    if (four.status === "rejected") throw four.reason;
    throw refuse("dns", `${host} has no address in DNS`);
  }

  /** One text for each TXT record, its parts joined. @throws refuse: `dns` */
  async texts(name: string): Promise<readonly string[]> {
    const records = await this.#ask(name, "TXT", () => this.#resolver.resolveTxt(name));
    return records.map((parts) => parts.join(""));
  }

  /** Of this name alone. @throws refuse: `dns` */
  async caa(name: string): Promise<readonly CaaProperty[]> {
    const records = await this.#ask(name, "CAA", () => this.#resolver.resolveCaa(name));
    return records.flatMap(propertiesOf);
  }

  [Symbol.dispose](): void {
    this.#signal.removeEventListener("abort", this.#cancel);
    this.#resolver.cancel();
  }

  async #ask<T>(name: string, type: string, ask: () => Promise<T[]>): Promise<T[]> {
    this.#signal.throwIfAborted();
    try {
      return await ask();
    } catch (cause) {
      this.#signal.throwIfAborted();
      const code = (cause as NodeJS.ErrnoException).code ?? "";
      if (NOTHING.has(code)) return [];
      const why = WHY.get(code) ?? `it failed (${code || "unknown"})`;
      throw refuse("dns", `DNS was asked for the ${type} records of ${name}: ${why}`, cause);
    }
  }
}

function inTurn(
  six: PromiseSettledResult<string[]>,
  four: PromiseSettledResult<string[]>,
): readonly string[] {
  const sixes = six.status === "fulfilled" ? six.value : [];
  const fours = four.status === "fulfilled" ? four.value : [];
  const found: string[] = [];
  for (let i = 0; i < Math.max(sixes.length, fours.length); i++) {
    found.push(...sixes.slice(i, i + 1), ...fours.slice(i, i + 1));
  }
  return found;
}

function propertiesOf(record: CaaRecord): readonly CaaProperty[] {
  const { critical, ...tags } = record;
  return Object.entries(tags)
    .filter(([tag, value]) => tag !== "type" && typeof value === "string")
    .map(([tag, value]) => ({
      critical: critical !== 0,
      tag: tag.toLowerCase(),
      value: String(value),
    }));
}

/** c-ares' words for NXDOMAIN and for a name without such records. */
const NOTHING: ReadonlySet<string> = new Set(["ENOTFOUND", "ENODATA"]);
const WHY: ReadonlyMap<string, string> = new Map([
  ["ETIMEOUT", "no server answered in time"],
  ["ESERVFAIL", "the server failed"],
  ["EREFUSED", "the server refused"],
  ["ECONNREFUSED", "no server is there"],
  ["EBADRESP", "the answer made no sense"],
  ["EBADNAME", "the name cannot be asked for"],
  ["EFORMERR", "the server did not understand"],
  ["ENOTIMP", "the server does not know such records"],
]);
const TRIES = 2;
