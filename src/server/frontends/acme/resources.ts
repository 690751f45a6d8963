/** What clients are shown of what is stored (RFC 8555 §7.1.2..7.1.4). */
import type { EpochSeconds } from "../../../base/clock.ts";
import type {
  AcmeAccountRecord,
  AcmeAuthorizationRecord,
  AcmeChallengeRecord,
  AcmeOrderRecord,
} from "../../datastore/acme.ts";
import type { AcmeUrls } from "./urls.ts";

export type OrderStatus = "pending" | "ready" | "processing" | "valid" | "invalid";

export type AuthorizationStatus = AcmeAuthorizationRecord["status"] | "expired";

export interface OrderState {
  readonly status: OrderStatus;
  /** From then on it is invalid, as things are now (§7.1.3): with an authorization of it that ends sooner than it does. */
  readonly expiresAt: EpochSeconds;
  /** A problem as JSON; empty = none. */
  readonly error: string;
}

/** §7.1.6: what an open order is called follows from its authorizations and its end. */
export function orderState(
  order: AcmeOrderRecord,
  authorizations: readonly AcmeAuthorizationRecord[],
  now: EpochSeconds,
): OrderState {
  const { status, error, expiresAt: end } = order;
  if (status !== "open") return { status, error, expiresAt: end };
  if (end <= now) return gone(end, "malformed", "the order has expired");
  const statuses = authorizations.map((each) => authorizationStatus(each, now));
  const lost = authorizations.length < order.authorizations.length;
  const at = statuses.findIndex((each) => each !== "pending" && each !== "valid");
  if (at >= 0 || lost) {
    const failed = authorizations[at]?.challenges.find((each) => each.error !== "")?.error;
    if (failed !== undefined) return { status: "invalid", error: failed, expiresAt: end };
    const what = statuses[at] === undefined ? "gone" : statuses[at];
    return gone(end, "unauthorized", `an authorization of the order is ${what}`);
  }
  const open = statuses.includes("pending") ? "pending" : "ready";
  return {
    status: order.csr === "" ? open : "processing",
    expiresAt: Math.min(end, ...authorizations.map((each) => each.expiresAt)),
    error: "",
  };
}

export function authorizationStatus(
  { status, expiresAt }: AcmeAuthorizationRecord,
  now: EpochSeconds,
): AuthorizationStatus {
  const canExpire = status === "pending" || status === "valid";
  return canExpire && expiresAt <= now ? "expired" : status;
}

export function accountResource(
  account: AcmeAccountRecord,
  urls: AcmeUrls,
): Record<string, unknown> {
  const { id, status, contact, termsAgreed } = account;
  return {
    status,
    contact,
    ...(termsAgreed ? { termsOfServiceAgreed: true } : {}),
    orders: urls.orders(id),
  };
}

export function orderResource(
  order: AcmeOrderRecord,
  { status, error, expiresAt }: OrderState,
  urls: AcmeUrls,
): Record<string, unknown> {
  const { id, notBefore, notAfter, replaces, certificateId } = order;
  return {
    status,
    expires: timeText(expiresAt),
    identifiers: order.identifiers,
    profile: order.profile,
    ...(notBefore === 0 ? {} : { notBefore: timeText(notBefore) }),
    ...(notAfter === 0 ? {} : { notAfter: timeText(notAfter) }),
    ...(replaces === "" ? {} : { replaces }),
    ...(error === "" ? {} : { error: JSON.parse(error) as unknown }),
    authorizations: order.authorizations.map((each) => urls.authorization(each)),
    finalize: urls.finalize(id),
    ...(certificateId === "" ? {} : { certificate: urls.certificate(certificateId) }),
  };
}

export function authorizationResource(
  authorization: AcmeAuthorizationRecord,
  urls: AcmeUrls,
  now: EpochSeconds,
): Record<string, unknown> {
  const { id, type, value, wildcard, expiresAt, challenges } = authorization;
  const status = authorizationStatus(authorization, now);
  const shown = challenges.filter((each) => isShown(each, authorization.status));
  return {
    identifier: { type, value },
    status,
    expires: timeText(expiresAt),
    ...(wildcard ? { wildcard: true } : {}),
    challenges: shown.map((each) => challengeResource(id, each, urls)),
  };
}

export function challengeResource(
  authorizationId: string,
  { type, token, status, validatedAt, error }: AcmeChallengeRecord,
  urls: AcmeUrls,
): Record<string, unknown> {
  return {
    type,
    url: urls.challenge(authorizationId, type),
    status,
    token,
    ...(validatedAt === 0 ? {} : { validated: timeText(validatedAt) }),
    ...(error === "" ? {} : { error: JSON.parse(error) as unknown }),
  };
}

/** RFC 3339, UTC. */
export function timeText(seconds: EpochSeconds): string {
  return new Date(seconds * 1000).toISOString().replace(".000", "");
}

/** §7.1.4: of one that has been decided, what decided it. */
function isShown({ status }: AcmeChallengeRecord, of: AcmeAuthorizationRecord["status"]): boolean {
  if (of === "valid") return status === "valid";
  return of !== "invalid" || status === "invalid";
}

function gone(expiresAt: EpochSeconds, type: string, detail: string): OrderState {
  const error = { type: `urn:ietf:params:acme:error:${type}`, detail, status: 403 };
  return { status: "invalid", error: JSON.stringify(error), expiresAt };
}
