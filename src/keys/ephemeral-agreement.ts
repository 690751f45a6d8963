import { type KeyObject, diffieHellman, generateKeyPairSync } from "node:crypto";

/** One half of an agreement; its key is forgotten at once. */
export interface EphemeralAgreement {
  /** Coordinates of the public point, as long as the curve's field. */
  readonly x: Uint8Array;
  readonly y: Uint8Array;
  /** The shared point's x coordinate. */
  readonly shared: Uint8Array;
}

/** ECDH of a new key with a peer's, on its curve (SP 800-56A §5.7.1.2). @param peer on `curve` */
export function agreeOnce(curve: "P-256" | "P-384" | "P-521", peer: KeyObject): EphemeralAgreement {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: curve });
  // JWK has the coordinates with their leading zeros (RFC 7518 §6.2.1.2).
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  return {
    x: new Uint8Array(Buffer.from(x, "base64url")),
    y: new Uint8Array(Buffer.from(y, "base64url")),
    shared: new Uint8Array(diffieHellman({ privateKey, publicKey: peer })),
  };
}
