export interface KeyStoreParams {
  /** The entry's name (friendlyName). */
  readonly alias: string;
  /** DER certificates, leaf first. */
  readonly chain: readonly Uint8Array[];
  /** PKCS #8. */
  readonly key: Uint8Array;
  readonly password: string;
  /**
   * `aes256`: PBES2 with PBKDF2 and AES-256-CBC, HMAC with SHA-256: Java since 8u301, OpenSSL, Windows since Server 2019.
   * `3des`: the encryption of RFC 7292's first days, for importers that know nothing newer; RSA only.
   */
  readonly cipher: "aes256" | "3des";
}
