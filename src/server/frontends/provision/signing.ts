/**
 * A token's one certificate, and its renewals. What is answered is on disk before it leaves: whoever has lost the answer
 * asks again with the same key and gets the same certificate; another key gets nothing. What was signed and not written
 * (a crash, a token that was taken back meanwhile) was handed to nobody.
 */
import { bytesEqual, toBase64, toHex } from "../../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { AssayError, fail, isKind } from "../../../base/errors.ts";
import { KeyedQueue } from "../../../base/keyed-queue.ts";
import { digestOf } from "../../../provision/renewal-proof.ts";
import { type Certificate, parseCertificate } from "../../../x509/certificate.ts";
import { verifyChain } from "../../../x509/chain.ts";
import { type CertificateRequest, proofOf, verifyCsr } from "../../../x509/csr.ts";
import { subjectKeyId } from "../../../x509/subject-key-id.ts";
import type { Datastore } from "../../datastore/contract.ts";
import type { ProvisionGrant, ProvisionedCertificate } from "../../datastore/provision.ts";
import type { Issuance } from "../../issuance/issuance.ts";
import { type Grants, contentOf } from "./grants.ts";
import { checkRequestedNames, readRequest } from "./requested-names.ts";
import { keyHashOf } from "./secret-hash.ts";
import type { ShownCertificate } from "./shown-certificate.ts";

export interface SigningOptions {
  readonly datastore: Datastore;
  readonly grants: Pick<Grants, "find" | "wishFor" | "requireStillAllowed">;
  readonly issuer: Pick<Issuance, "frontEndCertificate">;
  /** Failed attempts that burn a token. */
  readonly attempts: number;
  readonly renewals: boolean;
  /** What certificates made here chain to. */
  readonly roots: () => readonly Certificate[];
  /** Whether an authority signs, or signed, such certificates, and is not tainted. */
  readonly isOwn: (authorityId: string) => boolean;
  readonly isRevoked: (authorityId: string, serial: string) => boolean;
  readonly clock: Clock;
}

/** A client's certificate, as it was verified. */
interface Presented {
  readonly leaf: Certificate;
  /** By the key that signed it, whatever the certificate itself says. */
  readonly authorityId: string;
  /** As `ShownCertificate` has it. */
  readonly follows?: string;
}

export interface Signed {
  readonly grant: ProvisionGrant;
  readonly certificate: ProvisionedCertificate;
  /** It was there already. */
  readonly again: boolean;
}

/** A proof was for the follower of another certificate: whoever has the key may make one for that of the newest. */
export class Superseded extends AssayError {
  /** Digest, as in `RenewalProof`. */
  readonly newest: string;

  constructor(newest: string) {
    super(
      "conflict",
      "another certificate followed already; sign for the follower of the newest one",
    );
    this.newest = newest;
  }
}

export class Signing {
  readonly #options: SigningOptions;
  readonly #queue = new KeyedQueue("token");

  constructor(options: SigningOptions) {
    this.#options = options;
  }

  /**
   * @param hash of the token
   * @param body a PEM request
   * @throws invalid for a request that is none; unauthenticated when the token is unknown, used, expired, burned, or for
   * other names; denied when its entry has gone; unavailable when nothing can be signed now
   */
  sign(hash: string, body: Uint8Array): Promise<Signed> {
    return this.#queue.run(hash, () => this.#sign(hash, body));
  }

