import { isObject } from "../../base/is-object.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { VerifiedToken } from "./issuer.ts";

/**
 * A token's claims as selectors `<type>:<issuer alias>:<claim>:<value>`.
 *
 * Texts, whole numbers and booleans count; a list yields one selector for each of its members; a member of an object
 * is named by its path, `kubernetes.io/pod/name`. In names, `%`, `:` and `/` are percent-encoded, so that no claim
 * can be spelled as another one. Claims that are new in each token (exp, iat, nbf, jti, nonce) and `iss`, which the
 * alias stands for, are left out, as are values with control characters or longer than 1024 characters. After 256
 * selectors the rest is left out.
 */
export function claimSelectors(
  type: string,
  { alias, claims }: Pick<VerifiedToken, "alias" | "claims">,
): Selector[] {
  const selectors: Selector[] = [];
  for (const [path, value] of claimValues(claims, "", MAX_DEPTH)) {
    if (selectors.length >= MAX_SELECTORS) break;
    if (path.length > MAX_LENGTH || value.length > MAX_LENGTH) continue;
    if (value === "" || CONTROL.test(value) || CONTROL.test(path)) continue;
    selectors.push({ type, value: `${alias}:${path}:${value}` });
  }
  return selectors;
}

function* claimValues(
  object: Readonly<Record<string, unknown>>,
  prefix: string,
  depth: number,
): Generator<readonly [path: string, value: string]> {
  for (const [name, value] of Object.entries(object)) {
    if (name === "" || (prefix === "" && PASSING.has(name))) continue;
    const path = `${prefix}${escapeName(name)}`;
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    for (const each of values) {
      if (isObject(each)) {
        // Members of one object in a list cannot be told from another's: only a single object has paths.
        if (depth > 0 && !Array.isArray(value)) {
          yield* claimValues(each, `${path}/`, depth - 1);
        }
        continue;
      }
      const text = textOf(each);
      if (text !== undefined) yield [path, text];
    }
  }
}

/**
 * The value of the one claim with this name (written as in selectors), as text; undefined when there is none, it is
 * empty or a list, or not a text, whole number or boolean.
 */
export function claimText(
  claims: Readonly<Record<string, unknown>>,
  name: string,
): string | undefined {
  let value: unknown = claims;
  for (const part of name.split("/")) {
    if (!isObject(value)) return undefined;
    const member = Object.keys(value).find((key) => escapeName(key) === part);
    value = member === undefined ? undefined : value[member];
  }
  const text = textOf(value);
  return text === "" ? undefined : text;
}

function textOf(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  if (typeof value === "boolean" || Number.isSafeInteger(value)) return String(value);
  return undefined;
}

function escapeName(name: string): string {
  return name.replaceAll(/[%:/]/g, (char) => encodeURIComponent(char));
}

const PASSING: ReadonlySet<string> = new Set(["exp", "iat", "nbf", "jti", "nonce", "iss"]);
const CONTROL = /\p{Cc}/u;
const MAX_SELECTORS = 256;
const MAX_LENGTH = 1024;
const MAX_DEPTH = 4;
