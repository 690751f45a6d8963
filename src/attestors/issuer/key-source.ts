/** Where an issuer's keys come from, cached: its discovery document, a given address, or a file. */
import { readFile, stat } from "node:fs/promises";
import type { Clock } from "../../base/clock.ts";
import { AssayError, errorFrom, fail } from "../../base/errors.ts";
import { type KeySet, parseKeySet } from "./key-set.ts";
import { checkWebUrl, fetchWebDocument } from "./web-document.ts";

export interface KeySourceOptions {
  /** The `iss` of tokens; its discovery document must name the same. */
  readonly issuerUrl: string;
  /** Keys are fetched there, without discovery. */
  readonly jwksUrl?: string;
  /** Keys are read from this file; nothing is asked over the network. */
  readonly jwksFile?: string;
  readonly caFile?: string;
  readonly allowLoopbackHttp: boolean;
  readonly clock: Clock;
}

/**
 * Holds the newest key set. Keys are used for 5 minutes without asking; after that they are still used while new ones
 * are fetched beside, and for an hour when that fails. However many ask, one fetch is under way at a time, and failed
 * or wanted fetches follow each other at 10 s at the earliest.
 */
export class KeySource implements AsyncDisposable {
  readonly #options: KeySourceOptions;
  readonly #stop = new AbortController();
  #held: { readonly keys: KeySet; readonly atMs: number } | undefined;
  #tried: { readonly atMs: number; readonly error?: AssayError } | undefined;
  #fetching: Promise<KeySet> | undefined;

  constructor(options: KeySourceOptions) {
    this.#options = options;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(fail("cancelled", "the issuer's keys are not asked for any more"));
    // Its failure was told to whoever waited for it.
    await this.#fetching?.catch(() => undefined);
  }

  /** @throws unavailable, saying why there are no keys */
  async current(signal: AbortSignal): Promise<KeySet> {
    const held = this.#held;
    if (held === undefined) return this.#wait(signal);
    const ageMs = this.#options.clock.nowMs() - held.atMs;
    if (ageMs >= 0 && ageMs < FRESH_MS) return held.keys;
    if (ageMs < 0 || ageMs >= STALE_MS) return this.#wait(signal);
    // Its failure is kept for whoever must wait later.
    if (this.#mayTry()) this.#refresh().catch(() => undefined);
    return held.keys;
  }

  /** Keys that are newer than `seen`, where asking again is allowed already. @throws unavailable */
  async newerThan(seen: KeySet, signal: AbortSignal): Promise<KeySet | undefined> {
    if (this.#held !== undefined && this.#held.keys !== seen) return this.#held.keys;
    if (this.#fetching === undefined && !this.#mayTry()) return undefined;
    return this.#wait(signal);
  }

  async #wait(signal: AbortSignal): Promise<KeySet> {
    signal.throwIfAborted();
    if (this.#fetching === undefined && !this.#mayTry()) {
      throw this.#tried?.error ?? fail("unavailable", "the issuer's keys were asked for just now");
    }
    const fetching = this.#refresh();
    // The fetch serves all that wait; one that gives up does not end it.
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason as Error); // an abort's reason is an error here
      signal.addEventListener("abort", onAbort, { once: true });
      fetching.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    });
  }

  #mayTry(): boolean {
    if (this.#tried === undefined) return true;
    const sinceMs = this.#options.clock.nowMs() - this.#tried.atMs;
    return sinceMs < 0 || sinceMs >= RETRY_MS;
  }

  #refresh(): Promise<KeySet> {
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined;
    });
    return this.#fetching;
  }

  async #fetch(): Promise<KeySet> {
    const { clock, issuerUrl } = this.#options;
    try {
      const keys = parseKeySet(await this.#read());
      this.#tried = { atMs: clock.nowMs() };
      this.#held = { keys, atMs: clock.nowMs() };
      return keys;
    } catch (thrown) {
      const cause = errorFrom(thrown);
      const error = fail(
        "unavailable",
        `keys of issuer ${issuerUrl} cannot be had: ${cause.message}`,
        { cause },
      );
      this.#tried = { atMs: clock.nowMs(), error };
      throw error;
    }
  }

  async #read(): Promise<string> {
    const { jwksFile, jwksUrl, issuerUrl, allowLoopbackHttp } = this.#options;
    if (jwksFile !== undefined) return readKeyFile(jwksFile);
    if (jwksUrl !== undefined) {
      return this.#get(checkWebUrl("key set address", jwksUrl, allowLoopbackHttp));
    }
    const document = await this.#get(
      checkWebUrl(
        "issuer",
        `${issuerUrl.replace(/\/$/, "")}/.well-known/openid-configuration`,
        allowLoopbackHttp,
      ),
    );
    const { issuer, jwks_uri: jwksUri } = parseDiscovery(document);
    // OpenID Connect Discovery 1.0 §4.3: whoever serves it for another issuer speaks for somebody else.
    if (issuer !== issuerUrl) {
      throw fail("invalid", "discovery document is of another issuer; correct the address");
    }
    return this.#get(checkWebUrl("jwks_uri of the discovery document", jwksUri, allowLoopbackHttp));
  }

  #get(url: URL): Promise<string> {
    const { caFile, clock } = this.#options;
    return fetchWebDocument({
      url,
      clock,
      signal: this.#stop.signal,
      ...(caFile === undefined ? {} : { caFile }),
    });
  }
}

function parseDiscovery(text: string): { readonly issuer: unknown; readonly jwks_uri: string } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw fail("invalid", "discovery document is not json", { cause });
  }
  const { issuer, jwks_uri } = (value ?? {}) as { issuer?: unknown; jwks_uri?: unknown };
  if (typeof jwks_uri !== "string") throw fail("invalid", "discovery document has no jwks_uri");
  return { issuer, jwks_uri };
}

async function readKeyFile(file: string): Promise<string> {
  try {
    if ((await stat(file)).size > MAX_FILE_BYTES) {
      throw fail("invalid", `${file} is larger than ${MAX_FILE_BYTES} bytes`);
    }
    return await readFile(file, "utf8");
  } catch (cause) {
    if (cause instanceof AssayError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw fail("unavailable", `${file} cannot be read (${why})`, { cause });
  }
}

const FRESH_MS = 5 * 60_000;
/** A key that the issuer has withdrawn counts no longer than this while the issuer is away. */
const STALE_MS = 60 * 60_000;
const RETRY_MS = 10_000;
const MAX_FILE_BYTES = 512 * 1024;
