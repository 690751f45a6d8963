/** Another key for an account (RFC 8555 §7.3.5). */
import { isKind } from "../../../base/errors.ts";
import { parseFlattened } from "../../../jwt/flattened.ts";
import { JWS_ALGORITHMS } from "../../../jwt/jws-key.ts";
import type { Logger } from "../../../observe/logger.ts";
import type { AcmeAccountRecord } from "../../datastore/acme.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type { AcmeAnswer } from "./answers.ts";
import { type AcmeError, acmeError } from "./problem.ts";
import {
  type AccountRequest,
  checkAlgorithm,
  checkSignature,
  keyOf,
  malformed,
  payloadOf,
} from "./request.ts";
import { accountResource } from "./resources.ts";
import type { AcmeUrls } from "./urls.ts";

export interface KeyChangeParams {
  readonly request: AccountRequest;
  readonly store: Pick<Datastore, "acme" | "transaction">;
  readonly urls: AcmeUrls;
  readonly logger: Logger;
}

/** @throws AcmeError */
export async function changeKey(params: KeyChangeParams): Promise<AcmeAnswer> {
  const { request, store, urls, logger } = params;
  const { account } = request;
  const inner = malformed(() => parseFlattened(payloadOf(request)));
  const { alg, jwk, kid, url, nonce } = inner.header;
  checkAlgorithm(alg, JWS_ALGORITHMS);
  if (jwk === undefined || kid !== undefined || nonce !== undefined) {
    throw acmeError("malformed", "the inner jws has the new key as its jwk, no kid and no nonce");
  }
  if (url !== request.url) {
    throw acmeError("malformed", "the inner jws has another url than the outer one");
  }
  const key = keyOf(jwk);
  await checkSignature(inner, key);
  const payload = payloadOf(inner);
  if (payload["account"] !== urls.account(account.id)) {
    throw acmeError("malformed", "the key change names another account");
  }
  if (keyOf(payload["oldKey"]).thumbprint !== account.keyId) {
    throw acmeError("malformed", "oldKey is not the account's present key");
  }
  const taken = (other: AcmeAccountRecord | undefined): AcmeError | undefined => {
    if (other === undefined) return undefined;
    return acmeError("malformed", "another account, or this one, has the new key already", {
      status: 409,
      headers: { location: urls.account(other.id) },
    });
  };
  const refused = taken(await store.acme.accountByKey(key.thumbprint));
  if (refused !== undefined) throw refused;
  try {
    const next = await store.transaction(async ({ acme }) => {
      const now = await acme.account(account.id);
      if (now?.keyId !== account.keyId || now.status !== "valid") {
        throw acmeError("unauthorized", "the account was changed meanwhile", { status: 401 });
      }
      const changed = { ...now, keyId: key.thumbprint, jwk: key.jwk };
      await acme.updateAccount(changed);
      return changed;
    });
    logger.info("acme account has another key", { account: account.id });
    return { status: 200, body: accountResource(next, urls), location: urls.account(account.id) };
  } catch (thrown) {
    if (!isKind(thrown, "exists")) throw thrown;
    // Whoever was quicker may not be committed yet, as readers outside see it.
    const other = await store.transaction(({ acme }) => acme.accountByKey(key.thumbprint));
    throw taken(other) ?? thrown;
  }
}
