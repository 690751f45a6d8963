import type { AuthorityHandlers } from "../../rpc/gen/assay/authority/v1/Authority.ts";
import type { Implementation } from "../../rpc/service.ts";
import { fail } from "../../base/errors.ts";
import type { AuthorityKind, AuthorityStatus } from "../datastore/contract.ts";
import type { LocalAuthorities } from "./local-authority.ts";

export interface AuthorityListApiDeps {
  readonly authorities: Pick<LocalAuthorities, "records">;
}

/** `assay.authority.v1.Authority`: every authority of the journal, which bounds their number. */
export function authorityListApi({
  authorities,
}: AuthorityListApiDeps): Implementation<AuthorityHandlers> {
  return {
    async ListAuthorities({ kind: wanted }) {
      const kind = KINDS[wanted];
      if (kind === undefined) throw fail("invalid", "kind: name one, X509 or JWT");
      return {
        authorities: authorities.records(kind).map((record) => ({
          authority_id: record.id,
          slot: SLOTS[record.status],
          tainted: record.tainted,
          created_at: record.createdAt,
          expires_at: record.notAfter,
        })),
      };
    },
  };
}

const KINDS: Readonly<Record<string, AuthorityKind>> = { X509: "x509", JWT: "jwt" };
const SLOTS = { prepared: "PREPARED", active: "ACTIVE", old: "OLD" } as const satisfies Record<
  AuthorityStatus,
  string
>;
