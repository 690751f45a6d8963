import { fail } from "../../base/errors.ts";
import { parseCompact } from "../../jwt/compact.ts";
import type { Entry } from "../cache/entry.ts";
import type { JwtSvid } from "../cache/jwt-cache.ts";
import type { JwtBatches } from "./jwt-batches.ts";
import type { ServerSigner } from "../server-client/server-signer.ts";

export interface JwtSignerParts {
  readonly signer: Pick<ServerSigner, "signMemberJwt">;
  readonly batches: Pick<JwtBatches, "sign">;
  readonly signal: AbortSignal;
}

/** Has the server sign a JWT-SVID, and looks at what came back. @throws internal when it is for another ID */
export async function signJwt(
  { signer, batches, signal }: JwtSignerParts,
  entry: Entry,
  audience: readonly string[],
): Promise<JwtSvid> {
  // Members go by themselves: the server may have to ask a cluster, which nobody else is to wait for.
  const { token, issuedAt, expiresAt } = await (entry.member === undefined
    ? batches.sign(entry.id, audience)
    : signer.signMemberJwt(entry.member, audience, signal));
  const { header, claims } = parseCompact(token);
  if (claims["sub"] !== entry.spiffeId) throw fail("internal", "the server signed another ID");
  return { spiffeId: entry.spiffeId, token, keyId: header.kid ?? "", issuedAt, expiresAt };
}
