import { fail } from "../../base/errors.ts";
import type { Reason } from "../../rpc/gen/assay/revocation/v1/Reason.ts";
import type { RevocationHandlers } from "../../rpc/gen/assay/revocation/v1/Revocation.ts";
import type { RevokedX509SVID } from "../../rpc/gen/assay/revocation/v1/RevokedX509SVID.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { RevocationReason } from "../../x509/crl.ts";
import type { RevocationRecord } from "../datastore/contract.ts";
import type { Revocations } from "../revocation/revocations.ts";
import type { RevokeSvids } from "../revocation/revoke-svids.ts";
import { memberIdField } from "./fields.ts";

export interface RevocationApiDeps {
  readonly revocations: Pick<Revocations, "records" | "crls">;
  readonly revoker: Pick<RevokeSvids, "revoke">;
  readonly trustDomain: TrustDomain;
}

/** `assay.revocation.v1.Revocation`. */
export function revocationApi(deps: RevocationApiDeps): Implementation<RevocationHandlers> {
  const { revocations, revoker, trustDomain } = deps;
  return {
    async RevokeX509SVID({ serial, spiffe_id, authority_id, reason }, call) {
      if ((serial === "") === (spiffe_id === null)) {
        throw fail("invalid", "name the SVID by its serial or by its SPIFFE ID, not by both");
      }
      if (authority_id !== "" && serial === "") {
        throw fail("invalid", "authority_id: goes with a serial only");
      }
      if (authority_id !== "" && !AUTHORITY_ID.test(authority_id)) {
        throw fail("invalid", "authority_id: is not 40 lower-case hex digits");
      }
      const answer = await revoker.revoke(
        {
          ...(serial === "" ? {} : { serial: serialField(serial) }),
          ...(spiffe_id === null
            ? {}
            : { spiffeId: memberIdField("spiffe_id", spiffe_id, trustDomain).toString() }),
          ...(authority_id === "" ? {} : { authorityId: authority_id }),
          reason: reasonField(reason),
        },
        call.signal,
      );
      return {
        results: answer.revoked.map(revocationMessage),
        pending: !answer.published,
        rotated_entries: answer.rotatedEntries,
      };
    },

    async ListRevocations() {
      return { revocations: revocations.records.map(revocationMessage) };
    },

    async ListCRLs() {
      return {
        crls: revocations.crls.map(({ authorityId, number, nextUpdate, der }) => ({
          authority_id: authorityId,
          number,
          next_update: nextUpdate,
          crl: Buffer.from(der),
        })),
      };
    },
  };
}

function revocationMessage(record: RevocationRecord): RevokedX509SVID {
  const { serial, authorityId, spiffeId, revokedAt, expiresAt, reason } = record;
  const named = Object.entries(REASONS).find(([, each]) => each === reason);
  return {
    serial,
    authority_id: authorityId,
    spiffe_id: spiffeId,
    revoked_at: revokedAt,
    expires_at: expiresAt,
    reason: (named?.[0] ?? "UNSPECIFIED") as keyof typeof REASONS,
  };
}

/** Lower hex without leading zeros, as the audit log has it. */
function serialField(text: string): string {
  const serial = text
    .replaceAll(":", "")
    .toLowerCase()
    .replace(/^0+(?=.)/, "");
  if (SERIAL.test(serial)) return serial;
  throw fail("invalid", "serial: is not 1 to 40 hex digits");
}

function reasonField(reason: string): RevocationReason {
  const known = (REASONS as Readonly<Record<string, RevocationReason>>)[reason];
  if (known !== undefined) return known;
  throw fail("invalid", "reason: is none that a certificate is revoked for here");
}

const REASONS = {
  UNSPECIFIED: "unspecified",
  KEY_COMPROMISE: "key-compromise",
  AFFILIATION_CHANGED: "affiliation-changed",
  SUPERSEDED: "superseded",
  CESSATION_OF_OPERATION: "cessation-of-operation",
  PRIVILEGE_WITHDRAWN: "privilege-withdrawn",
} as const satisfies Partial<Record<keyof typeof Reason, RevocationReason>>;
const SERIAL = /^[0-9a-f]{1,40}$/;
const AUTHORITY_ID = /^[0-9a-f]{40}$/;
