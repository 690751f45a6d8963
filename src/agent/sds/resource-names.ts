import { fail } from "../../base/errors.ts";

/** The one type of resource that the service has (xDS protocol, "Resource Types"). */
export const SECRET_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
/** Asks for everything, by name (xDS protocol, "How the client specifies what resources to return"). */
export const WILDCARD = "*";
/** Of one stream or fetch. Proxies have one or two; a mesh's gateway one for each trust domain. */
export const MAX_NAMES = 1000;
/** Bytes of one name: no SPIFFE ID that must be accepted is longer (SPIFFE-ID §2). */
export const MAX_NAME_BYTES = 2048;

/**
 * Names as a request has them, without empty ones.
 * @throws limited when one is too long, or there are too many
 */
export function checkNames(names: readonly string[]): ReadonlySet<string> {
  const given = new Set(names.filter((name) => name !== ""));
  checkCount(given.size);
  for (const name of given) checkLength(name);
  return given;
}

/** @throws limited above `MAX_NAMES` */
export function checkCount(count: number): void {
  if (count > MAX_NAMES) throw fail("limited", `a stream asks for at most ${MAX_NAMES} secrets`);
}

/** A request may leave the type out: the service has one only. @throws invalid for any other */
export function checkType(typeUrl: string): void {
  if (typeUrl === "" || typeUrl === SECRET_TYPE) return;
  throw fail("invalid", `only secrets are served here: the type_url is ${SECRET_TYPE}`);
}

function checkLength(name: string): void {
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw fail("limited", `the name of a secret has at most ${MAX_NAME_BYTES} bytes`);
  }
}
