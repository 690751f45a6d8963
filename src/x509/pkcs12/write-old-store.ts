import { createRequire } from "node:module";
import { fail } from "../../base/errors.ts";
import { keyTypeOfSpki } from "../../keys/public-key.ts";
import { parseCertificate } from "../certificate.ts";
import type { KeyStoreParams } from "./key-store-params.ts";

/**
 * pbeWithSHAAnd3-KeyTripleDES-CBC and an HMAC with SHA-1 (RFC 7292 C): macOS before 15, Java before 8u301, Windows
 * before Server 2019 read nothing newer. WebCrypto, and pkijs with it, has no Triple DES; node-forge has, but reads RSA
 * keys only.
 * @throws unsupported when a key in the chain is not RSA
 */
export function writeOldKeyStore({ alias, chain, key, password }: KeyStoreParams): Uint8Array {
  for (const der of chain) {
    if (keyTypeOfSpki(parseCertificate(der).publicKey)?.startsWith("rsa-") === true) continue;
    throw fail(
      "unsupported",
      "a key store with 3des holds RSA keys only, those of the authorities included; use aes256",
    );
  }
  const { asn1, pkcs12, pki, util } = createRequire(import.meta.url)("node-forge") as Forge;
  const parse = (der: Uint8Array): unknown => asn1.fromDer(util.createBuffer(Buffer.from(der)));
  const store = pkcs12.toPkcs12Asn1(
    pki.privateKeyFromAsn1(parse(key)),
    chain.map((der) => pki.certificateFromAsn1(parse(der))),
    password,
    { algorithm: "3des", friendlyName: alias, generateLocalKeyId: true, count: ITERATIONS },
  );
  return new Uint8Array(Buffer.from(asn1.toDer(store).getBytes(), "binary"));
}

/** The part of node-forge that is used here. */
interface Forge {
  readonly asn1: {
    fromDer(buffer: unknown): unknown;
    toDer(object: unknown): { getBytes(): string };
  };
  readonly pki: {
    privateKeyFromAsn1(object: unknown): unknown;
    certificateFromAsn1(object: unknown): unknown;
  };
  readonly pkcs12: {
    toPkcs12Asn1(
      key: unknown,
      chain: readonly unknown[],
      password: string,
      options: object,
    ): unknown;
  };
  readonly util: { createBuffer(bytes: Uint8Array): unknown };
}

const ITERATIONS = 10_000;
