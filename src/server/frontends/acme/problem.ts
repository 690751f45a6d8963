/** The errors of ACME (RFC 8555 §6.7) as they are thrown here, and as problem documents (RFC 9457). */
import { AssayError, type ErrorKind, errorFrom } from "../../../base/errors.ts";
import type { AcmeErrorType, AcmeIdentifier, AcmeProblem } from "./contract.ts";

/** One problem for each identifier that has one (RFC 8555 §6.7.1). */
export interface Subproblem extends AcmeProblem {
  readonly identifier: { readonly type: string; readonly value: string };
}

export interface AcmeErrorOptions {
  readonly subproblems?: readonly Subproblem[];
  /** Another status than the type's usual one. */
  readonly status?: number;
  /** Further members of the document. */
  readonly members?: Readonly<Record<string, unknown>>;
  /** Headers of the answer, names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Nothing that a program does that works: counts against its address. */
  readonly bad?: true;
  readonly cause?: unknown;
}

export class AcmeError extends AssayError {
  readonly type: AcmeErrorType;
  readonly options: AcmeErrorOptions;

  constructor(type: AcmeErrorType, detail: string, options: AcmeErrorOptions = {}) {
    super(KINDS[type], detail, options);
    this.name = "AcmeError";
    this.type = type;
    this.options = options;
  }

  get status(): number {
    return this.options.status ?? STATUS[this.type];
  }
}

/** Shorthand for `throw problem("badCSR", "...")`. */
export function acmeError(
  type: AcmeErrorType,
  detail: string,
  options?: AcmeErrorOptions,
): AcmeError {
  return new AcmeError(type, detail, options);
}

/** One thing that is wrong speaks for itself; several are subproblems of one. */
export function refusedNames(found: readonly Subproblem[]): AcmeError {
  const [first] = found;
  if (first === undefined) throw new TypeError("nothing is refused");
  if (found.length === 1) {
    const { detail, identifier, type } = first;
    const { value } = identifier;
    const isNamed = [`${value} `, `*.${value} `].some((name) => detail.startsWith(name));
    return acmeError(type, isNamed ? detail : `${value}: ${detail}`);
  }
  const types = new Set(found.map(({ type }) => type));
  const type = types.size === 1 ? first.type : "compound";
  return acmeError(type, "several identifiers are refused; see the subproblems", {
    subproblems: found,
    status: STATUS[first.type],
  });
}

/** What a part of the server throws, as ACME says it; `internal` tells nothing. */
export function acmeErrorFrom(thrown: unknown): AcmeError {
  if (thrown instanceof AcmeError) return thrown;
  const error = errorFrom(thrown);
  const { kind, message } = error;
  const [type, status] = FROM_KIND[kind] ?? ["serverInternal", 500];
  const detail = status === 500 ? "failed; the log says why" : message;
  return acmeError(type, detail, {
    status,
    cause: error,
    ...(status === 503 ? { headers: { "retry-after": RETRY_AFTER } } : {}),
  });
}

/** The members of a problem document. */
export function problemMembers(error: AcmeError): Record<string, unknown> {
  const { subproblems, members } = error.options;
  return {
    ...problemJson(error.type, error.message),
    status: error.status,
    ...members,
    ...(subproblems === undefined
      ? {}
      : {
          subproblems: subproblems.map(({ type, detail, identifier }) => ({
            ...problemJson(type, detail),
            identifier,
          })),
        }),
  };
}

/** As it stands in a challenge or an order. */
export function problemJson(type: AcmeErrorType, detail: string): { type: string; detail: string } {
  return { type: problemType(type), detail };
}

/** A type as problem documents name it. */
export function problemType(type: AcmeErrorType): string {
  return `${NAMESPACE}${type}`;
}

/** A stored problem of a challenge, with the status that RFC 9457 wants. */
export function storedProblem(
  { type, detail }: AcmeProblem,
  identifier?: Pick<AcmeIdentifier, "type" | "value">,
): string {
  const status = STATUS[type];
  const about = identifier === undefined ? {} : { identifier };
  return JSON.stringify({ ...problemJson(type, detail.slice(0, MAX_DETAIL)), status, ...about });
}

const NAMESPACE = "urn:ietf:params:acme:error:";

/** RFC 8555 §6.7 names no statuses but those of §6.5, §6.6, §7.3.5, §7.3.6 and RFC 9773 §5; others are customary. */
const STATUS: Readonly<Record<AcmeErrorType, number>> = {
  accountDoesNotExist: 400,
  alreadyReplaced: 409,
  alreadyRevoked: 400,
  badCSR: 400,
  badNonce: 400,
  badPublicKey: 400,
  badRevocationReason: 400,
  badSignatureAlgorithm: 400,
  caa: 403,
  compound: 400,
  connection: 400,
  dns: 400,
  externalAccountRequired: 403,
  incorrectResponse: 403,
  invalidContact: 400,
  invalidProfile: 400,
  malformed: 400,
  orderNotReady: 403,
  rateLimited: 429,
  rejectedIdentifier: 400,
  serverInternal: 500,
  tls: 400,
  unauthorized: 403,
  unsupportedContact: 400,
  unsupportedIdentifier: 400,
  userActionRequired: 403,
};

const KINDS: Readonly<Record<AcmeErrorType, ErrorKind>> = {
  accountDoesNotExist: "not_found",
  alreadyReplaced: "conflict",
  alreadyRevoked: "precondition",
  badCSR: "invalid",
  badNonce: "invalid",
  badPublicKey: "invalid",
  badRevocationReason: "invalid",
  badSignatureAlgorithm: "unsupported",
  caa: "denied",
  compound: "denied",
  connection: "unavailable",
  dns: "unavailable",
  externalAccountRequired: "denied",
  incorrectResponse: "denied",
  invalidContact: "invalid",
  invalidProfile: "invalid",
  malformed: "invalid",
  orderNotReady: "precondition",
  rateLimited: "limited",
  rejectedIdentifier: "denied",
  serverInternal: "internal",
  tls: "unavailable",
  unauthorized: "denied",
  unsupportedContact: "unsupported",
  unsupportedIdentifier: "unsupported",
  userActionRequired: "denied",
};

/** The one place where kinds become ACME's errors. */
const FROM_KIND: Partial<Readonly<Record<ErrorKind, readonly [AcmeErrorType, number]>>> = {
  invalid: ["malformed", 400],
  unauthenticated: ["unauthorized", 401],
  denied: ["unauthorized", 403],
  not_found: ["malformed", 404],
  exists: ["malformed", 409],
  precondition: ["malformed", 409],
  conflict: ["malformed", 409],
  limited: ["rateLimited", 429],
  unavailable: ["serverInternal", 503],
  deadline: ["serverInternal", 503],
  cancelled: ["serverInternal", 503],
};

const RETRY_AFTER = "5";
const MAX_DETAIL = 1024;
