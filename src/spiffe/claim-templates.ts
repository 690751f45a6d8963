/** Claims that an entry adds to its JWT-SVIDs: JSON values whose texts may have places to fill in. */
import { fail } from "../base/errors.ts";
import { isObject } from "../base/is-object.ts";
import type { JwtClaims } from "../jwt/compact.ts";

type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json };

/**
 * Bounded, and none of the names that a standard gives a meaning to: `{"tenant": "acme", "ns": "{{k8s.ns}}"}`. A place
 * is `{{...}}` anywhere in a text; what it may name is not decided here.
 */
export class ClaimTemplates {
  /** What stands between the braces; none twice. */
  readonly variables: readonly string[];
  readonly #claims: Readonly<Record<string, Json>>;

  private constructor(claims: Readonly<Record<string, Json>>, variables: readonly string[]) {
    this.#claims = claims;
    this.variables = variables;
  }

  /** @param text a JSON object @throws invalid, naming the claim and the rule */
  static parse(text: string): ClaimTemplates {
    if (Buffer.byteLength(text) > MAX_BYTES) {
      throw fail("invalid", `jwt claims are longer than ${MAX_BYTES} bytes`);
    }
    const claims = parseObject(text);
    const names = Object.keys(claims);
    if (names.length > MAX_CLAIMS) throw fail("invalid", `more than ${MAX_CLAIMS} jwt claims`);
    const variables = new Set<string>();
    for (const name of names) {
      checkName(name);
      checkValue(name, claims[name], MAX_DEPTH, variables);
    }
    if (variables.size > MAX_VARIABLES) {
      throw fail("invalid", `jwt claims have more than ${MAX_VARIABLES} variables`);
    }
    return new ClaimTemplates(claims as Readonly<Record<string, Json>>, [...variables]);
  }

  /**
   * @param valueOf what a variable stands for
   * @throws denied when one stands for nothing, or what comes out is too long
   */
  fill(valueOf: (variable: string) => string | undefined): JwtClaims {
    const values = new Map<string, string>();
    for (const variable of this.variables) {
      const value = valueOf(variable);
      if (value === undefined) {
        throw fail("denied", `there is no value for {{${variable}}} in the entry's jwt claims`);
      }
      values.set(variable, value);
    }
    const filled = fillValue(this.#claims, values) as JwtClaims;
    if (Buffer.byteLength(JSON.stringify(filled)) > MAX_FILLED_BYTES) {
      throw fail("denied", `the entry's jwt claims come to more than ${MAX_FILLED_BYTES} bytes`);
    }
    return filled;
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw fail("invalid", "jwt claims are not json");
  }
  if (isObject(value)) {
    return value;
  }
  throw fail("invalid", "jwt claims are not a json object");
}

function checkName(name: string): void {
  if (RESERVED.has(name)) {
    throw fail("invalid", `jwt claim '${name}' has a meaning of its own and cannot be set`);
  }
  if (!NAME.test(name)) {
    throw fail(
      "invalid",
      `jwt claim '${name.slice(0, MAX_SHOWN)}' has no name of 1 to 128 visible characters without braces and quotes`,
    );
  }
}

function checkValue(name: string, value: unknown, depth: number, variables: Set<string>): void {
  if (typeof value === "string") return checkText(name, value, variables);
  if (typeof value === "boolean") return;
  // Other readers know no fractions or numbers beyond 2^53 in a token.
  if (typeof value === "number" && Number.isSafeInteger(value)) return;
  if (typeof value === "object" && value !== null && depth > 0) {
    for (const [key, inner] of Object.entries(value)) {
      if (!Array.isArray(value) && !NAME.test(key)) {
        throw fail("invalid", `jwt claim '${name}' has a member with a bad name`);
      }
      checkValue(name, inner, depth - 1, variables);
    }
    return;
  }
  throw fail(
    "invalid",
    `jwt claim '${name}' is no text, whole number, true or false, nor a list or object of them at most ${MAX_DEPTH} deep`,
  );
}

function checkText(name: string, text: string, variables: Set<string>): void {
  if (!text.isWellFormed()) throw fail("invalid", `jwt claim '${name}' is not valid unicode`);
  const rest = text.replace(VARIABLE, (_, variable: string) => {
    variables.add(variable);
    return "";
  });
  if (/\{\{|\}\}/.test(rest)) {
    throw fail(
      "invalid",
      `jwt claim '${name}' has braces that are no variable; write {{type.name}}`,
    );
  }
}

function fillValue(value: Json, values: ReadonlyMap<string, string>): Json {
  if (typeof value === "string") {
    return value.replace(VARIABLE, (_, variable: string) => values.get(variable) ?? "");
  }
  if (Array.isArray(value)) return value.map((inner: Json) => fillValue(inner, values));
  if (typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, fillValue(inner, values)]),
  );
}

/** RFC 7519 §4.1, RFC 7800 §3.1; and a name that objects have a meaning for. */
const RESERVED: ReadonlySet<string> = new Set([
  "iss",
  "sub",
  "aud",
  "exp",
  "nbf",
  "iat",
  "jti",
  "cnf",
  "__proto__",
]);
const NAME = /^(?!__proto__$)[!#-z|~]{1,128}$/;
const VARIABLE = /\{\{([A-Za-z0-9][A-Za-z0-9._:/-]{0,400})\}\}/g;
const MAX_CLAIMS = 32;
const MAX_VARIABLES = 32;
const MAX_DEPTH = 4;
const MAX_BYTES = 4096;
/** A token travels in HTTP headers, which end at 8 to 16 KiB in most servers. */
const MAX_FILLED_BYTES = 6144;
const MAX_SHOWN = 80;
