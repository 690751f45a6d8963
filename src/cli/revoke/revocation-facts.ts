import type { RevokedX509SVID__Output } from "../../rpc/gen/assay/revocation/v1/RevokedX509SVID.ts";
import { REVOCATION_REASONS } from "../../x509/crl.ts";
import { isoTime } from "../text/facts.ts";

export const REVOCATION_SERVICE = "assay.revocation.v1.Revocation";

export const REASON_WORDS: readonly string[] = Object.keys(REVOCATION_REASONS);

/** `key-compromise` as the API has it. */
export function reasonMessage(word: string): string {
  return word.toUpperCase().replaceAll("-", "_");
}

/** A revoked SVID as `--output json` prints it. */
export function revocationJson(revoked: RevokedX509SVID__Output): Record<string, unknown> {
  return {
    serial: revoked.serial,
    ...(revoked.spiffe_id === "" ? {} : { spiffeId: revoked.spiffe_id }),
    authorityId: revoked.authority_id,
    reason: reasonWord(revoked),
    revokedAt: isoTime(Number(revoked.revoked_at)),
    expiresAt: isoTime(Number(revoked.expires_at)),
  };
}

/** One line for people. */
export function revocationLine(revoked: RevokedX509SVID__Output): string {
  const { serial, spiffe_id: id, revoked_at: at } = revoked;
  const name = id === "" ? "(unknown)" : id;
  return `${serial}  ${name}  ${isoTime(Number(at))}  ${reasonWord(revoked)}`;
}

function reasonWord({ reason }: RevokedX509SVID__Output): string {
  return reason.toLowerCase().replaceAll("_", "-");
}
