import { toHex } from "../base/bytes.ts";
import { type AssayError, fail } from "../base/errors.ts";
import { systemRandom } from "../base/random.ts";
import type { CallContext } from "./service.ts";

/** Header by which an agent says what a call belongs to, so that both sides' logs and records can be joined. */
export const REQUEST_ID_HEADER = "assay-request-id";

export function newRequestId(): string {
  return toHex(systemRandom.bytes(REQUEST_ID_BYTES));
}

/** The caller's own, if it is one, or a new one; the same for the whole call. It proves nothing. */
export function requestIdOf(call: Pick<CallContext, "metadata" | "store">): string {
  const known = call.store.get(REQUEST_ID);
  if (typeof known === "string") return known;
  const [given] = call.metadata(REQUEST_ID_HEADER);
  const id = given !== undefined && WELL_FORMED.test(given) ? given : newRequestId();
  call.store.set(REQUEST_ID, id);
  return id;
}

/** As `requestIdOf` found it before; undefined when nobody has asked yet. */
export function knownRequestId({ store }: Pick<CallContext, "store">): string | undefined {
  return store.get(REQUEST_ID) as string | undefined; // only requestIdOf writes this key
}

/** The same error; whoever logs it logs the ID with it. */
export function withRequestId(error: AssayError, requestId: string): AssayError {
  if (error.kind === "cancelled") return error;
  return fail(error.kind, `${error.message} (request ${requestId})`, {
    cause: error.cause ?? error,
    ...(error.reason === undefined ? {} : { reason: error.reason }),
  });
}

const REQUEST_ID = Symbol("request id");
const REQUEST_ID_BYTES = 8;
const WELL_FORMED = /^[A-Za-z0-9._-]{1,64}$/;
