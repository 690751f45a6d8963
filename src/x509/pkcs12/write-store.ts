import { createHash } from "node:crypto";

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
  const secret = ownBytes(new TextEncoder().encode(password));

  const attribute = (type: string, value: object): InstanceType<typeof pkijs.Attribute> =>
    new pkijs.Attribute({ type, values: [value as never] });
  const named = (alias: string): InstanceType<typeof pkijs.Attribute> =>
    attribute(OID.friendlyName, new asn1js.BmpString({ value: alias }));
  const keys = store.certificates.find(({ isKeys }) => isKeys);
  const keyId = (): InstanceType<typeof pkijs.Attribute> =>
    attribute(
      OID.localKeyId,
      new asn1js.OctetString({
        valueHex: ownBytes(
          createHash("sha1")
            .update(keys?.der ?? new Uint8Array())
            .digest(),
        ),
      }),
    );

  const certificateBags = store.certificates.map(
    ({ der, alias, isKeys, isTrusted }) =>
      new pkijs.SafeBag({
        bagId: OID.certBag,
        bagValue: new pkijs.CertBag({
          parsedValue: pkijs.Certificate.fromBER(ownBytes(der)),
        }),
        bagAttributes: [
          ...(alias === undefined ? [] : [named(alias)]),
          ...(isKeys === true ? [keyId()] : []),
          ...(isTrusted === true
            ? [
                attribute(
                  OID.trustedKeyUsage,
                  new asn1js.ObjectIdentifier({ value: OID.anyExtendedKeyUsage }),
                ),
              ]
            : []),
        ],
      }),
  );
  const contents = [
    { privacyMode: 0, value: new pkijs.SafeContents({ safeBags: certificateBags }) },
  ];
  if (store.key !== undefined) {
    const shrouded = new pkijs.PKCS8ShroudedKeyBag({
      parsedValue: pkijs.PrivateKeyInfo.fromBER(ownBytes(store.key.pkcs8)),
    });
    await shrouded.makeInternalValues({
      password: secret,
      contentEncryptionAlgorithm: { name: "AES-CBC", length: 256 } as never,
      hmacHashAlgorithm: "SHA-256",
      iterationCount: ITERATIONS,
    });
    const bag = new pkijs.SafeBag({
      bagId: OID.shroudedKeyBag,
      bagValue: shrouded,
      bagAttributes: [named(store.key.alias), keyId()],
    });
    contents.unshift({ privacyMode: 0, value: new pkijs.SafeContents({ safeBags: [bag] }) });
  }
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
