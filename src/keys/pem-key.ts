import { createPrivateKey } from "node:crypto";
import { fail } from "../base/errors.ts";
import type { Signer } from "./contract.ts";
import { signerFromPkcs8 } from "./software-signer.ts";

/**
 * A signer from a PEM key: PKCS #8, also encrypted (RFC 5958 §3), or the older forms that openssl writes.
 * @throws invalid when it is no key, one of a type that is not supported, or the passphrase is not its own
 */
export function signerFromPem(pem: string, passphrase?: string): Signer {
  return signerFromPkcs8(pkcs8FromPem(pem, passphrase));
}

/** The key of such a file as DER, not encrypted. @throws invalid, likewise */
export function pkcs8FromPem(pem: string, passphrase?: string): Uint8Array {
  try {
    const key = createPrivateKey({
      key: pem,
      format: "pem",
      ...(passphrase === undefined ? {} : { passphrase }),
    });
    return key.export({ format: "der", type: "pkcs8" });
  } catch {
    // The cause is dropped: a parser's words about a private key belong in no log.
    const why =
      passphrase === undefined
        ? "or it is encrypted and needs its passphrase"
        : "or the passphrase is another key's";
    throw fail("invalid", `private key is not a PEM key, ${why}`);
  }
}
