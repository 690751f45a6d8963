import { createHash } from "node:crypto";
import type * as Asn1js from "asn1js";
import type * as Pkijs from "pkijs";

/** What a store holds before it is protected. */
export interface PlainStore {
  readonly key?: { readonly alias: string; readonly pkcs8: Uint8Array };
  readonly certificates: readonly {
    readonly der: Uint8Array;
    readonly alias?: string;
    /** Belongs to the key. */
    readonly isKeys?: true;
    /** An anchor of trust by itself. */
    readonly isTrusted?: boolean;
  }[];
}

/**
 * Key encrypted with PBES2 (PBKDF2 with HMAC-SHA-256, AES-256-CBC; RFC 8018 §6.2), certificates plain, all of it under
 * an HMAC with SHA-256 (RFC 7292 §4, B).
 */
export async function writeStore(store: PlainStore, password: string): Promise<Uint8Array> {
  const [pkijs, asn1js] = await Promise.all([import("pkijs"), import("asn1js")]);
  const bags = new StoreBags({ pkijs, asn1js }, store);
  const secret = ownBytes(new TextEncoder().encode(password));
  const parts = [
    ...(store.key === undefined ? [] : [[await bags.ofKey(store.key, secret)]]),
    store.certificates.map((each) => bags.ofCertificate(each)),
  ];
  const contents = parts.map((safeBags) => ({
    privacyMode: 0,
    value: new pkijs.SafeContents({ safeBags }),
  }));
  const safe = new pkijs.AuthenticatedSafe({ parsedValue: { safeContents: contents } });
  await safe.makeInternalValues({ safeContents: contents.map(() => ({})) });
  const pfx = new pkijs.PFX({ parsedValue: { integrityMode: 0, authenticatedSafe: safe } });
  await pfx.makeInternalValues({
    password: secret,
    iterations: ITERATIONS,
    pbkdf2HashAlgorithm: "SHA-256",
    hmacHashAlgorithm: "SHA-256",
  });
  return new Uint8Array(pfx.toSchema().toBER(false));
}

/** Loaded where a store is written, not before. */
interface Library {
  readonly pkijs: typeof Pkijs;
  readonly asn1js: typeof Asn1js;
}

/** The bags of one store (RFC 7292 §4.2): the key and its certificate are found by each other's local key id. */
class StoreBags {
  readonly #library: Library;
  /** SHA-1 of the key's certificate. */
  readonly #keyId: ArrayBuffer;

  constructor(library: Library, { certificates }: PlainStore) {
    this.#library = library;
    const { der } = certificates.find(({ isKeys }) => isKeys) ?? { der: new Uint8Array() };
    this.#keyId = ownBytes(createHash("sha1").update(der).digest());
  }

  async ofKey(
    { alias, pkcs8 }: NonNullable<PlainStore["key"]>,
    password: ArrayBuffer,
  ): Promise<Pkijs.SafeBag> {
    const { pkijs } = this.#library;
    const shrouded = new pkijs.PKCS8ShroudedKeyBag({
      parsedValue: pkijs.PrivateKeyInfo.fromBER(ownBytes(pkcs8)),
    });
    await shrouded.makeInternalValues({
      password,
      contentEncryptionAlgorithm: { name: "AES-CBC", length: 256 } as never,
      hmacHashAlgorithm: "SHA-256",
      iterationCount: ITERATIONS,
    });
    return new pkijs.SafeBag({
      bagId: OID.shroudedKeyBag,
      bagValue: shrouded,
      bagAttributes: [this.#named(alias), this.#ofKeyId()],
    });
  }

  ofCertificate({
    der,
    alias,
    isKeys,
    isTrusted,
  }: PlainStore["certificates"][number]): Pkijs.SafeBag {
    const { pkijs } = this.#library;
    return new pkijs.SafeBag({
      bagId: OID.certBag,
      bagValue: new pkijs.CertBag({ parsedValue: pkijs.Certificate.fromBER(ownBytes(der)) }),
      bagAttributes: [
        ...(alias === undefined ? [] : [this.#named(alias)]),
        ...(isKeys === true ? [this.#ofKeyId()] : []),
        ...(isTrusted === true ? [this.#trusted()] : []),
      ],
    });
  }

  #named(alias: string): Pkijs.Attribute {
    const { asn1js } = this.#library;
    return this.#attribute(OID.friendlyName, new asn1js.BmpString({ value: alias }));
  }

  #ofKeyId(): Pkijs.Attribute {
    const { asn1js } = this.#library;
    return this.#attribute(OID.localKeyId, new asn1js.OctetString({ valueHex: this.#keyId }));
  }

  #trusted(): Pkijs.Attribute {
    const { asn1js } = this.#library;
    const usage = new asn1js.ObjectIdentifier({ value: OID.anyExtendedKeyUsage });
    return this.#attribute(OID.trustedKeyUsage, usage);
  }

  #attribute(type: string, value: object): Pkijs.Attribute {
    return new this.#library.pkijs.Attribute({ type, values: [value as never] });
  }
}

/** A copy in a buffer of its own: the library reads the whole buffer behind a view. */
function ownBytes(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

const OID = {
  friendlyName: "1.2.840.113549.1.9.20",
  localKeyId: "1.2.840.113549.1.9.21",
  shroudedKeyBag: "1.2.840.113549.1.12.10.1.2",
  certBag: "1.2.840.113549.1.12.10.1.3",
  /** Oracle's, as Java's key stores write it. */
  trustedKeyUsage: "2.16.840.1.113894.746875.1.1",
  anyExtendedKeyUsage: "2.5.29.37.0",
} as const;
/** As Java's own. */
const ITERATIONS = 10_000;
