import { toHex } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import type { AuthorityHandlers } from "../../rpc/gen/assay/authority/v1/Authority.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { AuthorityKind, AuthorityRecord, AuthorityStatus } from "../datastore/contract.ts";
import { textField } from "./fields.ts";
import type { LocalAuthorities } from "./local-authority.ts";

export interface AuthorityListApiDeps {
  readonly trustDomain: Pick<TrustDomain, "name">;
  /** The trust domain's own by "" and `trust-domain`. */
  readonly sets: { get(name: string): SetAuthorities };
}

export type SetAuthorities = Pick<
  LocalAuthorities,
  "records" | "upstreamOf" | "prepare" | "activate" | "taint" | "revoke"
> &
  OfflineAuthorities & {
    /** Key ids, hex, of the roots that its other chains lead to. */
    alternateRootsOf(record: AuthorityRecord): string[];
    /** DER. */
    x509Roots(): readonly Uint8Array[];
  };

/** Authorities below an offline root. */
export interface OfflineAuthorities {
  /** @throws precondition without an offline root; limited */
  requestX509(anew: boolean): Promise<{ readonly id: string; readonly csr: Uint8Array }>;
  /** @throws precondition when it is not for the open request, or cannot be used; invalid */
  importX509(certificates: readonly Uint8Array[]): Promise<AuthorityRecord>;
  /** @returns those that had a chain to the root. @throws not_found */
  removeX509Chain(rootId: string): Promise<readonly AuthorityRecord[]>;
}

/** `assay.authority.v1.Authority`: every authority of a set's journal, which bounds their number, and the steps with one. */
export function authorityListApi({
  trustDomain,
  sets,
}: AuthorityListApiDeps): Implementation<AuthorityHandlers> {
  const setOf = (name: string): SetAuthorities => sets.get(textField("set", name, MAX_NAME));
  const item = (record: AuthorityRecord, set: SetAuthorities) => ({
    authority_id: record.id,
    slot: SLOTS[record.status],
    tainted: record.tainted,
    created_at: record.createdAt,
    expires_at: record.notAfter,
    upstream_authority_subject_key_id: set.upstreamOf(record) ?? "",
    alternate_root_subject_key_ids: set.alternateRootsOf(record),
    alternate_expires_at: (record.alternates ?? []).map(({ notAfter }) => notAfter),
  });
  const step = async (name: "activate" | "taint" | "revoke", set: string, id: string) => {
    if (id === "") throw fail("invalid", "authority_id: is missing");
    const authorities = setOf(set);
    const record = await authorities[name]("x509", textField("authority_id", id, MAX_NAME));
    return { authority: item(record, authorities) };
  };
  return {
    async ListAuthorities({ kind: wanted, set: name }) {
      const kind = KINDS[wanted];
      if (kind === undefined) throw fail("invalid", "kind: name one, X509 or JWT");
      const set = setOf(name);
      return { authorities: set.records(kind).map((record) => item(record, set)) };
    },

    async RequestX509Authority({ renew, set }) {
      const { id, csr } = await setOf(set).requestX509(renew);
      return { authority_id: id, csr: Buffer.from(csr) };
    },

    async ImportX509Authority({ certificates, set: name }) {
      if (certificates.length === 0) throw fail("invalid", "certificates: there are none");
      if (certificates.length > MAX_CERTIFICATES) {
        throw fail("invalid", `certificates: there are more than ${MAX_CERTIFICATES}`);
      }
      const set = setOf(name);
      return { authority: item(await set.importX509(certificates), set) };
    },

    async RemoveX509Chain({ set: name, root_subject_key_id: root }) {
      if (root === "") throw fail("invalid", "root_subject_key_id: is missing");
      const set = setOf(name);
      const changed = await set.removeX509Chain(textField("root_subject_key_id", root, MAX_NAME));
      return { authorities: changed.map((record) => item(record, set)) };
    },

    async PrepareX509Authority({ set: name }) {
      const set = setOf(name);
      return { authority: item(await set.prepare("x509"), set) };
    },
    ActivateX509Authority: ({ set, authority_id: id }) => step("activate", set, id),
    TaintX509Authority: ({ set, authority_id: id }) => step("taint", set, id),
    RevokeX509Authority: ({ set, authority_id: id }) => step("revoke", set, id),

    async GetX509Roots({ set: name }) {
      const roots = new Map(
        setOf(name)
          .x509Roots()
          .map((der) => [toHex(der), der]),
      );
      return {
        trust_domain: trustDomain.name,
        roots: [...roots.values()].map((der) => Buffer.from(der)),
      };
    },
  };
}

const MAX_CERTIFICATES = 16;
const MAX_NAME = 255;
const KINDS: Readonly<Record<string, AuthorityKind>> = { X509: "x509", JWT: "jwt" };
const SLOTS = {
  requested: "REQUESTED",
  prepared: "PREPARED",
  active: "ACTIVE",
  old: "OLD",
} as const satisfies Record<AuthorityStatus, string>;
