/** Rate limits as the front end asks for them, and as it answers them (RFC 8555 §6.6). */
import type { AcmeIdentifierRecord } from "../../datastore/acme.ts";
import { link } from "./answers.ts";
import type { AcmeIdentifier } from "./contract.ts";
import { acmeError } from "./problem.ts";
import type { AcmeUrls } from "./urls.ts";

export interface Limited {
  readonly retryAfterSeconds: number;
  /** One sentence for the operator of the client. */
  readonly detail: string;
}

/** Each answers undefined when there is nothing in the way. */
export interface RateLimits {
  /** A new account from this address. */
  account(address: string): Promise<Limited | undefined>;
  /** A new order for these names, each with `*.` where it is a wildcard. */
  order(
    accountId: string,
    identifiers: readonly AcmeIdentifierRecord[],
  ): Promise<Limited | undefined>;
  /** Another try for an identifier, after how many failed. */
  mayValidate(accountId: string, identifier: AcmeIdentifier): Promise<Limited | undefined>;
  /** A validation failed, and its row says so. */
  failed(accountId: string, identifier: AcmeIdentifier): void;
}

/** @throws AcmeError rateLimited, when something is */
export function requireWithin(limited: Limited | undefined, urls: AcmeUrls): void {
  if (limited === undefined) return;
  const seconds = Math.max(1, Math.ceil(limited.retryAfterSeconds));
  throw acmeError("rateLimited", limited.detail, {
    headers: { "retry-after": String(seconds), link: link(urls.limits, "help") },
  });
}
