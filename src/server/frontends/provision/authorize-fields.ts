import { type AssayError, errorFrom, fail } from "../../../base/errors.ts";
import { nearest } from "../../../base/nearest.ts";
import type { HttpCall } from "../../../http/http-call.ts";
import type { GrantRequest } from "./grant-request.ts";

/** A withdrawal is an authorization for nobody: `cn` is there and empty. */
export type AuthorizeFields =
  | { readonly kind: "authorize"; readonly request: GrantRequest & { readonly token: string } }
  | { readonly kind: "withdraw"; readonly token: string };

/** The fields of `POST /v1/authorize`, in the form, in the query or in both. @throws invalid, naming the field */
export function authorizeFields({
  query,
  body,
  headers,
}: Pick<HttpCall, "query" | "body" | "headers">): AuthorizeFields {
  const fields =
    body.length === 0 ? query : new URLSearchParams([...query, ...formOf({ body, headers })]);
  for (const name of fields.keys()) requireKnown(name);
  const one = (name: Field): string | undefined => {
    const values = fields.getAll(name);
    if (values.length > 1) throw fail("invalid", `${name} is there more than once`);
    return values[0];
  };
  const token = one("token") ?? "";
  if (token === "") throw fail("invalid", "token is missing; send one of 32 random bytes");
  const commonName = one("cn");
  if (commonName === undefined)
    throw fail("invalid", "cn: is missing; it names who gets the certificate");
  if (commonName === "") return { kind: "withdraw", token };
  const spiffeId = one("spiffeId");
  const entryId = one("entry");
  return {
    kind: "authorize",
    request: {
      commonName,
      token,
      names: fields.getAll("san"),
      lifeSeconds: seconds("lifeInSeconds", one),
      tokenLifeSeconds: seconds("expiresInSeconds", one),
      ...(spiffeId === undefined ? {} : { spiffeId }),
      ...(entryId === undefined ? {} : { entryId }),
    },
  };
}

function formOf({ body, headers }: Pick<HttpCall, "body" | "headers">): URLSearchParams {
  const [type = ""] = (headers["content-type"] ?? FORM).split(";", 1);
  if (type.trim().toLowerCase() !== FORM) {
    throw fail("invalid", `the body is not a form (${FORM})`);
  }
  return new URLSearchParams(Buffer.from(body).toString("utf8"));
}

/** What an authorization was refused for, by the names that these fields have here. */
export function inFormFields(thrown: unknown): AssayError {
  const error = errorFrom(thrown);
  const [, name = "", rest = ""] = /^([a-z_]+): ([^]+)$/.exec(error.message) ?? [];
  const field = FIELD_OF.get(name);
  return field === undefined ? error : fail(error.kind, `${field}: ${rest}`, { cause: error });
}

/** One that is misspelt would otherwise be passed over, and a certificate be another than was meant. */
function requireKnown(name: string): void {
  if (FIELDS.some((known) => known === name)) return;
  const meant = nearest(name.slice(0, MAX_SHOWN), FIELDS);
  const step = meant === undefined ? `fields are ${FIELDS.join(", ")}` : `did you mean '${meant}'?`;
  throw fail("invalid", `there is no field '${name.slice(0, MAX_SHOWN)}'; ${step}`);
}

function seconds(name: Field, one: (name: Field) => string | undefined): number {
  const text = one(name);
  if (text === undefined) return 0;
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw fail("invalid", `${name} is no whole number of seconds above 0`);
}

const FORM = "application/x-www-form-urlencoded";
const FIELDS = [
  "cn",
  "token",
  "san",
  "lifeInSeconds",
  "expiresInSeconds",
  "spiffeId",
  "entry",
] as const;
type Field = (typeof FIELDS)[number];
/** Those of `assay.provision.v1`, which errors name. */
const FIELD_OF: ReadonlyMap<string, Field> = new Map([
  ["life", "lifeInSeconds"],
  ["ttl", "expiresInSeconds"],
  ["spiffe_id", "spiffeId"],
  ["entry_id", "entry"],
]);
const MAX_SHOWN = 32;
