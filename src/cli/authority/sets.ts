import { fail } from "../../base/errors.ts";
import type { ListAuthoritiesResponse__Output } from "../../rpc/gen/assay/authority/v1/ListAuthoritiesResponse.ts";
import type { AuthorityState__Output } from "../../rpc/gen/spire/api/server/localauthority/v1/AuthorityState.ts";
import type { Options } from "../program/options.ts";
import type { OptionSpec } from "../program/grammar.ts";
import type { RpcClient } from "../connection/rpc-clients.ts";
import { API_NAMES, AUTHORITY_SERVICE, type AuthorityWord, ofKind } from "./kinds.ts";
import { TRUST_DOMAIN_SET } from "../../config/own-sets.ts";

export const SETS_SERVICE = "assay.authority.v1.Authority";

/** Of commands about X.509 authorities. */
export const SET_OPTION: OptionSpec = {
  name: "set",
  value: "NAME",
  help: "an authority set of the server's file (authoritySets)",
  fallback: "the trust domain's own",
};

/** JWT authorities are the trust domain's alone. */
export function setOptions(kind: AuthorityWord): readonly OptionSpec[] {
  return kind === "x509" ? [SET_OPTION] : [];
}

/** Empty = the trust domain's own. */
export function setOf(kind: AuthorityWord, options: Options): string {
  const name = kind === "x509" ? (options.text(SET_OPTION.name) ?? "") : "";
  return name === TRUST_DOMAIN_SET ? "" : name;
}

export type AuthorityItem = ListAuthoritiesResponse__Output["authorities"][number];

/** What both of the server's messages about one authority have. */
export type SteppedAuthority = Pick<
  AuthorityState__Output,
  "authority_id" | "expires_at" | "upstream_authority_subject_key_id"
>;

/** The words of a step in the two APIs. */
export interface StepWords {
  /** `Activate`. */
  readonly method: string;
  /** `activated`. */
  readonly done: string;
}

/** A step with the trust domain's own authorities by SPIRE's API, with a set's by the own one. @throws what the server says */
export async function callStep(
  server: RpcClient,
  kind: AuthorityWord,
  { method, done }: StepWords,
  { set, id }: { readonly set: string; readonly id?: string },
): Promise<SteppedAuthority> {
  const named = id === undefined ? {} : { authority_id: id };
  const name = `${method}${API_NAMES[kind]}Authority`;
  const answer = await ofKind(
    kind,
    server.call<Record<string, SteppedAuthority | null>>(
      set === "" ? AUTHORITY_SERVICE : SETS_SERVICE,
      name,
      set === "" ? named : { ...named, set },
    ),
  );
  const authority = answer[set === "" ? `${done}_authority` : "authority"];
  if (authority) return authority;
  throw fail("internal", "the server did not say which authority it was");
}
