/**
 * The one error type of the project.
 *
 * A kind is closed and coarse: each wire maps it to its own status in one place (rpc/status.ts for gRPC).
 * A message is lower case, has no full stop, names the rule broken and, where there is one, the next step.
 * It never holds a secret or another workload's identity.
 */
export const ERROR_KINDS = [
  "invalid",
  "unauthenticated",
  "denied",
  "not_found",
  "exists",
  "precondition",
  "conflict",
  "limited",
  "unavailable",
  "deadline",
  "cancelled",
  "unsupported",
  "internal",
] as const;

export type ErrorKind = (typeof ERROR_KINDS)[number];

export interface AssayErrorOptions {
  /** What led here; kept for the log, never sent to a peer. */
  readonly cause?: unknown;
  /** Machine-readable reason within the kind (for example `AGENT_BANNED`), sent to peers that know it. */
  readonly reason?: string;
  /** What the message keeps from the peer: stands in the audit log in its place, and is never sent. */
  readonly withheld?: string;
}

export class AssayError extends Error {
  readonly kind: ErrorKind;
  readonly reason: string | undefined;
  readonly withheld: string | undefined;

  constructor(kind: ErrorKind, message: string, options: AssayErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "AssayError";
    this.kind = kind;
    this.reason = options.reason;
    this.withheld = options.withheld;
  }
}

/** Shorthand for `throw fail("invalid", "trust domain is missing")`. */
export function fail(kind: ErrorKind, message: string, options?: AssayErrorOptions): AssayError {
  return new AssayError(kind, message, options);
}

/** The only function that turns an unknown thrown value into an `AssayError`; untyped ones become `internal`. */
export function errorFrom(thrown: unknown): AssayError {
  if (thrown instanceof AssayError) return thrown;
  if (thrown instanceof Error && thrown.name === "AbortError") {
    return new AssayError("cancelled", "the operation was cancelled", { cause: thrown });
  }
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new AssayError("internal", message, { cause: thrown });
}

/** True when `thrown` is an `AssayError` of one of the kinds. */
export function isKind(thrown: unknown, ...kinds: readonly ErrorKind[]): thrown is AssayError {
  return thrown instanceof AssayError && kinds.includes(thrown.kind);
}

/** Whether it is an error of the system's, or of Node's, with that code: `ENOENT`. */
export function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === code;
}
