/** Turns a `google.protobuf.Struct` or `Value` as proto-loader decodes it into plain JSON values. */
export function plainValue(message: unknown): unknown {
  if (typeof message !== "object" || message === null) return undefined;
  const value = message as Record<string, unknown>;
  if ("fields" in value) {
    return Object.fromEntries(
      Object.entries(value["fields"] ?? {}).map(([name, field]) => [name, plainValue(field)]),
    );
  }
  switch (value["kind"]) {
    case "stringValue":
    case "numberValue":
    case "boolValue":
      return value[value["kind"]];
    case "structValue":
      return plainValue(value["structValue"]);
    case "listValue": {
      const list = value["listValue"] as { values?: readonly unknown[] } | null;
      return (list?.values ?? []).map(plainValue);
    }
    default:
      return null;
  }
}
