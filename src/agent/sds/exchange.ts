import type { Node__Output } from "../../rpc/gen/envoy/config/core/v3/Node.ts";
import type { Secrets } from "./secrets.ts";
import type { Validator } from "./validator.ts";

/** What a stream's exchange needs of its surroundings. */
export interface ExchangeOptions {
  /** A nonce that was not used before. */
  readonly nonce: () => string;
  readonly validatorOf: (node: Node__Output | null) => Validator;
  /** The proxy could not use what it was sent, and why, in its words. */
  readonly onRejected: (message: string) => void;
  /** Names that nobody has or that are not for this caller; told once for each set of names. */
  readonly onUnknown: (names: readonly string[]) => void;
}

/** One stream's side of the xDS protocol, without its transport. */
export interface Exchange {
  /** Takes a request. @throws invalid or limited: the stream ends */
  take(request: Uint8Array): void;
  /**
   * The framed response that is due, which counts as sent; `undefined` while nothing is.
   * @param isWhole false while some SVID is still to be signed: a name that is not there may come
   */
  respond(secrets: Secrets, isWhole: boolean): Uint8Array | undefined;
}
