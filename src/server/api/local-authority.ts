import type { AuthorityKind, AuthorityRecord } from "../datastore/contract.ts";
import type { AuthorityState } from "../../rpc/gen/spire/api/server/localauthority/v1/AuthorityState.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { LocalAuthorityHandlers } from "../../rpc/gen/spire/api/server/localauthority/v1/LocalAuthority.ts";
import { fail, isKind } from "../../base/errors.ts";
import { textField } from "./fields.ts";

/** The domain's own authorities, as far as an operator moves them by hand. */
export interface LocalAuthorities {
  /** By creation. */
  records(kind: AuthorityKind): readonly AuthorityRecord[];
  /** @throws limited */
  prepare(kind: AuthorityKind): Promise<AuthorityRecord>;
  /** @throws not_found; precondition when its state does not allow the step */
  activate(kind: AuthorityKind, id: string): Promise<AuthorityRecord>;
  taint(kind: AuthorityKind, id: string): Promise<AuthorityRecord>;
  revoke(kind: AuthorityKind, id: string): Promise<AuthorityRecord>;
  /** Hex key id of the root above an authority that others signed. */
  upstreamOf(record: AuthorityRecord): string | undefined;
  /** @returns the root's key id. @throws not_found; conflict while authorities below it are in use; precondition */
  taintUpstream(keyId: string): Promise<string>;
  revokeUpstream(keyId: string): Promise<string>;
}

export interface LocalAuthorityApiDeps {
  readonly authorities: LocalAuthorities;
}

/**
 * `spire.api.server.localauthority.v1.LocalAuthority`, but for WIT authorities. As at SPIRE an authority that the step
 * is not for at all is an invalid argument; where SPIRE answers INTERNAL to a step out of order, this answers
 * FAILED_PRECONDITION.
 */
export function localAuthorityApi({
  authorities,
}: LocalAuthorityApiDeps): Implementation<LocalAuthorityHandlers> {
  const step = async (name: Step, kind: AuthorityKind, authorityId: string) => {
    if (authorityId === "") throw fail("invalid", "authority_id: is missing");
    const id = textField("authority_id", authorityId, MAX_ID_LENGTH);
    const before = authorities.records(kind).find((record) => record.id === id);
    try {
      return state(await authorities[name](kind, id));
    } catch (thrown) {
      const misuse =
        isKind(thrown, "not_found") ||
        (isKind(thrown, "precondition") &&
          before !== undefined &&
          NEVER[name].includes(before.status));
      if (!misuse) throw thrown;
      throw fail("invalid", `authority_id: ${thrown.message}`, { cause: thrown });
    }
  };

  const state = (record: AuthorityRecord): AuthorityState =>
    stateMessage(record, authorities.upstreamOf(record));

  /** As at SPIRE, a root that is none here or is in use is an invalid argument. */
  const upstreamStep = async (
    name: "taintUpstream" | "revokeUpstream",
    given: string,
  ): Promise<{ readonly upstream_authority_subject_key_id: string }> => {
    try {
      return { upstream_authority_subject_key_id: await authorities[name](given) };
    } catch (thrown) {
      if (!isKind(thrown, "not_found", "conflict")) throw thrown;
      throw fail("invalid", `subject_key_id: ${thrown.message}`, { cause: thrown });
    }
  };

  return {
    async GetX509AuthorityState() {
      return statesMessage(authorities.records("x509"), state);
    },
    async PrepareX509Authority() {
      return { prepared_authority: state(await authorities.prepare("x509")) };
    },
    async ActivateX509Authority({ authority_id: id }) {
      return { activated_authority: await step("activate", "x509", id) };
    },
    async TaintX509Authority({ authority_id: id }) {
      return { tainted_authority: await step("taint", "x509", id) };
    },
    async RevokeX509Authority({ authority_id: id }) {
      return { revoked_authority: await step("revoke", "x509", id) };
    },
    async TaintX509UpstreamAuthority({ subject_key_id: id }) {
      return upstreamStep("taintUpstream", id);
    },
    async RevokeX509UpstreamAuthority({ subject_key_id: id }) {
      return upstreamStep("revokeUpstream", id);
    },

    async GetJWTAuthorityState() {
      return statesMessage(authorities.records("jwt"), state);
    },
    async PrepareJWTAuthority() {
      return { prepared_authority: state(await authorities.prepare("jwt")) };
    },
    async ActivateJWTAuthority({ authority_id: id }) {
      return { activated_authority: await step("activate", "jwt", id) };
    },
    async TaintJWTAuthority({ authority_id: id }) {
      return { tainted_authority: await step("taint", "jwt", id) };
    },
    async RevokeJWTAuthority({ authority_id: id }) {
      return { revoked_authority: await step("revoke", "jwt", id) };
    },
  };
}

/**
 * One authority for each state, as the message has room for. Of the old ones it is the one that signed last: an
 * authority that was prepared and superseded signed nothing and comes after all that did.
 */
export function statesMessage(
  records: readonly AuthorityRecord[],
  state: (record: AuthorityRecord) => AuthorityState,
) {
  const place = records.findIndex(({ status }) => status === "active");
  const active = records[place];
  if (active === undefined) throw fail("unavailable", "the server has no active authority yet");
  const prepared = records.findLast(({ status }) => status === "prepared");
  const isOld = ({ status }: AuthorityRecord): boolean => status === "old";
  const old = records.slice(0, place).findLast(isOld) ?? records.findLast(isOld);
  return {
    active: state(active),
    ...(prepared && { prepared: state(prepared) }),
    ...(old && { old: state(old) }),
  };
}

function stateMessage(
  { id, notAfter }: AuthorityRecord,
  upstream: string | undefined,
): AuthorityState {
  return {
    authority_id: id,
    expires_at: notAfter,
    ...(upstream === undefined ? {} : { upstream_authority_subject_key_id: upstream }),
  };
}

type Step = "activate" | "taint" | "revoke";

/** The states that are no matter of order: the step is not for such an authority. */
const NEVER: Readonly<Record<Step, readonly AuthorityRecord["status"][]>> = {
  activate: ["active", "requested"],
  taint: ["active", "prepared", "requested"],
  revoke: ["active", "prepared", "requested"],
};
const MAX_ID_LENGTH = 255;
