import type { TokenBinding } from "../../attestors/contract.ts";
import { fail } from "../../base/errors.ts";
import type { BoundTokenReader, BoundTokenWriter } from "../datastore/contract.ts";

/**
 * A token of another issuer that can be read by others than its owner (a build's log, a proxy) must not be worth
 * anything once it was used: it counts for the key that came with it first.
 * @param keyHash SHA-256 of the key's DER SubjectPublicKeyInfo, lower-case hex
 * @throws denied when the token is bound to another key
 */
export async function checkBinding(
  bound: Pick<BoundTokenReader, "get">,
  { fingerprint }: TokenBinding,
  keyHash: string,
): Promise<void> {
  const present = await bound.get(fingerprint);
  if (present === undefined || present.keyHash === keyHash) return;
  throw fail("denied", "token was used with another key; have a new one issued");
}

/** Binds it where that has not happened. @throws denied as above; limited when too many are bound */
export async function bindToken(
  bound: BoundTokenWriter,
  binding: TokenBinding,
  keyHash: string,
): Promise<void> {
  await checkBinding(bound, binding, keyHash);
  const { fingerprint, until } = binding;
  if ((await bound.get(fingerprint)) !== undefined) return;
  if ((await bound.count()) >= MAX_BOUND_TOKENS) {
    throw fail("limited", `more than ${MAX_BOUND_TOKENS} tokens are in use; try again later`);
  }
  await bound.create({ fingerprint, keyHash, expiresAt: until });
}

/** Rows go with the tokens' lives, a day at most unless an issuer is allowed more. */
const MAX_BOUND_TOKENS = 200_000;
