/** What differs between X.509 and JWT authorities: how one is made and how the bundle carries it. Nothing else does. */
import { bytesEqual, toBase64, toHex } from "../../base/bytes.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { Signer } from "../../keys/contract.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { distinguishedName } from "../../x509/names.ts";
import { signCa } from "../../x509/sign.ts";
import { subjectKeyId } from "../../x509/subject-key-id.ts";
import type { AuthorityKind, AuthorityRecord } from "../datastore/contract.ts";
import { randomSerial } from "./serial-number.ts";

export interface MakeAuthorityParams {
  readonly signer: Signer;
  readonly trustDomain: TrustDomain;
  readonly now: EpochSeconds;
  readonly ttlSeconds: number;
  readonly random: Random;
}

export type MadeAuthority = Pick<AuthorityRecord, "id" | "chain" | "notBefore" | "notAfter">;

export interface AuthorityKindRules {
  readonly kind: AuthorityKind;
  /** For messages and logs: `X.509 authority`. */
  readonly noun: string;
  make(params: MakeAuthorityParams): Promise<MadeAuthority>;
  /** An authority that is in the bundle already stays where and as it is. */
  addTo(bundle: Bundle, authority: AuthorityRecord): Bundle;
  removeFrom(bundle: Bundle, authority: AuthorityRecord): Bundle;
  taintIn(bundle: Bundle, authority: AuthorityRecord): Bundle;
}

const X509_RULES: AuthorityKindRules = {
  kind: "x509",
  noun: "X.509 authority",
  async make(params) {
    const { signer, trustDomain, now, ttlSeconds, random } = params;
    const serial = randomSerial(random);
    // The serial keeps names unique across rotations: some path builders look for the issuer by name alone.
    const name = distinguishedName([
      { type: "C", value: "US" },
      { type: "O", value: "SPIFFE" },
      { type: "serialNumber", value: BigInt(`0x${toHex(serial)}`).toString() },
    ]);
    const keyId = subjectKeyId(signer.publicKey);
    const notBefore = now - BACKDATE_SECONDS;
    const notAfter = now + ttlSeconds;
    const der = await signCa(
      {
        serial,
        issuer: name,
        subject: name,
        notBefore,
        notAfter,
        publicKey: signer.publicKey,
        uri: trustDomain.id,
        authorityKeyId: keyId,
      },
      signer,
    );
    checkAuthority(parseCertificate(der), params);
    return { id: toHex(keyId), chain: [toBase64(der)], notBefore, notAfter };
  },
  addTo(bundle, authority) {
    const der = rootOf(authority);
    if (bundle.x509Authorities.some((other) => bytesEqual(other.der, der))) return bundle;
    const added = { der, tainted: authority.tainted };
    return { ...bundle, x509Authorities: [...bundle.x509Authorities, added] };
  },
  removeFrom(bundle, authority) {
    const der = rootOf(authority);
    return {
      ...bundle,
      x509Authorities: bundle.x509Authorities.filter((other) => !bytesEqual(other.der, der)),
    };
  },
  taintIn(bundle, authority) {
    const der = rootOf(authority);
    const x509Authorities = bundle.x509Authorities.map((other) =>
      bytesEqual(other.der, der) ? { ...other, tainted: true } : other,
    );
    return { ...bundle, x509Authorities };
  },
};

const JWT_RULES: AuthorityKindRules = {
  kind: "jwt",
  noun: "JWT authority",
  make({ now, ttlSeconds, random }) {
    const id = randomKeyId(random);
    return Promise.resolve({ id, chain: [], notBefore: now, notAfter: now + ttlSeconds });
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

export const AUTHORITY_KINDS: Readonly<Record<AuthorityKind, AuthorityKindRules>> = {
  x509: X509_RULES,
  jwt: JWT_RULES,
};

/** The certificate that verifiers trust: the last of the chain. */
function rootOf(authority: AuthorityRecord): Uint8Array {
  const root = authority.chain.at(-1);
  if (root === undefined) throw new TypeError("an X.509 authority has a certificate");
  return Buffer.from(root, "base64");
}

/** Looks at the very certificate before anyone is told to trust it (X509-SVID §4, RFC 5280 §4.2.1). */
function checkAuthority(certificate: Certificate, params: MakeAuthorityParams): void {
  const sound =
    certificate.basicConstraints?.ca === true &&
    certificate.keyUsage?.has("keyCertSign") === true &&
    certificate.uris.length === 1 &&
    certificate.uris[0] === params.trustDomain.id &&
    certificate.notAfter === params.now + params.ttlSeconds &&
    bytesEqual(certificate.publicKey, params.signer.publicKey);
  if (!sound) throw fail("internal", "the CA certificate does not say what was asked for");
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

const BACKDATE_SECONDS = 10;
const KEY_ID_LENGTH = 32;
const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
