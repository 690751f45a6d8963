/**
 * A small client for the HTTP API of OpenBao and HashiCorp Vault: JSON in and out, one token, every answer bounded.
 * Secrets are in headers and bodies only, which are in no message and no log.
 */
import { readFile } from "node:fs/promises";
import type { Agent, IncomingMessage } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { Agent as HttpAgent, request as requestHttp } from "../base/node-http.ts";
import { orAborted } from "../base/abort.ts";
import type { Clock } from "../base/clock.ts";
import { AssayError, type ErrorKind, fail } from "../base/errors.ts";
import { isLoopback } from "../base/loopback.ts";
import { readAtMost } from "../base/read-at-most.ts";

/** Where Vault is, and what proves us there: a token, a file with one, or a login. */
export interface VaultClientOptions {
  /** `https://vault.example.org:8200`; plain HTTP on loopback addresses only. */
  readonly address: string;
  readonly token?: string;
  /** File with the token, read again when Vault refuses the one of before. */
  readonly tokenFile?: string;
  /** How a token is had, in place of the two: at the first request, and when Vault refuses the one of before. */
  readonly login?: VaultLogin;
  /** Authorities (PEM) of the address; the system's when absent. */
  readonly caFile?: string;
  /** Header `X-Vault-Namespace`. */
  readonly vaultNamespace?: string;
  /** Of one request, its answer included. */
  readonly timeoutMs: number;
  readonly clock: Clock;
}

/** An authentication method of Vault's that gives a token for a proof of identity. */
export interface VaultLogin {
  /** Behind `/v1/`, as `auth/approle/login`. */
  readonly path: string;
  /** The proof as it is now: what is in files is read again for each login. @throws precondition */
  proof(): Promise<VaultProof>;
}

/** What a login sends. */
export interface VaultProof {
  /** Of the request, as JSON. */
  readonly body: object;
  /** Client certificate, PEM; shown with every request from then on. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Vault's methods; `LIST` is one of its own. */
export type VaultMethod = "GET" | "LIST" | "POST" | "DELETE";

/** Asks Vault, logs in when it has to, and knows why it cannot be asked while that is so. */
export class VaultClient implements AsyncDisposable {
  readonly #options: VaultClientOptions;
  readonly #agent: Agent | HttpsAgent;
  readonly #ca: string | undefined;
  readonly #closing = new AbortController();
  #token: string | undefined;
  #login: Promise<string> | undefined;
  #tls: VaultProof["tls"];
  #problem: string | undefined;

  private constructor(options: VaultClientOptions, ca: string | undefined) {
    this.#options = options;
    this.#ca = ca;
    const bounds = { keepAlive: true, maxSockets: MAX_SOCKETS, timeout: IDLE_MS };
    this.#agent = isPlain(options.address) ? new HttpAgent(bounds) : new HttpsAgent(bounds);
  }

  /** Reads the files; asks nobody yet. @throws invalid, or precondition when a file cannot be read */
  static async open(options: VaultClientOptions): Promise<VaultClient> {
    const { address, caFile } = options;
    const { hostname } = new URL(address);
    if (isPlain(address) && !isLoopback(hostname)) {
      throw fail(
        "invalid",
        `${address} is not encrypted; use https for other machines than this one`,
      );
    }
    const client = new VaultClient(
      options,
      caFile === undefined ? undefined : await readText(caFile, "authorities' file"),
    );
    if (options.login === undefined) await client.#readToken();
    return client;
  }

  /** What was wrong with the last request, as long as none succeeded since. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * @param path behind `/v1/`, its parts encoded
   * @returns the answer's JSON; undefined when there is nothing at the path
   * @throws unavailable when there is no answer, or Vault is sealed; deadline; denied; invalid for what Vault refuses
   */
  async request(
    method: VaultMethod,
    path: string,
    body?: object,
    stop?: AbortSignal,
  ): Promise<VaultAnswer | undefined> {
    const { login, tokenFile } = this.#options;
    try {
      const token = this.#token ?? (await this.#otherToken(undefined, stop));
      const answer = await this.#ask({ method, path, body, token, stop });
      if (answer.status !== 403 || (tokenFile === undefined && login === undefined)) {
        return this.#read(answer);
      }
      // The file may hold a younger token by now, and one that a login gave ends.
      const other = await this.#otherToken(token, stop);
      if (other === token) return this.#read(answer);
      return this.#read(await this.#ask({ method, path, body, token: other, stop }));
    } catch (thrown) {
      this.#problem = thrown instanceof Error ? thrown.message : String(thrown);
      throw thrown;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(fail("unavailable", "the server is stopping"));
    this.#agent.destroy();
  }

  /**
   * A token in place of one that was refused: what others were given meanwhile, or that of the one login for all who
   * wait. It may be the same again.
   */
  async #otherToken(refused: string | undefined, stop: AbortSignal | undefined): Promise<string> {
    if (this.#token !== undefined && this.#token !== refused) return this.#token;
    const { login } = this.#options;
    if (login === undefined) return this.#readToken();
    this.#login ??= this.#logIn(login).finally(() => (this.#login = undefined));
    return stop === undefined ? this.#login : orAborted(this.#login, stop);
  }

  async #logIn(login: VaultLogin): Promise<string> {
    const { body, tls } = await login.proof();
    this.#tls = tls;
    const answer = this.#read(await this.#ask({ method: "POST", path: login.path, body }));
    const { client_token: token } = (answer?.["auth"] ?? {}) as { readonly client_token?: unknown };
    if (typeof token !== "string" || !TOKEN.test(token)) {
      const { address } = this.#options;
      throw fail("denied", `${address} gave no token for the login at ${login.path}`);
    }
    this.#token = token;
    return token;
  }

