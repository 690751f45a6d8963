/** What differs between X.509 and JWT authorities: how one is made and how the bundle carries it. Nothing else does. */
import { bytesEqual } from "../../base/bytes.ts";
import type { Clock, EpochSeconds } from "../../base/clock.ts";
import { withDeadline } from "../../base/deadline.ts";
import { fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { Signer } from "../../keys/contract.ts";
import type { Bundle, JwtAuthority } from "../../spiffe/bundle.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { AuthorityKind, AuthorityRecord } from "../datastore/contract.ts";
import { OFFLINE, type Upstream } from "../upstream/contract.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";
import { setOption } from "./set-name.ts";
import { type MadeAuthority, checkSignedCa } from "./check-signed-ca.ts";

export interface MakeAuthorityParams {
  readonly signer: Signer;
  readonly trustDomain: TrustDomain;
  /** Of a set beside the trust domain's own. */
  readonly set?: string;
  readonly now: EpochSeconds;
  readonly ttlSeconds: number;
  readonly random: Random;
  readonly upstream: Upstream | typeof OFFLINE;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface AuthorityKindRules {
  readonly kind: AuthorityKind;
  /** For messages and logs: `X.509 authority`. */
  readonly noun: string;
  /** As commands name it: `assay authority WORD show`. */
  readonly word: string;
  make(params: MakeAuthorityParams): Promise<MadeAuthority>;
  /** An authority that is in the bundle already stays where and as it is. */
  addTo(bundle: Bundle, authority: AuthorityRecord): Bundle;
  removeFrom(bundle: Bundle, authority: AuthorityRecord): Bundle;
  taintIn(bundle: Bundle, authority: AuthorityRecord): Bundle;
}

const X509_RULES: AuthorityKindRules = {
  kind: "x509",
  noun: "X.509 authority",
  word: "x509",
  async make({ signer: key, trustDomain, set, now, ttlSeconds, upstream, clock, signal }) {
    if (upstream === OFFLINE) {
      throw fail(
        "precondition",
        `X.509 authorities are signed by an offline root; 'assay authority x509 csr${setOption(set ?? TRUST_DOMAIN_SET)}' makes a request`,
      );
    }
    const { authority } = upstream;
    const request = { key, trustDomain, now, ttlSeconds, ...(set === undefined ? {} : { set }) };
    const limits = { clock, deadlineMs: DEADLINE_MS, signal, who: `upstream ${authority.name}` };
    return checkSignedCa(
      await withDeadline(limits, (end) => authority.sign(request, end)),
      request,
    );
  },
  addTo(bundle, { roots, tainted }) {
    return roots.reduce((before, root) => {
      const der = Buffer.from(root, "base64");
      if (before.x509Authorities.some((other) => bytesEqual(other.der, der))) return before;
      return { ...before, x509Authorities: [...before.x509Authorities, { der, tainted }] };
    }, bundle);
  },
  // An upstream's root stays: it is another's authority, too, and leaves when it ends or is revoked.
  removeFrom(bundle, authority) {
    const der = ownRootOf(authority);
    if (der === undefined) return bundle;
    return {
      ...bundle,
      x509Authorities: bundle.x509Authorities.filter((other) => !bytesEqual(other.der, der)),
    };
  },
  taintIn(bundle, authority) {
    const der = ownRootOf(authority);
    if (der === undefined) return bundle;
    const x509Authorities = bundle.x509Authorities.map((other) =>
      bytesEqual(other.der, der) ? { ...other, tainted: true } : other,
    );
    return { ...bundle, x509Authorities };
  },
};

const JWT_RULES: AuthorityKindRules = {
  kind: "jwt",
  noun: "JWT authority",
  word: "jwt",
  async make({ signer, now, ttlSeconds, random, upstream, clock, signal }) {
    const id = randomKeyId(random);
    const notAfter = now + ttlSeconds;
    if (upstream !== OFFLINE) {
      const { publicKey } = signer;
      const key = { keyId: id, publicKey, expiresAt: notAfter, tainted: false };
      await publishKey(upstream, key, { clock, signal });
    }
    return { id, chain: [], roots: [], notBefore: now, notAfter };
  },
  addTo(bundle, authority) {
    if (bundle.jwtAuthorities.some(({ keyId }) => keyId === authority.id)) return bundle;
    const added = {
      keyId: authority.id,
      publicKey: Buffer.from(authority.publicKey, "base64"),
      expiresAt: authority.notAfter,
      tainted: authority.tainted,
    };
    return { ...bundle, jwtAuthorities: [...bundle.jwtAuthorities, added] };
  },
  removeFrom(bundle, authority) {
    return {
      ...bundle,
      jwtAuthorities: bundle.jwtAuthorities.filter(({ keyId }) => keyId !== authority.id),
    };
  },
  taintIn(bundle, authority) {
    const jwtAuthorities = bundle.jwtAuthorities.map((other) =>
      other.keyId === authority.id ? { ...other, tainted: true } : other,
    );
    return { ...bundle, jwtAuthorities };
  },
};

export const AUTHORITY_RULES: Readonly<Record<AuthorityKind, AuthorityKindRules>> = {
  x509: X509_RULES,
  jwt: JWT_RULES,
};

/** Has the key in the upstream's bundle, where that is the domain's. @throws what the upstream throws */
export async function publishKey(
  { authority, jwtKeys }: Upstream,
  key: JwtAuthority,
  { clock, signal }: Pick<MakeAuthorityParams, "clock" | "signal">,
): Promise<void> {
  if (jwtKeys === undefined) return;
  const limits = { clock, deadlineMs: DEADLINE_MS, signal, who: `upstream ${authority.name}` };
  await withDeadline(limits, (end) => jwtKeys.publish(key, end));
}

/** The certificate that verifiers trust, of an authority that is its own root. */
function ownRootOf({ chain, roots }: AuthorityRecord): Uint8Array | undefined {
  const [root] = roots;
  return root === undefined || root !== chain[0] ? undefined : Buffer.from(root, "base64");
}

/** 32 letters and digits, each uniform: bytes above the last multiple of 62 are drawn again. */
function randomKeyId(random: Random): string {
  let id = "";
  while (id.length < KEY_ID_LENGTH) {
    for (const byte of random.bytes(KEY_ID_LENGTH)) {
      if (byte < 248 && id.length < KEY_ID_LENGTH) id += ALPHANUMERIC[byte % 62];
    }
  }
  return id;
}

/** For one answer of an upstream. */
const DEADLINE_MS = 30_000;
const KEY_ID_LENGTH = 32;
const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
