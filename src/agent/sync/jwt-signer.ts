import { fail } from "../../base/errors.ts";
import { parseCompact } from "../../jwt/compact.ts";
import type { Entry } from "../cache/entry.ts";
import type { JwtSvid } from "../cache/jwt-cache.ts";
import type { ServerClient } from "../server-client/server-client.ts";

/** Has the server sign a JWT-SVID, and looks at what came back. @throws internal when it is for another ID */
export async function signJwt(
  client: Pick<ServerClient, "signJwtSvid" | "signMemberJwt">,
  entry: Entry,
  audience: readonly string[],
  signal: AbortSignal,
): Promise<JwtSvid> {
  const { token, issuedAt, expiresAt } = await (entry.member === undefined
    ? client.signJwtSvid(entry.id, audience, signal)
    : client.signMemberJwt(entry.member, audience, signal));
  const { header, claims } = parseCompact(token);
  if (claims["sub"] !== entry.spiffeId) throw fail("internal", "the server signed another ID");
  return { spiffeId: entry.spiffeId, token, keyId: header.kid ?? "", issuedAt, expiresAt };
}
