import { factLines, isoTime, timeText } from "../facts.ts";
import type { AuthorityState__Output } from "../../rpc/gen/spire/api/server/localauthority/v1/AuthorityState.ts";
import type { OptionSpec } from "../grammar.ts";

export type AuthorityWord = "x509" | "jwt";

/** The API spells the two kinds in its methods' names. */
export const API_NAMES: Readonly<Record<AuthorityWord, string>> = { x509: "X509", jwt: "JWT" };
export const AUTHORITY_SERVICE = "spire.api.server.localauthority.v1.LocalAuthority";

/** An example of an authority's ID, for `--help`. */
export const EXAMPLE_IDS: Readonly<Record<AuthorityWord, string>> = {
  x509: "a29f6ebb9e8a4a9a2ee1bd4b2a1d2f0e5c7d9b13",
  jwt: "yqFmAbcoRvSGVzmJkQZ9xrBFQeXkKRWt",
};

export const AUTHORITY_ID_OPTION: OptionSpec = {
  name: "id",
  value: "ID",
  help: "the authority's ID, as 'authority x509 show' or 'authority jwt show' prints it",
  required: true,
};

/** An authority as `--output json` prints it. */
export interface AuthorityJson {
  readonly id: string;
  readonly expiresAt: string;
}

/** What both of the server's messages about authorities have. */
type ShownAuthority = Pick<AuthorityState__Output, "authority_id" | "expires_at">;

export function authorityJson(state: AuthorityState__Output | null): AuthorityJson | undefined {
  if (state === null) return undefined;
  return { id: state.authority_id, expiresAt: isoTime(Number(state.expires_at)) };
}

export function authorityLines(
  states: readonly (readonly [name: string, state: ShownAuthority | null])[],
  nowMs: number,
): string[] {
  return factLines(
    states.map(([name, state]) => [
      name,
      state === null
        ? undefined
        : `${state.authority_id}  ends ${timeText(Number(state.expires_at), nowMs)}`,
    ]),
  );
}
