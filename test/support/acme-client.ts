/** An ACME client of the tests' own: every part of a request can be made wrong. */
import {
  type webcrypto,
  type KeyObject,
  createHash,
  createHmac,
  generateKeyPairSync,
  sign,
} from "node:crypto";
import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { PATIENCE_MS } from "./patience.ts";

export type AcmeKeyType = "ES256" | "ES384" | "ES512" | "RS256" | "EdDSA";

export interface AcmeKey {
  readonly algorithm: AcmeKeyType;
  readonly privateKey: KeyObject;
  /** Public members. */
  readonly jwk: webcrypto.JsonWebKey;
  readonly thumbprint: string;
}

export interface AcmeReply<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  /** Of each `Link` header, by relation. */
  readonly links: Readonly<Record<string, readonly string[]>>;
  readonly text: string;
  readonly body: T;
}

export interface AcmeProblemBody {
  readonly type: string;
  readonly detail: string;
  readonly status: number;
  readonly subproblems?: readonly {
    readonly type: string;
    readonly identifier: { readonly value: string };
  }[];
  readonly algorithms?: readonly string[];
}

/** What is otherwise made as it should be. */
export interface AcmeRequestChange {
  /** Sign with `jwk` instead of `kid`. */
  readonly byKey?: boolean;
  readonly key?: AcmeKey;
  /** Members of the protected header in place of the right ones; `undefined` leaves one out. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly contentType?: string;
  /** In place of the body that was made. */
  readonly body?: (jws: Record<string, string>) => string;
  /** In place of the signature. */
  readonly signature?: string;
}

export function makeAcmeKey(algorithm: AcmeKeyType = "ES256"): AcmeKey {
  const { privateKey, publicKey } = pairOf(algorithm);
  const { kty = "", crv, x, y, n, e } = publicKey.export({ format: "jwk" });
  const jwk = JSON.parse(JSON.stringify({ crv, e, kty, n, x, y })) as webcrypto.JsonWebKey;
  const thumbprint = createHash("sha256").update(JSON.stringify(jwk)).digest("base64url");
  return { algorithm, privateKey, jwk, thumbprint };
}

function pairOf(algorithm: AcmeKeyType): { privateKey: KeyObject; publicKey: KeyObject } {
  if (algorithm === "RS256") return generateKeyPairSync("rsa", { modulusLength: 2048 });
  if (algorithm === "EdDSA") return generateKeyPairSync("ed25519");
  return generateKeyPairSync("ec", { namedCurve: `P-${CURVES[algorithm]}` });
}

export function signAcme(key: AcmeKey, input: string): string {
  const data = Buffer.from(input);
  const { algorithm, privateKey } = key;
  const made =
    algorithm === "EdDSA"
      ? sign(null, data, privateKey)
      : algorithm === "RS256"
        ? sign("sha256", data, privateKey)
        : sign(`sha${algorithm.slice(2)}`, data, { key: privateKey, dsaEncoding: "ieee-p1363" });
  return made.toString("base64url");
}

