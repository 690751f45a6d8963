/** Problem details for HTTP APIs (RFC 9457). */
import type { AssayError, ErrorKind } from "../base/errors.ts";
import type { HttpAnswer } from "./http-answer.ts";

export interface Problem {
  readonly status: number;
  /** A URI; absent: `about:blank`, the status says it all (§4.2.1). */
  readonly type?: string;
  readonly title?: string;
  /** One sentence, for whoever reads it. */
  readonly detail?: string;
  /** Further members (§3.2). */
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export function problem(
  { status, type, title, detail, extensions = {} }: Problem,
  headers?: HttpAnswer["headers"],
): HttpAnswer {
  const body = { type, title, status, detail, ...extensions };
  return {
    status,
    type: PROBLEM_TYPE,
    body: `${JSON.stringify(body)}\n`,
    ...(headers === undefined ? {} : { headers }),
  };
}

/** One of the project's errors as a problem; what is `internal` is not told. */
export function problemOf(
  { kind, message }: AssayError,
  headers?: HttpAnswer["headers"],
): HttpAnswer {
  const detail = kind === "internal" ? "failed; the log says why" : message;
  return problem({ status: statusOfKind(kind), detail }, headers);
}

/** The one place where kinds become HTTP statuses. */
export function statusOfKind(kind: ErrorKind): number {
  return STATUS[kind];
}

export const PROBLEM_TYPE = "application/problem+json";

const STATUS: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  denied: 403,
  not_found: 404,
  exists: 409,
  precondition: 409,
  conflict: 409,
  limited: 429,
  unavailable: 503,
  deadline: 504,
  cancelled: 503,
  unsupported: 501,
  internal: 500,
};
