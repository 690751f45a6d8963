/**
 * PKCS #12 (RFC 7292) key stores and trust stores, as Java, browsers and operating systems import them. Written only;
 * nothing here reads one. Both libraries are loaded when the first store is made.
 */
import { fail } from "../../base/errors.ts";
import type { KeyStoreParams } from "./key-store-params.ts";
import { type PlainStore, writeStore } from "./write-store.ts";

export interface TrustStoreParams {
  /** DER certificates; at least one. */
  readonly roots: readonly Uint8Array[];
  readonly password: string;
}

/** @throws invalid for a password that importers would read differently; unsupported for 3des with other keys than RSA */
export async function keyStore(params: KeyStoreParams): Promise<Uint8Array> {
  checkPassword(params.password);
  if (params.cipher === "3des") {
    const { writeOldKeyStore } = await import("./write-old-store.ts");
    return writeOldKeyStore(params);
  }
  const { alias, chain, key, password } = params;
  const [leaf, ...above] = chain;
  if (leaf === undefined) throw fail("invalid", "a key store needs the key's certificate");
  const store: PlainStore = {
    key: { alias, pkcs8: key },
    certificates: [{ der: leaf, alias, isKeys: true }, ...above.map((der) => ({ der }))],
  };
  return writeStore(store, password);
}

/**
 * Certificates that Java takes for trusted ones: each has Oracle's attribute for that, without which keytool shows an
 * empty store.
 * @throws invalid as above
 */
export async function trustStore({ roots, password }: TrustStoreParams): Promise<Uint8Array> {
  checkPassword(password);
  if (roots.length === 0) throw fail("invalid", "a trust store needs a certificate");
  const certificates = roots.map((der, index) => ({
    der,
    alias: `root-${index + 1}`,
    isTrusted: true,
  }));
  return writeStore({ certificates }, password);
}

/** RFC 7292 B.1 hashes BMPString, RFC 8018 takes UTF-8: beyond ASCII readers differ in what they make of it. */
function checkPassword(password: string): void {
  if (!/^[\x20-\x7e]{6,256}$/.test(password)) {
    throw fail(
      "invalid",
      "the password of a key store has 6 to 256 printable ASCII characters, which every reader takes alike",
    );
  }
}