  /**
   * @throws as `sign`; unauthenticated when the certificate is none that was made here; denied when it may not be renewed;
   * `Superseded`
   */
  async renew({ chain, ...proof }: ShownCertificate, body: Uint8Array): Promise<Signed> {
    const { datastore, renewals } = this.#options;
    const shown = { ...(await this.#verified(chain)), ...proof };
    const grant = await datastore.provisionGrants.findBySerial(shown.leaf.serial);
    if (grant === undefined) {
      throw fail("unauthenticated", "the client certificate was replaced, or was not made here");
    }
    if (!renewals)
      throw fail("denied", "certificates are not renewed here; have it authorized anew");
    return this.#queue.run(grant.hash, () => this.#renew(grant.hash, shown, body));
  }

  async #sign(hash: string, body: Uint8Array): Promise<Signed> {
    const { datastore, grants, issuer } = this.#options;
    const grant = await grants.find(hash);
    if (grant === undefined) throw unknown();
    this.#requireUsable(grant);
    // What was signed is answered again as it is, whatever its entry has come to.
    const wish = grant.certificate === undefined ? await grants.wishFor(grant) : undefined;
    const csr = await this.#attempt(grant, async () => {
      const request = readRequest(body);
      checkRequestedNames(request, grant, wish?.dnsNames ?? signedDnsNames(grant));
      if (grant.certificate !== undefined) await verifyCsr(request);
      return request;
    });
    const { publicKey } = csr;
    const keyHash = keyHashOf(publicKey);
    if (wish === undefined) return this.#again(grant, keyHash);
    const signed = await issuer
      .frontEndCertificate({ ...wish, publicKey, proof: proofOf(csr) })
      .catch(async (thrown: unknown) => {
        // Whose request does not fit its key has made an attempt.
        if (isKind(thrown, "invalid")) {
          await this.#attempt(grant, () => verifyCsr(csr));
          grants.requireStillAllowed(wish);
        }
        throw thrown;
      });
    return datastore.transaction(async ({ provisionGrants }) => {
      const now = await provisionGrants.get(hash);
      // Read again after signing: somebody may have taken it back, or failed attempts have burned it.
      if (now === undefined) throw unknown();
      this.#requireUsable(now);
      if (now.certificate !== undefined) return again(now, keyHash);
      if (contentOf(now) !== contentOf(grant)) throw unknown();
      const certificate = { ...stored(signed), keyHash, previousSerial: "" };
      await provisionGrants.put({ ...now, certificate });
      return { grant: now, certificate, again: false };
    });
  }

  async #renew(hash: string, shown: Presented, body: Uint8Array): Promise<Signed> {
    const { datastore, grants, issuer } = this.#options;
    const grant = this.#requireRenewable(await datastore.provisionGrants.get(hash), shown);
    const csr = readRequest(body);
    await verifyCsr(csr);
    const keyHash = keyHashOf(csr.publicKey);
    if (isAnswered(grant, shown, keyHash)) return this.#again(grant, keyHash);
    const allowed = await grants.wishFor(grant);
    checkRequestedNames(csr, grant, allowed.dnsNames);
    const wish = { ...allowed, dnsNames: renewedNames(allowed.dnsNames, grant, csr) };
    const signed = await issuer
      .frontEndCertificate({ ...wish, publicKey: csr.publicKey })
      .catch((thrown: unknown) => {
        if (isKind(thrown, "invalid")) grants.requireStillAllowed(wish);
        throw thrown;
      });
    return datastore.transaction(async ({ provisionGrants }) => {
      const now = this.#requireRenewable(await provisionGrants.get(hash), shown);
      if (isAnswered(now, shown, keyHash)) return again(now, keyHash);
      // Whoever loses this answer still has the one that it was asked with.
      const { serial: previousSerial } = shown.leaf;
      const certificate = { ...stored(signed), keyHash, previousSerial };
      await provisionGrants.put({ ...now, certificate });
      return { grant: now, certificate, again: false };
    });
  }

  /** In a transaction: what can be read is on disk for certain only when one that came later is. */
  async #again(grant: ProvisionGrant, keyHash: string): Promise<Signed> {
    again(grant, keyHash);
    return this.#options.datastore.transaction(async ({ provisionGrants }) => {
      const now = await provisionGrants.get(grant.hash);
      if (now === undefined) throw unknown();
      return again(now, keyHash);
    });
  }

  /** What is read of a request, if it is one for this grant; otherwise the attempt is counted. */
  async #attempt<T>(grant: ProvisionGrant, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (thrown) {
      if (!isKind(thrown, "invalid", "unauthenticated")) throw thrown;
      await this.#options.datastore.transaction(async ({ provisionGrants }) => {
        const now = await provisionGrants.get(grant.hash);
        // One that was used is no worse for it: only its key gets the answer again.
        if (now === undefined || now.certificate !== undefined) return;
        await provisionGrants.put({ ...now, failures: now.failures + 1 });
      });
      throw thrown;
    }
  }

  #requireUsable(grant: ProvisionGrant): void {
    const { clock, attempts } = this.#options;
    if (grant.withdrawn || grant.expiresAt <= epochSeconds(clock)) throw unknown();
    if (grant.failures < attempts) return;
    throw fail(
      "unauthenticated",
      "too many attempts with this token failed; have it authorized anew",
    );
  }

  /**
   * A serial number alone says nothing: below the same roots there may be authorities of others, and one whose key was
   * stolen. The newest certificate is known by its bytes, the one before it by its number and who signed it.
   */
  #requireRenewable(grant: ProvisionGrant | undefined, shown: Presented): ProvisionGrant {
    const { isOwn, isRevoked } = this.#options;
    const { leaf, authorityId } = shown;
    const { chain: [newest = ""] = [], previousSerial } = grant?.certificate ?? {};
    const der = Buffer.from(newest, "base64");
    const isNewest = bytesEqual(der, leaf.raw);
    const isPrevious = previousSerial === leaf.serial && isOwn(authorityId);
    if (grant === undefined || (!isNewest && !isPrevious)) {
      throw fail("unauthenticated", "the client certificate was replaced, or was not made here");
    }
    if (!isNewest) {
      const { authorityKeyId = "", serial } = parseCertificate(der);
      if (isRevoked(authorityKeyId, serial)) {
        throw fail("unauthenticated", "the certificate that followed this one was revoked");
      }
    }
    if (!grant.withdrawn) return grant;
    throw fail("denied", "this certificate is not renewed any more; have it authorized anew");
  }

  async #verified(presented: readonly Uint8Array[]): Promise<Presented> {
    const { roots, isRevoked, clock } = this.#options;
    let chain: readonly Certificate[];
    try {
      chain = presented.map(parseCertificate);
    } catch (cause) {
      throw fail("unauthenticated", "the client certificate cannot be read", { cause });
    }
    const [leaf] = chain;
    if (leaf === undefined) {
      throw fail(
        "unauthenticated",
        "show the certificate that is to be renewed as client certificate",
      );
    }
    const [, issuer] = await verifyChain(chain, roots(), epochSeconds(clock));
    const authorityId = issuer === undefined ? "" : toHex(subjectKeyId(issuer.publicKey));
    if (!isRevoked(authorityId, leaf.serial)) return { leaf, authorityId };
    throw fail("unauthenticated", "the client certificate was revoked");
  }
}

