/** Binding an account to one that the operator made (RFC 8555 §7.3.4). */
import { createHmac, timingSafeEqual } from "node:crypto";
import { type FlattenedJws, parseFlattened } from "../../../jwt/flattened.ts";
import type { ExternalAccount, ExternalAccounts } from "./contract.ts";
import { acmeError } from "./problem.ts";
import { type SignedRequest, checkAlgorithm, keyOf, malformed, payloadOf } from "./request.ts";

export interface ExternalBindingParams {
  /** The member of the payload. */
  readonly binding: unknown;
  readonly request: SignedRequest;
  readonly externalAccounts: ExternalAccounts;
}

/** @returns undefined when there is no binding. @throws AcmeError when it does not hold */
export async function externalAccountOf(
  params: ExternalBindingParams,
): Promise<ExternalAccount | undefined> {
  const { binding, request, externalAccounts } = params;
  if (binding === undefined || binding === null) return undefined;
  const jws = malformed(() => parseFlattened(binding));
  const { alg, kid, url, nonce } = jws.header;
  checkAlgorithm(alg, [...HASHES.keys()]);
  if (url !== request.url || nonce !== undefined) {
    throw acmeError(
      "malformed",
      "the external account binding has a nonce, or another url than the request",
    );
  }
  if (typeof kid !== "string" || kid === "" || kid.length > MAX_ID) {
    throw acmeError("malformed", "the external account binding has no kid");
  }
  // One answer for an unknown one and for a wrong MAC: nobody is told which identifiers there are.
  const account = await externalAccounts.find(kid);
  if (account === undefined || !fits(jws, String(alg), account.macKey)) {
    throw acmeError(
      "unauthorized",
      "the external account is unknown, spent or expired, or its key is another",
      { bad: true },
    );
  }
  const bound = keyOf(payloadOf(jws));
  if (bound.thumbprint !== request.key.thumbprint) {
    throw acmeError("malformed", "the external account binding is for another account key");
  }
  return account;
}

function fits({ signingInput, signature }: FlattenedJws, alg: string, key: Uint8Array): boolean {
  const mac = createHmac(HASHES.get(alg) ?? "sha256", key)
    .update(signingInput)
    .digest();
  return mac.length === signature.length && timingSafeEqual(mac, signature);
}

const HASHES: ReadonlyMap<string, string> = new Map([
  ["HS256", "sha256"],
  ["HS384", "sha384"],
  ["HS512", "sha512"],
]);
const MAX_ID = 256;