  async #ask({ stop, ...question }: Question): Promise<RawAnswer> {
    const { address, clock, timeoutMs } = this.#options;
    const deadline = new AbortController();
    const cancel = clock.after(timeoutMs, () =>
      deadline.abort(fail("deadline", `${address} did not answer within ${timeoutMs / 1000} s`)),
    );
    const signal = AbortSignal.any([
      deadline.signal,
      this.#closing.signal,
      ...(stop === undefined ? [] : [stop]),
    ]);
    try {
      signal.throwIfAborted();
      return await this.#send(question, signal);
    } catch (cause) {
      signal.throwIfAborted();
      if (cause instanceof AssayError) throw cause;
      const why = (cause as NodeJS.ErrnoException).code ?? "connection failed";
      throw fail("unavailable", `${address} cannot be reached (${why})`, { cause });
    } finally {
      cancel();
    }
  }

  #send({ method, path, body, token }: Question, signal: AbortSignal): Promise<RawAnswer> {
    const { address, vaultNamespace } = this.#options;
    const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const open = isPlain(address) ? requestHttp : requestHttps;
    return new Promise((resolve, reject) => {
      const call = open(
        `${address}/v1/${path}`,
        {
          method,
          agent: this.#agent,
          signal,
          maxHeaderSize: MAX_HEADER_BYTES,
          headers: {
            accept: "application/json",
            "x-vault-request": "true",
            ...(token === undefined ? {} : { "x-vault-token": token }),
            ...(vaultNamespace === undefined ? {} : { "x-vault-namespace": vaultNamespace }),
            ...(content === undefined
              ? {}
              : { "content-type": "application/json", "content-length": content.length }),
          },
          ...(this.#ca === undefined ? {} : { ca: this.#ca }),
          ...this.#tls,
          minVersion: "TLSv1.2",
        },
        (answer) => {
          readBody(answer).then(
            (text) => resolve({ status: answer.statusCode ?? 0, text }),
            (error: unknown) => {
              answer.destroy();
              reject(error);
            },
          );
        },
      );
      call.on("error", reject);
      call.end(content);
    });
  }

  #read({ status, text }: RawAnswer): VaultAnswer | undefined {
    const { address } = this.#options;
    // With words it is a path that no secrets engine is at, which must not pass for a key that is gone.
    if (status === 404 && said(text) === "") {
      this.#problem = undefined;
      return undefined;
    }
    if (status === 200 || status === 204) {
      this.#problem = undefined;
      return text === "" ? {} : parseObject(text, address);
    }
    throw fail(kindOf(status), `${address} answered with status ${status}${said(text)}`);
  }

  async #readToken(): Promise<string> {
    const { token: given, tokenFile } = this.#options;
    const token =
      tokenFile === undefined ? given : (await readText(tokenFile, "token file")).trim();
    if (token === undefined || !TOKEN.test(token)) {
      throw fail("invalid", `${tokenFile ?? "the token given"} holds no Vault token`);
    }
    this.#token = token;
    return token;
  }
}

/** The JSON object that Vault answers with; empty where there is none. */
export type VaultAnswer = Readonly<Record<string, unknown>>;

interface Question {
  readonly method: VaultMethod;
  readonly path: string;
  readonly body?: object | undefined;
  readonly token?: string;
  readonly stop?: AbortSignal | undefined;
}

interface RawAnswer {
  readonly status: number;
  readonly text: string;
}

function isPlain(address: string): boolean {
  return address.startsWith("http:");
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw fail("precondition", `${what} ${path} cannot be read; check its owner and rights`, {
      cause,
    });
  }
}

async function readBody(answer: IncomingMessage): Promise<string> {
  const bytes = await readAtMost(answer, MAX_BODY_BYTES);
  if (bytes === undefined) {
    throw fail("unavailable", `the answer is longer than ${MAX_BODY_BYTES} bytes`);
  }
  return new TextDecoder().decode(bytes);
}

function parseObject(text: string, address: string): VaultAnswer {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null) return value as VaultAnswer;
  } catch {
    // Whatever it is, it is not what Vault answers.
  }
  throw fail("unavailable", `${address} answered with something other than JSON; is it a Vault?`);
}

function kindOf(status: number): ErrorKind {
  if (status === 403) return "denied";
  if (status === 404) return "not_found";
  if (status === 429) return "limited";
  return status >= 400 && status < 500 ? "invalid" : "unavailable";
}

/** Vault's own words, as far as they are printable. */
function said(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { readonly errors?: unknown };
    if (!Array.isArray(errors) || errors.length === 0) return "";
    const words = errors
      .map(String)
      .join("; ")
      .replace(/[^ -~]+/g, " ");
    return `: ${words.trim().slice(0, MAX_SAID)}`;
  } catch {
    return "";
  }
}

const TOKEN = /^[!-~]{1,4096}$/;
const MAX_SOCKETS = 16;
const IDLE_MS = 60_000;
const MAX_HEADER_BYTES = 32 * 1024;
const MAX_BODY_BYTES = 1 << 20;
const MAX_SAID = 300;