/**
 * Whether this very request was answered: the same answer again, to whoever lost it as to whoever overheard it.
 * @throws Superseded when another one was
 */
function isAnswered(
  { certificate }: ProvisionGrant,
  { follows }: Presented,
  keyHash: string,
): boolean {
  const [newest = ""] = certificate?.chain ?? [];
  if (follows === undefined) return false;
  const digest = digestOf(Buffer.from(newest, "base64"));
  if (follows === digest) return false;
  if (certificate?.keyHash === keyHash) return true;
  throw new Superseded(digest);
}

function again(grant: ProvisionGrant, keyHash: string): Signed {
  const { certificate } = grant;
  if (certificate === undefined) throw new TypeError("nothing was signed yet");
  if (certificate.keyHash !== keyHash) throw unknown();
  return { grant, certificate, again: true };
}

/**
 * A name that an entry has got since is in the next certificate where the request asks for it: clients refuse what they did
 * not ask for.
 */
function renewedNames(
  allowed: readonly string[],
  grant: ProvisionGrant,
  { dnsNames }: Pick<CertificateRequest, "dnsNames">,
): readonly string[] {
  const expected = new Set(
    [...grant.dnsNames, ...signedDnsNames(grant), ...dnsNames].map((name) => name.toLowerCase()),
  );
  return allowed.filter((name) => expected.has(name.toLowerCase()));
}

/** Of the newest certificate. */
function signedDnsNames({ certificate }: ProvisionGrant): readonly string[] {
  const [der = ""] = certificate?.chain ?? [];
  return parseCertificate(Buffer.from(der, "base64")).dnsNames;
}

function stored(signed: {
  readonly chain: readonly Uint8Array[];
  readonly serial: string;
  readonly notAfter: number;
}): Pick<ProvisionedCertificate, "chain" | "serial" | "notAfter"> {
  const { serial, notAfter } = signed;
  return { chain: signed.chain.map(toBase64), serial, notAfter };
}

/** One answer for all: who tries tokens learns nothing from it. */
function unknown(): Error {
  return fail("unauthenticated", "the token is unknown, was used or has expired");
}
