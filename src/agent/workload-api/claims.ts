import type { Struct } from "../../rpc/gen/google/protobuf/Struct.ts";
import type { Value } from "../../rpc/gen/google/protobuf/Value.ts";

/** A JSON object as google.protobuf.Struct. Numbers become doubles, as that type has no others. */
export function structOf(object: Readonly<Record<string, unknown>>): Struct {
  return {
    fields: Object.fromEntries(
      Object.entries(object).map(([name, value]) => [name, valueOf(value)]),
    ),
  };
}

/**
 * What a validator learns of a token: of a foreign one only what the standard names, unless the operator allows more;
 * `aud` is always a list.
 */
export function visibleClaims(
  claims: Readonly<Record<string, unknown>>,
  isForeign: boolean,
  allowedForeign: readonly string[],
): Record<string, unknown> {
  const visible = Object.entries(claims).filter(
    ([name]) => !isForeign || STANDARD.includes(name) || allowedForeign.includes(name),
  );
  return Object.fromEntries(
    visible.map(([name, value]) => [
      name,
      name === "aud" && !Array.isArray(value) ? [value] : value,
    ]),
  );
}

function valueOf(value: unknown): Value {
  if (value === null || value === undefined) return { nullValue: "NULL_VALUE" };
  if (typeof value === "boolean") return { boolValue: value };
  if (typeof value === "number") return { numberValue: value };
  if (typeof value === "string") return { stringValue: value };
  if (Array.isArray(value)) return { listValue: { values: value.map(valueOf) } };
  return { structValue: structOf(value as Record<string, unknown>) };
}

const STANDARD: readonly string[] = ["sub", "exp", "aud"];
