import { bytesEqual, toBase64, toHex } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { subjectKeyId } from "../../x509/subject-key-id.ts";
import type { AuthorityRecord } from "../datastore/contract.ts";
import { OFFLINE } from "../upstream/contract.ts";
import { type CaOwner, requestFor } from "../upstream/request.ts";
import { certificatesOf, withAlternates, withoutAlternate } from "./alternate-chains.ts";
import { type Authority, authorityOf } from "./authority.ts";
import { type AuthoritySlots, newKeyName } from "./authority-slots.ts";
import { checkSignedCa, keyIdOf } from "./check-signed-ca.ts";
import { setOption, setWords } from "./set-name.ts";
import type { AuthoritySlotsOptions } from "./slots-options.ts";

export interface CertificateRequestOf {
  /** That the authority will have: its key's. */
  readonly id: string;
  /** DER, PKCS #10. */
  readonly csr: Uint8Array;
}

/** Authorities that an offline root signs: the request goes out, the certificate comes in, the key stays. */
export class OfflineRequests {
  readonly #options: AuthoritySlotsOptions;
  readonly #slots: AuthoritySlots;

  constructor(options: AuthoritySlotsOptions, slots: AuthoritySlots) {
    this.#options = options;
    this.#slots = slots;
  }

  /**
   * The open request; a new one when there is none, or when `anew`: what the old one's key is signed for is then
   * refused.
   * @throws precondition without an offline root; limited
   */
  async request(anew: boolean): Promise<CertificateRequestOf> {
    this.#requireOffline();
    const { keyManager, keyType } = this.#options;
    const { journal } = this.#slots;
    const open = journal.withStatus("requested");
    const [pending] = open;
    if (pending?.signer !== undefined && !anew) {
      return { id: pending.record.id, csr: await requestFor(pending.signer, this.#owner) };
    }
    this.#slots.requireRoom();
    const keyName = newKeyName(this.#options, "x509");
    const signer = await keyManager.generate(keyName, keyType);
    try {
      const id = toHex(subjectKeyId(signer.publicKey));
      const record: AuthorityRecord = {
        id,
        set: this.#options.name,
        kind: "x509",
        status: "requested",
        tainted: false,
        keyName,
        chain: [],
        roots: [],
        publicKey: toBase64(signer.publicKey),
        notBefore: 0,
        notAfter: 0,
        createdAt: journal.now,
      };
      const csr = await requestFor(signer, this.#owner);
      await journal.commit({
        put: [authorityOf(record, signer)],
        remove: open.map((each) => each.record),
      });
      return { id, csr };
    } catch (thrown) {
      await journal.deleteKey(keyName);
      throw thrown;
    }
  }

  /**
   * Takes what the offline root signed: the authority is prepared, and published with its root. What was taken before
   * is left as it is, where no request is open. Certificates that lead from an authority which signs, or is to, to
   * another root are added to it.
   * @param certificates DER, in any order: the authority's own, those above it, and the root
   * @throws precondition when it is not for the open request, or cannot be used; invalid
   */
  async import(certificates: readonly Uint8Array[]): Promise<AuthorityRecord> {
    this.#requireOffline();
    const { trustDomain } = this.#options;
    const { journal } = this.#slots;
    const [pending] = journal.withStatus("requested");
    const taken = journal.records.find(({ chain: [own] }) =>
      certificates.some((der) => toBase64(der) === own),
    );
    const parsed = certificates.map((der) => parseCertificate(der));
    const answered = pending?.signer;
    const own = parsed.find(
      ({ publicKey }) => answered !== undefined && bytesEqual(publicKey, answered.publicKey),
    );
    const crossed = own === undefined ? await this.#cross(parsed) : undefined;
    if (crossed !== undefined) return crossed;
    if (taken !== undefined && pending === undefined) return taken;
    if (pending?.signer === undefined) {
      throw fail("precondition", `there is no open request; '${this.#csr}' makes one`);
    }
    const { signer } = pending;
    if (own === undefined) {
      throw fail(
        "precondition",
        taken === undefined
          ? `no certificate is for the open request ${pending.record.id}; '${this.#csr}' shows it again`
          : `authority ${taken.id} was imported already; the open request is ${pending.record.id}, which '${this.#csr}' shows again`,
      );
    }
    const others = parsed.filter((each) => each !== own);
    const isRoot = (each: typeof own): boolean => bytesEqual(each.issuer, each.subject);
    const { now } = journal;
    const made = await checkSignedCa(
      {
        chain: [own, ...others.filter((each) => !isRoot(each))].map(({ raw }) => raw),
        roots: others.filter(isRoot).map(({ raw }) => raw),
      },
      { key: signer, trustDomain, now },
    );
    const record: AuthorityRecord = {
      ...pending.record,
      ...made,
      status: "prepared",
      createdAt: now,
    };
    const whole = await this.#withKnown(record, others);
    await this.#slots.admit(authorityOf(whole, signer), pending.record);
    return whole;
  }

  /**
   * Adds chains to those that sign, or are to.
   * @returns the first that got one; undefined when the certificates are about none of them
   * @throws precondition when a certificate is for the key of one of them, or one above it, and adds no chain
   */
  async #cross(given: readonly Certificate[]): Promise<AuthorityRecord | undefined> {
    const { journal } = this.#slots;
    const authorities = [...journal.withStatus("active"), ...journal.withStatus("prepared")];
    const put: Authority[] = [];
    for (const authority of authorities) {
      const { record } = authority;
      const isNew = isCross(record, given);
      const next = await this.#withAlternates(record, given).catch((thrown: unknown) => {
        if (isNew) throw thrown;
        return undefined;
      });
      if (next !== undefined) put.push({ ...authority, record: next });
    }
    const [first] = put;
    if (first === undefined) return undefined;
    await journal.commit({ put });
    for (const { record } of put) journal.log("has another chain", record);
    return first.record;
  }

  /**
   * Takes the chains to another root from all authorities, old ones too: what they signed is not to be had with them.
   * @param given key id, hex
   * @throws not_found when none has one
   */
  async removeChain(given: string): Promise<readonly AuthorityRecord[]> {
    const { journal } = this.#slots;
    const rootId = given.replaceAll(":", "").toLowerCase();
    const put = journal.authorities
      .map((authority) => ({ ...authority, record: withoutAlternate(authority.record, rootId) }))
      .filter(({ record }) => !journal.records.includes(record));
    if (put.length === 0) {
      const { name } = this.#options;
      throw fail(
        "not_found",
        `no authority of ${setWords(name)} has a chain to another root of this ID; 'assay authority x509 show${setOption(name)}' names those roots ('also below')`,
      );
    }
    await journal.commit({ put });
    for (const { record } of put) journal.log("has lost another chain", record);
    return put.map(({ record }) => record);
  }

  /** With the chains that what came along, and what its predecessors had, gives it too. */
  async #withKnown(
    record: AuthorityRecord,
    given: readonly Certificate[],
  ): Promise<AuthorityRecord> {
    const known = this.#slots.journal.records.flatMap(({ alternates = [] }) =>
      certificatesOf(alternates),
    );
    return this.#withAlternates(record, [...given, ...known]).catch(() => record);
  }

  async #withAlternates(
    record: AuthorityRecord,
    given: readonly Certificate[],
  ): Promise<AuthorityRecord> {
    const { trustDomain, datastore, name } = this.#options;
    const revoked = await datastore.revokedAuthorities.list(name);
    const isRevoked = (each: Certificate): boolean =>
      revoked.some(({ kind, id }) => kind === "x509" && id === keyIdOf(each));
    const { now } = this.#slots.journal;
    return withAlternates(
      record,
      given.filter((each) => !isRevoked(each)),
      { trustDomain, now },
    );
  }

  get #owner(): CaOwner {
    const { trustDomain, name, published } = this.#options;
    return { trustDomain, ...(published ? {} : { set: name }) };
  }

  get #csr(): string {
    return `assay authority x509 csr${setOption(this.#options.name)}`;
  }

  #requireOffline(): void {
    if (this.#options.upstream === OFFLINE) return;
    throw fail(
      "precondition",
      `${setWords(this.#options.name)} has its authorities signed by itself or by an upstream that answers; requests are for sets with upstreamAuthority.offline, named with --set`,
    );
  }
}

/** Whether one of them is another certificate of a key that the authority's chain has. */
function isCross({ chain, roots }: AuthorityRecord, given: readonly Certificate[]): boolean {
  const ders = new Set([...chain, ...roots.slice(0, 1)]);
  const known = [...ders].map((der) => parseCertificate(Buffer.from(der, "base64")));
  return given.some(
    ({ raw, publicKey }) =>
      !ders.has(toBase64(raw)) && known.some((each) => bytesEqual(each.publicKey, publicKey)),
  );
}
