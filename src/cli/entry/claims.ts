/** Claims of an entry's own in its JWT-SVIDs: SPIRE's messages have no place for them, so they go beside them. */
import { fail, isKind } from "../../base/errors.ts";
import { isObject } from "../../base/is-object.ts";
import type { BatchGetClaimsResponse__Output } from "../../rpc/gen/assay/claims/v1/BatchGetClaimsResponse.ts";
import { type OptionSpec, UsageError } from "../program/grammar.ts";
import type { Options } from "../program/options.ts";
import { CLAIMS_SERVICE, type RpcClient } from "../connection/rpc-clients.ts";

/** By name, with variables in their texts; the names sorted. */
export type EntryClaims = Readonly<Record<string, unknown>>;

export const CLAIM_OPTION: OptionSpec = {
  name: "jwt-claim",
  value: "NAME=TEXT",
  help: "claim of its JWT-SVIDs, with variables such as {{k8s.ns}}; NAME:=JSON for what is no text",
  many: true,
};

/** In a file and in the JSON. */
export const CLAIMS_KEY = "jwtClaims";

/** @returns undefined when none is given @throws UsageError */
export function claimsOption(options: Options): EntryClaims | undefined {
  const given = options.list(CLAIM_OPTION.name);
  if (given.length === 0) return undefined;
  const claims = new Map<string, unknown>();
  for (const text of given) {
    const [name, value] = readClaim(text);
    if (claims.has(name)) throw new UsageError(`--jwt-claim: '${name}' is given twice`);
    claims.set(name, value);
  }
  return sorted(Object.fromEntries(claims));
}

/** From a file. @throws invalid */
export function readClaims(given: unknown): EntryClaims | undefined {
  if (given === undefined) return undefined;
  if (!isObject(given)) throw fail("invalid", "is not a mapping of names to values");
  return Object.keys(given).length === 0 ? undefined : sorted(given);
}

export function claimsMessage(claims: EntryClaims | undefined): object {
  return { json: Object.keys(claims ?? {}).length === 0 ? "" : JSON.stringify(claims) };
}

export function claimsJson(claims: EntryClaims | undefined): Record<string, unknown> {
  return claims === undefined ? {} : { [CLAIMS_KEY]: claims };
}

/** Those of the entries that have some; none where the server knows of no such claims. */
export async function fetchClaims(
  server: RpcClient,
  ids: readonly string[],
): Promise<ReadonlyMap<string, EntryClaims>> {
  const found = new Map<string, EntryClaims>();
  for (let at = 0; at < ids.length; at += PART) {
    try {
      const response = await server.call<BatchGetClaimsResponse__Output>(
        CLAIMS_SERVICE,
        "BatchGetClaims",
        { ids: ids.slice(at, at + PART) },
      );
      for (const { id, claims } of response.claims) {
        found.set(id, sorted(JSON.parse(claims?.json ?? "{}") as EntryClaims));
      }
    } catch (error) {
      if (isKind(error, "unsupported")) return found;
      throw error;
    }
  }
  return found;
}

function readClaim(text: string): readonly [string, unknown] {
  const end = text.indexOf("=");
  const isJson = text[end - 1] === ":";
  const name = text.slice(0, isJson ? end - 1 : end);
  if (end < 0 || name === "") {
    throw new UsageError(`--jwt-claim: '${text}' is not NAME=TEXT or NAME:=JSON`);
  }
  const value = text.slice(end + 1);
  if (!isJson) return [name, value];
  try {
    return [name, JSON.parse(value) as unknown];
  } catch {
    throw new UsageError(`--jwt-claim: what follows '${name}:=' is not json`);
  }
}

/** So that equal claims are equal texts. */
function sorted(claims: EntryClaims): EntryClaims {
  return Object.fromEntries(
    Object.entries(claims)
      .map(([name, value]) => [name, sortedValue(value)] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

function sortedValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedValue);
  return isObject(value) ? sorted(value) : value;
}

const PART = 5000;
