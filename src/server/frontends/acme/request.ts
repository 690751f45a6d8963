/** Signed requests (RFC 8555 §6.2..6.5): who asks, and for what. */
import { errorFrom } from "../../../base/errors.ts";
import { isObject } from "../../../base/is-object.ts";
import { LruMap } from "../../../base/lru.ts";
import type { HttpCall } from "../../../http/http-call.ts";
import { type FlattenedJws, parseFlattenedText } from "../../../jwt/flattened.ts";
import { JWS_ALGORITHMS, type JwsKey, jwsKey } from "../../../jwt/jws-key.ts";
import { type JwtClaims, decodeJwsObject } from "../../../jwt/jws-parts.ts";
import type { AcmeAccountRecord, AcmeReader } from "../../datastore/acme.ts";
import type { Nonces } from "./nonces.ts";
import { type AcmeError, acmeError } from "./problem.ts";
import type { AcmeUrls } from "./urls.ts";

/** A request whose signature fits. */
export interface SignedRequest {
  readonly key: JwsKey;
  /** Of the request, as it was signed. */
  readonly url: string;
  /** Base64url; empty: it is a POST-as-GET (§6.3). */
  readonly payload: string;
  readonly remoteAddress: string;
  readonly signal: AbortSignal;
}

export interface AccountRequest extends SignedRequest {
  readonly account: AcmeAccountRecord;
}

export interface SignedRequestsOptions {
  readonly store: Pick<AcmeReader, "account">;
  readonly nonces: Nonces;
  readonly urls: AcmeUrls;
}

export class SignedRequests {
  readonly #options: SignedRequestsOptions;
  /** By thumbprint: reading a key costs more than the check itself. */
  readonly #keys = new LruMap<string, JwsKey>(MAX_KEYS);

  constructor(options: SignedRequestsOptions) {
    this.#options = options;
  }

  /** A request of an account that may still ask. @throws AcmeError */
  async ofAccount(call: HttpCall): Promise<AccountRequest> {
    const jws = this.#open(call);
    if (jws.header["jwk"] !== undefined) {
      throw acmeError("malformed", "this request is signed with kid, the account's URL, not jwk");
    }
    return this.#byAccount(call, jws);
  }

  /** A request of whoever has the key, with an account or without. @throws AcmeError */
  async ofKey(call: HttpCall): Promise<SignedRequest> {
    const jws = this.#open(call);
    if (jws.header["kid"] !== undefined) {
      throw acmeError("malformed", "this request is signed with jwk, the key itself, not kid");
    }
    return this.#byKey(call, jws);
  }

  /** Either of the two (§7.6). @throws AcmeError */
  async ofEither(call: HttpCall): Promise<SignedRequest | AccountRequest> {
    const jws = this.#open(call);
    return jws.header["kid"] === undefined ? this.#byKey(call, jws) : this.#byAccount(call, jws);
  }

