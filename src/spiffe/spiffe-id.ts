import { fail } from "../base/errors.ts";
import { TrustDomain, checkTrustDomainName } from "./trust-domain.ts";

/**
 * A SPIFFE ID (SPIFFE-ID §2): immutable and always valid. `path` is empty or starts with a slash.
 * Upper case schemes and trust domains are refused, not folded (clients compare strings).
 */
export class SpiffeId {
  readonly trustDomain: TrustDomain;
  readonly path: string;
  readonly #text: string;

  private constructor(trustDomain: TrustDomain, path: string) {
    this.trustDomain = trustDomain;
    this.path = path;
    this.#text = trustDomain.id + path;
  }

  /** @throws invalid, naming the rule that is broken */
  static parse(text: string): SpiffeId {
    if (text.length === 0) throw fail("invalid", "SPIFFE ID is empty");
    if (text.length > MAX_ID_LENGTH) {
      throw fail("invalid", `SPIFFE ID is longer than ${MAX_ID_LENGTH} bytes`);
    }
    if (!text.startsWith(SCHEME)) throw fail("invalid", "SPIFFE ID scheme is not 'spiffe'");
    const rest = text.slice(SCHEME.length);
    const slash = rest.indexOf("/");
    const name = slash < 0 ? rest : rest.slice(0, slash);
    checkTrustDomainName(name);
    const path = slash < 0 ? "" : rest.slice(slash);
    checkPath(path);
    return new SpiffeId(TrustDomain.parse(name), path);
  }

  /** @throws invalid when `path` is not empty and not `/segment(/segment)*` */
  static of(trustDomain: TrustDomain, path: string): SpiffeId {
    checkPath(path);
    if (trustDomain.id.length + path.length > MAX_ID_LENGTH) {
      throw fail("invalid", `SPIFFE ID is longer than ${MAX_ID_LENGTH} bytes`);
    }
    return new SpiffeId(trustDomain, path);
  }

  /** Whatever its path, the trust domain's own ID included. */
  memberOf(trustDomain: TrustDomain): boolean {
    return this.trustDomain.equals(trustDomain);
  }

  equals(other: SpiffeId): boolean {
    return this.#text === other.#text;
  }

  toString(): string {
    return this.#text;
  }

  toJSON(): string {
    return this.#text;
  }
}

/** SPIRE reserves `/spire` and all below it: server and agents live there. */
export function isReservedPath(path: string): boolean {
  return path === "/spire" || path.startsWith("/spire/");
}

/** Of the servers of a trust domain, as SPIRE names them. */
export function serverId(trustDomain: TrustDomain): SpiffeId {
  return SpiffeId.of(trustDomain, "/spire/server");
}

/** True for IDs below `/spire/agent/`, which node attestation gives out. */
export function isAgentPath(path: string): boolean {
  return path.startsWith("/spire/agent/");
}

/** SPIFFE-ID §2.2. @throws invalid */
export function checkPath(path: string): void {
  if (path === "") return;
  if (!path.startsWith("/")) throw fail("invalid", "path must have a leading slash");
  for (const segment of path.slice(1).split("/")) {
    if (segment === "") {
      throw fail(
        "invalid",
        path.endsWith("/")
          ? "path cannot have a trailing slash"
          : "path cannot contain empty segments",
      );
    }
    if (segment === "." || segment === "..") {
      throw fail("invalid", "path cannot contain dot segments");
    }
    if (!SEGMENT.test(segment)) {
      throw fail(
        "invalid",
        "path segment characters are limited to letters, numbers, dots, dashes, and underscores",
      );
    }
  }
}

const SCHEME = "spiffe://";
const SEGMENT = /^[A-Za-z0-9._-]+$/;
/** SPIFFE-ID §2.3: implementations must take up to 2048 bytes. */
const MAX_ID_LENGTH = 2048;
