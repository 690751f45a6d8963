import { fail } from "../../../base/errors.ts";
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
  const fields = new URLSearchParams(query);
  if (body.length > 0) {
    const [type = ""] = (headers["content-type"] ?? FORM).split(";", 1);
    if (type.trim().toLowerCase() !== FORM) {
      throw fail("invalid", `the body is not a form (${FORM})`);
    }
    for (const [name, value] of new URLSearchParams(Buffer.from(body).toString("utf8"))) {
      fields.append(name, value);
    }
  }
  const one = (name: string): string | undefined => {
    const values = fields.getAll(name);
    if (values.length > 1) throw fail("invalid", `${name} is there more than once`);
    return values[0];
  };
  const token = one("token") ?? "";
  if (token === "") throw fail("invalid", "token is missing; send one of 32 random bytes");
  const commonName = one("cn");
  if (commonName === undefined)
    throw fail("invalid", "cn is missing; it names who gets the certificate");
  if (commonName === "") return { kind: "withdraw", token };
  const spiffeId = one("spiffeId");
  const entryId = one("entry");
  return {
    kind: "authorize",
    request: {
      commonName,
      token,
      names: fields.getAll("san"),
      lifeSeconds: seconds("lifeInSeconds", one("lifeInSeconds")),
      tokenLifeSeconds: seconds("expiresInSeconds", one("expiresInSeconds")),
      ...(spiffeId === undefined ? {} : { spiffeId }),
      ...(entryId === undefined ? {} : { entryId }),
    },
  };
}

function seconds(name: string, text: string | undefined): number {
  if (text === undefined) return 0;
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw fail("invalid", `${name} is no whole number of seconds above 0`);
}

const FORM = "application/x-www-form-urlencoded";
