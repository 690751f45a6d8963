import type { AuthorityHandlers } from "../../rpc/gen/assay/authority/v1/Authority.ts";
import type { Implementation } from "../../rpc/service.ts";
import { fail } from "../../base/errors.ts";
import type { AuthorityKind, AuthorityRecord, AuthorityStatus } from "../datastore/contract.ts";
import type { LocalAuthorities } from "./local-authority.ts";

export interface AuthorityListApiDeps {
  readonly authorities: Pick<LocalAuthorities, "records" | "upstreamOf"> & OfflineAuthorities;
}

/** Authorities below an offline root. */
export interface OfflineAuthorities {
  /** @throws precondition without an offline root; limited */
  requestX509(anew: boolean): Promise<{ readonly id: string; readonly csr: Uint8Array }>;
  /** @throws precondition when it is not for the open request, or cannot be used; invalid */
  importX509(certificates: readonly Uint8Array[]): Promise<AuthorityRecord>;
}

/** `assay.authority.v1.Authority`: every authority of the journal, which bounds their number. */
export function authorityListApi({
  authorities,
}: AuthorityListApiDeps): Implementation<AuthorityHandlers> {
  const item = (record: AuthorityRecord) => ({
    authority_id: record.id,
    slot: SLOTS[record.status],
    tainted: record.tainted,
    created_at: record.createdAt,
    expires_at: record.notAfter,
    upstream_authority_subject_key_id: authorities.upstreamOf(record) ?? "",
  });
  return {
    async ListAuthorities({ kind: wanted }) {
      const kind = KINDS[wanted];
      if (kind === undefined) throw fail("invalid", "kind: name one, X509 or JWT");
      return { authorities: authorities.records(kind).map(item) };
    },

    async RequestX509Authority({ renew }) {
      const { id, csr } = await authorities.requestX509(renew);
      return { authority_id: id, csr: Buffer.from(csr) };
    },

    async ImportX509Authority({ certificates }) {
      if (certificates.length === 0) throw fail("invalid", "certificates: there are none");
      if (certificates.length > MAX_CERTIFICATES) {
        throw fail("invalid", `certificates: there are more than ${MAX_CERTIFICATES}`);
      }
      return { authority: item(await authorities.importX509(certificates)) };
    },
  };
}

const MAX_CERTIFICATES = 16;
const KINDS: Readonly<Record<string, AuthorityKind>> = { X509: "x509", JWT: "jwt" };
const SLOTS = {
  requested: "REQUESTED",
  prepared: "PREPARED",
  active: "ACTIVE",
  old: "OLD",
} as const satisfies Record<AuthorityStatus, string>;
