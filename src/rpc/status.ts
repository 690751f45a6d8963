import { randomBytes } from "node:crypto";
import { AssayError, ERROR_KINDS, type ErrorKind, errorFrom } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";
import { messageType } from "./protos.ts";

/** A gRPC status as it goes over the wire (gRPC HTTP/2 protocol, "Status"). */
export interface WireStatus {
  readonly code: number;
  /** Well-formed Unicode, at most `MAX_STATUS_TEXT` characters; not yet percent-encoded. */
  readonly message: string;
  /** An encoded google.rpc.Status for the trailer `grpc-status-details-bin`. */
  readonly details?: Uint8Array;
}

/** The code of each kind; the only place where they meet. */
export const STATUS_CODES: Readonly<Record<ErrorKind, number>> = {
  cancelled: 1,
  invalid: 3,
  deadline: 4,
  not_found: 5,
  exists: 6,
  denied: 7,
  limited: 8,
  precondition: 9,
  conflict: 10,
  unsupported: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
};

/** The codes' names as gRPC's libraries print them, for metrics. */
const STATUS_NAMES: Readonly<Record<ErrorKind, string>> = {
  cancelled: "Canceled",
  invalid: "InvalidArgument",
  deadline: "DeadlineExceeded",
  not_found: "NotFound",
  exists: "AlreadyExists",
  denied: "PermissionDenied",
  limited: "ResourceExhausted",
  precondition: "FailedPrecondition",
  conflict: "Aborted",
  unsupported: "Unimplemented",
  internal: "Internal",
  unavailable: "Unavailable",
  unauthenticated: "Unauthenticated",
};

/** `OK` for no error. */
export function statusName(thrown: unknown): string {
  return thrown === undefined ? "OK" : STATUS_NAMES[errorFrom(thrown).kind];
}

/** Name of the trailer that carries `WireStatus.details`. */
export const DETAILS_TRAILER = "grpc-status-details-bin";

/** Bound on the text of a status: percent-encoded it stays far below the 8 KiB that clients accept for all trailers. */
export const MAX_STATUS_TEXT = 1024;

/**
 * What a peer may know of an error. The text of an `internal` one stays here: the peer gets an id, and `logger` gets
 * the text with that id, once.
 */
export function toStatus(thrown: unknown, logger: Logger): WireStatus {
  const error = errorFrom(thrown);
  const code = STATUS_CODES[error.kind];
  if (error.kind === "internal") {
    const id = randomBytes(4).toString("hex");
    logger.error("internal error", { id, error, stack: stackOf(error) });
    return { code, message: `internal error (id ${id})` };
  }
  const message = error.message.slice(0, MAX_STATUS_TEXT).toWellFormed();
  const details = encodeReason(code, message, error);
  return { code, message, ...(details && { details }) };
}

/** The way back: codes without a kind of their own become the nearest one, unknown ones `internal`. */
export function errorFromStatus(status: WireStatus): AssayError {
  const kind = kindOfCode(status.code);
  const reason = status.details === undefined ? undefined : decodeReason(status.details);
  const message = status.message.slice(0, MAX_STATUS_TEXT) || `status ${status.code} without text`;
  return new AssayError(kind, message, reason === undefined ? {} : { reason });
}

function kindOfCode(code: number): ErrorKind {
  if (code === OUT_OF_RANGE) return "invalid";
  return ERROR_KINDS.find((kind) => STATUS_CODES[kind] === code) ?? "internal";
}

function encodeReason(
  code: number,
  message: string,
  { kind, reason }: AssayError,
): Uint8Array | undefined {
  if (reason === undefined) return undefined;
  const isInfo = WORKLOAD_REASONS.has(reason);
  if (!isInfo && (kind !== "denied" || !REASONS.has(reason))) return undefined;
  const name = isInfo ? INFO_TYPE : DETAILS_TYPE;
  const value = messageType(name).encode(isInfo ? { reason, domain: "spiffe.io" } : { reason });
  return messageType("google.rpc.Status").encode({
    code,
    message,
    details: [{ type_url: `type.googleapis.com/${name}`, value }],
  });
}

/** Details are a hint: whatever cannot be read is as good as absent. */
function decodeReason(details: Uint8Array): string | undefined {
  try {
    const status = messageType("google.rpc.Status").decode(details) as RpcStatus;
    for (const { type_url, value } of status.details) {
      const name = type_url.slice(type_url.lastIndexOf("/") + 1);
      const known =
        name === DETAILS_TYPE ? REASONS : name === INFO_TYPE ? WORKLOAD_REASONS : undefined;
      if (known === undefined) continue;
      const { reason } = messageType(name).decode(value) as { reason: unknown };
      return typeof reason === "string" && known.has(reason) ? reason : undefined;
    }
  } catch {
    // A peer's malformed details must not hide its status.
  }
  return undefined;
}

function stackOf(error: AssayError): string | undefined {
  return error.cause instanceof Error ? error.cause.stack : error.stack;
}

interface RpcStatus {
  readonly details: readonly { readonly type_url: string; readonly value: Uint8Array }[];
}

/** Reasons of the SPIFFE Broker API (§4.8), sent as google.rpc.ErrorInfo with any kind of error. */
export const WORKLOAD_REFERENCE_INVALID = "WORKLOAD_REFERENCE_INVALID";
export const WORKLOAD_NOT_FOUND = "WORKLOAD_NOT_FOUND";
export const WORKLOAD_NOT_ENTITLED = "WORKLOAD_NOT_ENTITLED";

const WORKLOAD_REASONS: ReadonlySet<string> = new Set([
  WORKLOAD_REFERENCE_INVALID,
  WORKLOAD_NOT_FOUND,
  WORKLOAD_NOT_ENTITLED,
]);
const INFO_TYPE = "google.rpc.ErrorInfo";
const OUT_OF_RANGE = 11;
const DETAILS_TYPE = "spire.api.types.PermissionDeniedDetails";

/** Reasons of spire.api.types.PermissionDeniedDetails; any other stays in the process. */
const REASONS: ReadonlySet<string> = new Set([
  "AGENT_EXPIRED",
  "AGENT_NOT_ATTESTED",
  "AGENT_NOT_ACTIVE",
  "AGENT_BANNED",
  "AGENT_MUST_REATTEST",
]);