export function encodeJson(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** A flattened JWS. */
export function acmeJws(
  key: AcmeKey,
  header: Readonly<Record<string, unknown>>,
  payload: unknown,
): Record<string, string> {
  const head = encodeJson(header);
  const body = payload === "" ? "" : encodeJson(payload);
  return { protected: head, payload: body, signature: signAcme(key, `${head}.${body}`) };
}

/** RFC 8555 §7.3.4. @param macKey base64url */
export function externalBinding(
  params: { readonly kid: string; readonly macKey: string; readonly url: string },
  jwk: webcrypto.JsonWebKey,
  hash = "256",
): Record<string, string> {
  const { kid, macKey, url } = params;
  const head = encodeJson({ alg: `HS${hash}`, kid, url });
  const body = encodeJson(jwk);
  const mac = createHmac(`sha${hash}`, Buffer.from(macKey, "base64url"));
  const signature = mac.update(`${head}.${body}`).digest("base64url");
  return { protected: head, payload: body, signature };
}

export class AcmeClient implements Disposable {
  readonly key: AcmeKey;
  readonly directory: Readonly<Record<string, string>> & {
    readonly meta: Readonly<Record<string, unknown>>;
  };
  readonly #http: WebClient;
  readonly #nonces: string[] = [];
  kid = "";

  private constructor(http: WebClient, directory: AcmeClient["directory"], key: AcmeKey) {
    this.#http = http;
    this.directory = directory;
    this.key = key;
  }

  /** @param ca PEM, for https */
  static async open(
    url: string,
    { ca, key = makeAcmeKey() }: { readonly ca?: string; readonly key?: AcmeKey } = {},
  ): Promise<AcmeClient> {
    const http = new WebClient(ca);
    const { body } = await http.send("GET", url);
    return new AcmeClient(http, body as AcmeClient["directory"], key);
  }

  url(name: string): string {
    const url = this.directory[name];
    if (url === undefined) throw new Error(`the directory has no ${name}`);
    return url;
  }

  get(url: string, method = "GET"): Promise<AcmeReply> {
    return this.#http.send(method, url);
  }

  async nonce(): Promise<string> {
    const kept = this.#nonces.pop();
    if (kept !== undefined) return kept;
    const { headers } = await this.#http.send("HEAD", this.url("newNonce"));
    return String(headers["replay-nonce"]);
  }

  /** @param payload `""` for a POST-as-GET */
  async post<T = Record<string, unknown>>(
    url: string,
    payload: unknown,
    change: AcmeRequestChange = {},
  ): Promise<AcmeReply<T>> {
    const { byKey = false, key = this.key, contentType = "application/jose+json" } = change;
    const header = {
      alg: key.algorithm,
      nonce: await this.nonce(),
      url,
      ...(byKey ? { jwk: key.jwk } : { kid: this.kid }),
      ...change.header,
    };
    const made = acmeJws(key, header, payload);
    const jws = change.signature === undefined ? made : { ...made, signature: change.signature };
    const body = change.body?.(jws) ?? JSON.stringify(jws);
    const reply = await this.#http.send("POST", url, body, contentType);
    const next = reply.headers["replay-nonce"];
    if (typeof next === "string") this.#nonces.push(next);
    return reply as AcmeReply<T>;
  }

  /** As clients do: once more when the server does not know the nonce (RFC 8555 §6.5). */
  async ask<T = Record<string, unknown>>(url: string, payload: unknown): Promise<AcmeReply<T>> {
    const reply = await this.post<T>(url, payload);
    const { type } = reply.body as { type?: string };
    return type?.endsWith(":badNonce") === true ? this.post<T>(url, payload) : reply;
  }

  async register(
    fields: Readonly<Record<string, unknown>> = {},
    change: AcmeRequestChange = {},
  ): Promise<AcmeReply> {
    const reply = await this.post(this.url("newAccount"), fields, { byKey: true, ...change });
    if (reply.headers.location !== undefined) this.kid = reply.headers.location;
    return reply;
  }

  order(
    names: readonly string[],
    fields: Readonly<Record<string, unknown>> = {},
  ): Promise<AcmeReply<AcmeOrder>> {
    const identifiers = names.map((value) => ({ type: isAddress(value) ? "ip" : "dns", value }));
    return this.post(this.url("newOrder"), { identifiers, ...fields });
  }

  keyAuthorization(token: string): string {
    return `${token}.${this.key.thumbprint}`;
  }

  /** Asks again until the answer says what is wanted, or something that ends the waiting. */
  async until<T extends { readonly status: string }>(
    url: string,
    wanted: readonly string[],
  ): Promise<AcmeReply<T>> {
    const late = performance.now() + PATIENCE_MS;
    while (performance.now() < late) {
      const reply = await this.ask<T>(url, "");
      if (wanted.includes(reply.body.status)) return reply;
      await new Promise((resolve) => setImmediate(resolve));
    }
    throw new Error(`${url} is never ${wanted.join(" or ")}`);
  }

  [Symbol.dispose](): void {
    this.#http[Symbol.dispose]();
  }
}

export interface AcmeOrder {
  readonly status: string;
  readonly expires: string;
  readonly identifiers: readonly { readonly type: string; readonly value: string }[];
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly profile?: string;
  readonly certificate?: string;
  readonly error?: AcmeProblemBody;
  readonly replaces?: string;
  readonly notAfter?: string;
}

export interface AcmeChallenge {
  readonly type: string;
  readonly url: string;
  readonly status: string;
  readonly token: string;
  readonly error?: AcmeProblemBody;
}

export interface AcmeAuthorization {
  readonly status: string;
  readonly wildcard?: boolean;
  readonly identifier: { readonly type: string; readonly value: string };
  readonly challenges: readonly AcmeChallenge[];
}

class WebClient implements Disposable {
  readonly #ca: string | undefined;
  readonly #agents = [new HttpAgent({ keepAlive: true }), new HttpsAgent({ keepAlive: true })];

  constructor(ca: string | undefined) {
    this.#ca = ca;
  }

  async send(method: string, url: string, body = "", contentType = ""): Promise<AcmeReply> {
    const isTls = url.startsWith("https:");
    const [http, https] = this.#agents;
    const options = {
      method,
      agent: isTls ? https : http,
      headers: {
        ...(contentType === "" ? {} : { "content-type": contentType }),
        ...(method === "POST" ? { "content-length": Buffer.byteLength(body) } : {}),
      },
      ...(this.#ca === undefined ? {} : { ca: this.#ca }),
    };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const request = (isTls ? httpsRequest : httpRequest)(url, options, resolve);
    request.on("error", reject).end(body);
    const answer = await promise;
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const isJson = String(answer.headers["content-type"]).includes("json");
    return {
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      links: linksOf(answer.headersDistinct["link"] ?? []),
      text,
      body: isJson ? (JSON.parse(text) as Record<string, unknown>) : {},
    };
  }

  [Symbol.dispose](): void {
    for (const agent of this.#agents) agent.destroy();
  }
}

function linksOf(headers: readonly string[]): Record<string, string[]> {
  const links: Record<string, string[]> = {};
  for (const header of headers) {
    const [, url = "", relation = ""] = /^<([^>]*)>;rel="([^"]*)"$/.exec(header) ?? [];
    (links[relation] ??= []).push(url);
  }
  return links;
}

function isAddress(name: string): boolean {
  return /^[\d.]+$/.test(name) || name.includes(":");
}

const CURVES = { ES256: "256", ES384: "384", ES512: "521" } as const;
