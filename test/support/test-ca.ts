/**
 * A tiny certificate authority for tests: roots, intermediates, leaves, requests, and every way to get them wrong.
 * Whatever is not given is filled in as the product would.
 */
import type { EpochSeconds } from "../../src/base/clock.ts";
import type { KeyType, Signer } from "../../src/keys/contract.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import type { Bundle, JwtAuthority } from "../../src/spiffe/bundle.ts";
import { type Certificate, parseCertificate } from "../../src/x509/certificate.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { bitString, context, integer, seq, time } from "../../src/x509/der.ts";
import {
  encodeAltNames,
  encodeAuthorityKeyId,
  encodeBasicConstraints,
  encodeExtKeyUsage,
  encodeExtensions,
  encodeKeyUsage,
  encodeSubjectKeyId,
} from "../../src/x509/extension-encoding.ts";
import type { BasicConstraints, KeyUsage } from "../../src/x509/extensions.ts";
import { distinguishedName, isEmptyName } from "../../src/x509/names.ts";
import { OID } from "../../src/x509/oids.ts";
import { encodeSignatureAlgorithm } from "../../src/x509/signature-algorithm.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { subjectKeyId } from "../../src/x509/subject-key-id.ts";

/** Where `VirtualClock` starts, in seconds. */
export const TEST_EPOCH: EpochSeconds = Date.UTC(2026, 0, 1) / 1000;

/** Everything a certificate can say. `"omit"` leaves an extension out that would be there by default. */
export interface Forgery {
  readonly serial?: Uint8Array;
  readonly issuer?: Uint8Array;
  readonly subject?: Uint8Array;
  readonly notBefore?: EpochSeconds;
  readonly notAfter?: EpochSeconds;
  readonly publicKey?: Uint8Array;
  readonly uris?: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly sanCritical?: boolean;
  readonly basicConstraints?: BasicConstraints | "omit";
  readonly keyUsage?: readonly KeyUsage[] | "omit";
  readonly extKeyUsage?: readonly string[] | "omit";
  readonly subjectKeyId?: Uint8Array | "omit";
  readonly authorityKeyId?: Uint8Array | "omit";
  /** Whole DER `Extension`s put behind the others. */
  readonly extraExtensions?: readonly Uint8Array[];
  /** Whole DER AlgorithmIdentifier in place of the signer's own. */
  readonly algorithm?: Uint8Array;
  /** Changes the to-be-signed bytes just before they are signed. */
  readonly alterTbs?: (tbs: Uint8Array) => Uint8Array;
  /** Signs in place of the issuer. */
  readonly signer?: Signer;
}

export interface CaOptions extends Forgery {
  readonly name?: string;
  readonly trustDomain?: string;
  readonly keyType?: KeyType;
  readonly key?: IssuedKey;
}

export interface LeafOptions extends Forgery {
  /** Whole SPIFFE ID; `spiffe://<trust domain>/workload` when left out. */
  readonly spiffeId?: string;
  readonly keyType?: KeyType;
}

export interface IssuedKey {
  readonly signer: Signer;
  readonly pkcs8: Uint8Array;
}

export interface IssuedLeaf extends IssuedKey {
  readonly der: Uint8Array;
  readonly certPem: string;
  readonly keyPem: string;
}

export class TestCa {
  readonly trustDomain: string;
  readonly der: Uint8Array;
  readonly certificate: Certificate;
  readonly key: IssuedKey;
  /** What a leaf's chain holds behind the leaf: this CA and those above it, without the root. */
  readonly intermediates: readonly Uint8Array[];
  readonly root: TestCa;

  private constructor(trustDomain: string, der: Uint8Array, key: IssuedKey, parent?: TestCa) {
    this.trustDomain = trustDomain;
    this.der = der;
    this.certificate = parseCertificate(der);
    this.key = key;
    this.intermediates = parent === undefined ? [] : [der, ...parent.intermediates];
    this.root = parent === undefined ? this : parent.root;
  }

  /** A self-signed root. */
  static async create(options: CaOptions = {}): Promise<TestCa> {
    const trustDomain = options.trustDomain ?? "example.org";
    const key = options.key ?? (await generateKey(options.keyType ?? "ec-p256"));
    const subject = options.subject ?? caName(options.name ?? "root");
    const der = await forge({
      ...caDefaults(trustDomain, subject, key),
      issuer: subject,
      authorityKeyId: subjectKeyId(key.signer.publicKey),
      signer: key.signer,
      ...options,
    });
    return new TestCa(trustDomain, der, key);
  }

  /** A CA below this one. */
  async intermediate(options: CaOptions = {}): Promise<TestCa> {
    const trustDomain = options.trustDomain ?? this.trustDomain;
    const key = options.key ?? (await generateKey(options.keyType ?? "ec-p256"));
    const subject = options.subject ?? caName(options.name ?? "intermediate");
    const der = await forge({
      ...caDefaults(trustDomain, subject, key),
      ...this.#asIssuer(),
      ...options,
    });
    return new TestCa(trustDomain, der, key, this);
  }

