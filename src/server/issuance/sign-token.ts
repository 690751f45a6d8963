import { fail } from "../../base/errors.ts";
import {
  type JwtClaims,
  type TokenType,
  signCompact,
  signingAlgorithm,
} from "../../jwt/compact.ts";
import type { Signer } from "../../keys/contract.ts";
import type { JwtAuthority } from "../ca/authority.ts";

/**
 * Signs claims, after a look at the very bytes that are about to be signed.
 * @throws internal when they say anything but the claims
 */
export function signToken(
  claims: JwtClaims,
  authority: JwtAuthority,
  type: TokenType = "JWT",
): Promise<string> {
  const { keyId, signer } = authority;
  const checked: Signer = {
    keyType: signer.keyType,
    publicKey: signer.publicKey,
    sign(data) {
      checkTokenBytes(data, claims, authority, type);
      return signer.sign(data);
    },
  };
  return signCompact({ keyId, claims, signer: checked, type });
}

/** @throws internal */
export function checkTokenBytes(
  data: Uint8Array,
  claims: JwtClaims,
  { keyId, signer }: JwtAuthority,
  type: TokenType = "JWT",
): void {
  const [header = "", body = "", ...rest] = Buffer.from(data).toString("latin1").split(".");
  const alg = signingAlgorithm(signer.keyType);
  const sound =
    rest.length === 0 &&
    decode(header) === JSON.stringify({ alg, kid: keyId, typ: type }) &&
    decode(body) === JSON.stringify(claims);
  if (!sound) throw fail("internal", "the token was not signed, it does not say what was decided");
}

function decode(part: string): string {
  return Buffer.from(part, "base64url").toString("utf8");
}
