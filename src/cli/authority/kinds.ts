import { fail, isKind } from "../../base/errors.ts";
import { factLines, isoTime, timeText } from "../text/facts.ts";
import type { AuthorityState__Output } from "../../rpc/gen/spire/api/server/localauthority/v1/AuthorityState.ts";
import type { OptionSpec } from "../program/grammar.ts";

export type AuthorityWord = "x509" | "jwt" | "wit";

/** The API spells the kinds in its methods' names. */
export const API_NAMES: Readonly<Record<AuthorityWord, string>> = {
  x509: "X509",
  jwt: "JWT",
  wit: "WIT",
};
export const AUTHORITY_SERVICE = "spire.api.server.localauthority.v1.LocalAuthority";

/** An example of an authority's ID, for `--help`. */
export const EXAMPLE_IDS: Readonly<Record<AuthorityWord, string>> = {
  x509: "a29f6ebb9e8a4a9a2ee1bd4b2a1d2f0e5c7d9b13",
  jwt: "yqFmAbcoRvSGVzmJkQZ9xrBFQeXkKRWt",
  wit: "mC2vTn0qLxWb8dYeRk5sUhPzJf7aGo1i",
};

export const AUTHORITY_ID_OPTION: OptionSpec = {
  name: "id",
  value: "ID",
  help: "the authority's ID, as 'authority x509 show', 'jwt show' or 'wit show' prints it",
  required: true,
};

/** A server without WIT-SVIDs, which are an experiment, knows of none of their methods. @throws what `call` does */
export async function ofKind<T>(kind: AuthorityWord, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (thrown) {
    if (kind !== "wit" || !isKind(thrown, "unsupported")) throw thrown;
    const message =
      "the server offers no WIT-SVIDs; start it with '--experimental wit-svid', or 'experimental: [wit-svid]' in its file";
    throw fail("unsupported", message, { cause: thrown });
  }
}

/** An authority as `--output json` prints it. */
export interface AuthorityJson {
  readonly id: string;
  readonly expiresAt: string;
  /** Of the root above it, where others signed it. */
  readonly upstreamAuthorityId?: string;
}

/** What both of the server's messages about authorities have. */
type ShownAuthority = Pick<
  AuthorityState__Output,
  "authority_id" | "expires_at" | "upstream_authority_subject_key_id"
> & {
  readonly alternate_root_subject_key_ids?: readonly string[];
  /** Of the same chains; none from a server of before. */
  readonly alternate_expires_at?: readonly string[];
};

export function authorityJson(state: ShownAuthority | null): AuthorityJson | undefined {
  if (state === null) return undefined;
  const { upstream_authority_subject_key_id: upstream } = state;
  return {
    id: state.authority_id,
    expiresAt: isoTime(Number(state.expires_at)),
    ...(upstream === "" ? {} : { upstreamAuthorityId: upstream }),
  };
}

export function authorityLines(
  states: readonly (readonly [name: string, state: ShownAuthority | null])[],
  nowMs: number,
): string[] {
  return factLines(
    states.map(([name, state]) => [name, state === null ? undefined : lineOf(state, nowMs)]),
  );
}

function lineOf(state: ShownAuthority, nowMs: number): string {
  const { authority_id: id, upstream_authority_subject_key_id: upstream } = state;
  const end = Number(state.expires_at);
  // A requested one has no certificate yet.
  const until = end === 0 ? "its certificate is awaited" : `ends ${timeText(end, nowMs)}`;
  const { alternate_root_subject_key_ids: roots = [], alternate_expires_at: ends = [] } = state;
  const others = roots.map((root, at) => {
    const last = Number(ends[at] ?? 0);
    return `  also below ${root}${last === 0 ? "" : ` until ${isoTime(last)}`}`;
  });
  return `${id}  ${until}${upstream === "" ? "" : `  below ${upstream}`}${others.join("")}`;
}