  /** A new key with a leaf for it, valid from 10 s before to 1 h after `TEST_EPOCH` unless told otherwise. */
  async leaf(options: LeafOptions = {}): Promise<IssuedLeaf> {
    const key = await generateKey(options.keyType ?? "ec-p256");
    const der = await forge({
      publicKey: key.signer.publicKey,
      subject: distinguishedName([
        { type: "C", value: "US" },
        { type: "O", value: "SPIRE" },
      ]),
      uris: [options.spiffeId ?? `spiffe://${this.trustDomain}/workload`],
      basicConstraints: { ca: false },
      keyUsage: ["digitalSignature", "keyEncipherment", "keyAgreement"],
      extKeyUsage: [OID.serverAuth, OID.clientAuth],
      ...this.#asIssuer(),
      ...options,
    });
    const chain = [der, ...this.intermediates];
    return {
      ...key,
      der,
      certPem: chain.map((each) => encodePem("CERTIFICATE", each)).join(""),
      keyPem: encodePem("PRIVATE KEY", key.pkcs8),
    };
  }

  /** A bundle of this CA's root alone. */
  bundle(jwtAuthorities: readonly JwtAuthority[] = []): Bundle {
    return {
      trustDomain: this.trustDomain,
      x509Authorities: [{ der: this.root.der, tainted: false }],
      jwtAuthorities,
      refreshHint: 300,
      sequence: 1,
    };
  }

  get pem(): string {
    return encodePem("CERTIFICATE", this.der);
  }

  #asIssuer(): Pick<Required<Forgery>, "issuer" | "authorityKeyId" | "signer"> {
    const { signer } = this.key;
    return {
      issuer: this.certificate.subject,
      authorityKeyId: subjectKeyId(signer.publicKey),
      signer,
    };
  }
}

/** A request with a new key. */
export async function testCsr(
  options: { uris?: readonly string[]; dnsNames?: readonly string[]; keyType?: KeyType } = {},
): Promise<IssuedKey & { readonly der: Uint8Array }> {
  const key = await generateKey(options.keyType ?? "ec-p256");
  const der = await createCsr({
    uris: options.uris ?? ["spiffe://example.org/workload"],
    dnsNames: options.dnsNames ?? [],
    signer: key.signer,
  });
  return { ...key, der };
}

/** Encodes and signs exactly what it is told. */
export async function forge(
  fields: Forgery & Pick<Required<Forgery>, "signer" | "issuer" | "subject" | "publicKey">,
): Promise<Uint8Array> {
  const { signer, subject, publicKey } = fields;
  const algorithm = fields.algorithm ?? encodeSignatureAlgorithm(signer.keyType);
  const tbs = seq(
    context(0, integer(2)),
    integer(fields.serial ?? nextSerial()),
    algorithm,
    fields.issuer,
    seq(time(fields.notBefore ?? TEST_EPOCH - 10), time(fields.notAfter ?? TEST_EPOCH + 3600)),
    subject,
    publicKey,
    encodeExtensions(extensionsOf(fields)),
  );
  const altered = fields.alterTbs?.(tbs) ?? tbs;
  return seq(altered, algorithm, bitString(await signer.sign(altered)));
}

function extensionsOf(
  fields: Forgery & { subject: Uint8Array; publicKey: Uint8Array },
): Uint8Array[] {
  const { uris = [], dnsNames = [], keyUsage = "omit", extKeyUsage = "omit" } = fields;
  const { basicConstraints = "omit", authorityKeyId = "omit" } = fields;
  const keyId = fields.subjectKeyId ?? subjectKeyId(fields.publicKey);
  const critical = fields.sanCritical ?? isEmptyName(fields.subject);
  return [
    ...(keyUsage === "omit" ? [] : [encodeKeyUsage(keyUsage)]),
    ...(extKeyUsage === "omit" ? [] : [encodeExtKeyUsage(extKeyUsage)]),
    ...(basicConstraints === "omit" ? [] : [encodeBasicConstraints(basicConstraints)]),
    ...(keyId === "omit" ? [] : [encodeSubjectKeyId(keyId)]),
    ...(authorityKeyId === "omit" ? [] : [encodeAuthorityKeyId(authorityKeyId)]),
    ...(uris.length + dnsNames.length === 0 ? [] : [encodeAltNames({ uris, dnsNames, critical })]),
    ...(fields.extraExtensions ?? []),
  ];
}

function caDefaults(trustDomain: string, subject: Uint8Array, key: IssuedKey) {
  return {
    subject,
    publicKey: key.signer.publicKey,
    notAfter: TEST_EPOCH + 86_400,
    uris: [`spiffe://${trustDomain}`],
    basicConstraints: { ca: true },
    keyUsage: ["keyCertSign", "cRLSign"],
  } as const;
}

function caName(name: string): Uint8Array {
  return distinguishedName([
    { type: "C", value: "US" },
    { type: "O", value: "SPIFFE" },
    { type: "CN", value: name },
  ]);
}

function nextSerial(): Uint8Array {
  serial += 1;
  return Uint8Array.of(1, serial >> 8, serial & 0xff);
}

let serial = 0;