  #open(call: HttpCall): FlattenedJws {
    const [type = ""] = (call.headers["content-type"] ?? "").split(";");
    if (type.trim().toLowerCase() !== "application/jose+json") {
      throw acmeError("malformed", "the body is not application/jose+json", { status: 415 });
    }
    const jws = malformed(() => parseFlattenedText(call.body));
    const { header } = jws;
    checkAlgorithm(header["alg"], JWS_ALGORITHMS);
    if ((header["jwk"] === undefined) === (header["kid"] === undefined)) {
      throw acmeError("malformed", "the jws header has both jwk and kid, or neither; give one");
    }
    const { urls } = this.#options;
    // §6.4: what was signed for another place counts for nothing here.
    if (header["url"] !== this.#urlOf(call)) {
      throw acmeError(
        "unauthorized",
        `the jws header's url is not this request's; clients know this server as ${urls.base}`,
      );
    }
    this.#spend(header["nonce"]);
    return jws;
  }

  #urlOf({ path, query }: HttpCall): string {
    const { base, prefix } = this.#options.urls;
    const text = query.toString();
    return `${base}${path.slice(prefix.length)}${text === "" ? "" : `?${text}`}`;
  }

  #spend(nonce: unknown): void {
    const use = typeof nonce === "string" ? this.#options.nonces.use(nonce) : "malformed";
    if (use === "fresh") return;
    throw acmeError("badNonce", NONCE_FAULTS[use]);
  }

  async #byAccount(call: HttpCall, jws: FlattenedJws): Promise<AccountRequest> {
    const { kid } = jws.header;
    const id = typeof kid === "string" ? this.#options.urls.accountId(kid) : undefined;
    const account = id === undefined ? undefined : await this.#options.store.account(id);
    if (account === undefined) {
      throw acmeError("accountDoesNotExist", "there is no account at the url in kid");
    }
    let key = this.#keys.get(account.keyId);
    if (key === undefined) {
      key = jwsKey(JSON.parse(account.jwk) as JwtClaims);
      this.#keys.set(account.keyId, key);
    }
    await checkSignature(jws, key);
    // §7.3.6; only its owner is told.
    if (account.status !== "valid") {
      throw acmeError("unauthorized", `the account is ${account.status}`, { status: 401 });
    }
    return { ...requestOf(call, jws, key), account };
  }

  async #byKey(call: HttpCall, jws: FlattenedJws): Promise<SignedRequest> {
    const key = keyOf(jws.header["jwk"]);
    await checkSignature(jws, key);
    return requestOf(call, jws, key);
  }
}

/** The payload's object. @throws AcmeError when it is none */
export function payloadOf({ payload }: { readonly payload: string }): JwtClaims {
  try {
    return decodeJwsObject(payload, "payload");
  } catch (cause) {
    throw acmeError("malformed", "the payload is not base64url of a json object", { cause });
  }
}

/** @throws AcmeError unless it is a POST-as-GET (§6.3) */
export function requireEmpty({ payload }: { readonly payload: string }): void {
  if (payload === "") return;
  throw acmeError("malformed", "only POST-as-GET is answered here; leave the payload empty");
}

/** A key in a JWS header. @throws AcmeError */
export function keyOf(jwk: unknown): JwsKey {
  if (!isObject(jwk)) {
    throw acmeError("malformed", "the jws header's jwk is not a json object");
  }
  try {
    return jwsKey(jwk);
  } catch (cause) {
    throw acmeError("badPublicKey", errorFrom(cause).message, { cause });
  }
}

/** @throws AcmeError */
export async function checkSignature(jws: FlattenedJws, key: JwsKey): Promise<void> {
  checkAlgorithm(jws.header["alg"], [key.algorithm]);
  if (await key.verify(jws.signingInput, jws.signature)) return;
  throw acmeError("malformed", "the signature of the jws does not fit its key", { bad: true });
}

/** @throws AcmeError for a wrong shape */
export function malformed<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw acmeError("malformed", errorFrom(cause).message, { cause });
  }
}

/** RFC 8555 §6.2: the answer names those that are taken. */
export function checkAlgorithm(algorithm: unknown, taken: readonly string[]): void {
  if (typeof algorithm === "string" && taken.includes(algorithm)) return;
  throw badAlgorithm(taken);
}

function badAlgorithm(algorithms: readonly string[]): AcmeError {
  const detail = `the jws is not signed with ${algorithms.join(" or ")}`;
  return acmeError("badSignatureAlgorithm", detail, { members: { algorithms } });
}

function requestOf(call: HttpCall, { header, payload }: FlattenedJws, key: JwsKey): SignedRequest {
  const { remoteAddress, signal } = call;
  return { key, url: String(header["url"]), payload, remoteAddress, signal };
}

const NONCE_FAULTS = {
  spent: "the nonce was used before, or is too old; take a fresh one",
  foreign: "the nonce is from before the server was started, or from another; take a fresh one",
  malformed: "the jws header has no nonce of this server; take a fresh one",
} as const;
const MAX_KEYS = 2048;
