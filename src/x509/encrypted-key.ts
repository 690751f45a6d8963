import { createCipheriv, pbkdf2 } from "node:crypto";
import { promisify } from "node:util";
import type { Random } from "../base/random.ts";
import { integer, nullValue, octetString, oid, seq } from "./der.ts";

/**
 * Encrypts a PKCS #8 key with a passphrase: EncryptedPrivateKeyInfo (RFC 5958 §3) by PBES2 with PBKDF2, HMAC-SHA-256
 * and AES-256-CBC (RFC 8018 §6.2), which openssl and all its kin read. Node's own export has 2,048 rounds of PBKDF2,
 * which a passphrase that a person can remember does not survive.
 * @param pkcs8 unencrypted DER
 * @returns DER, for a PEM block `ENCRYPTED PRIVATE KEY`
 */
export async function encryptPkcs8(
  pkcs8: Uint8Array,
  passphrase: string,
  random: Random,
): Promise<Uint8Array> {
  const [salt, iv] = [random.bytes(16), random.bytes(16)];
  const key = await promisify(pbkdf2)(passphrase, salt, ROUNDS, 32, "sha256");
  const cipher = createCipheriv("aes-256-cbc", key, iv);
  const sealed = Buffer.concat([cipher.update(pkcs8), cipher.final()]);
  const derivation = seq(
    oid("1.2.840.113549.1.5.12"),
    seq(octetString(salt), integer(ROUNDS), seq(oid("1.2.840.113549.2.9"), nullValue())),
  );
  const encryption = seq(oid("2.16.840.1.101.3.4.1.42"), octetString(iv));
  return seq(seq(oid("1.2.840.113549.1.5.13"), seq(derivation, encryption)), octetString(sealed));
}

/** Half a second on a common machine, for each guess, too. */
const ROUNDS = 1_000_000;
