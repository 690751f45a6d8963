/** `gen/protos.json`, the declarations of all proto files, as protobufjs writes them. */
import protos from "./gen/protos.json" with { type: "json" };

/** A package, message, enum or service; which one, its members tell. */
export interface ProtoNode {
  readonly fields?: Readonly<Record<string, ProtoField>>;
  readonly values?: Readonly<Record<string, number>>;
  readonly methods?: Readonly<Record<string, ProtoMethod>>;
  readonly nested?: Readonly<Record<string, ProtoNode>>;
}

export interface ProtoField {
  readonly id: number;
  /** A scalar's name, or a type's as it stands in the file. */
  readonly type: string;
  readonly rule?: string;
  /** Of a map; `type` is its values' then. */
  readonly keyType?: string;
}

export interface ProtoMethod {
  readonly requestType: string;
  readonly responseType: string;
  readonly requestStream?: boolean;
  readonly responseStream?: boolean;
}

/** The declaration of a fully qualified name. */
export function findNode(fullName: string): ProtoNode | undefined {
  let node: ProtoNode | undefined = protos;
  for (const part of fullName.split(".")) {
    const nested: ProtoNode["nested"] = node?.nested;
    node = nested !== undefined && Object.hasOwn(nested, part) ? nested[part] : undefined;
  }
  return node;
}

/**
 * The full name of a message or enum that `scope` mentions as `type`: looked up from the innermost scope outwards
 * (protobuf language guide, "Packages and Name Resolution").
 */
export function resolveType(type: string, scope: string): string {
  const parts = scope.split(".");
  for (let depth = parts.length; depth >= 0; depth--) {
    const name = [...parts.slice(0, depth), type].join(".");
    const node = findNode(name);
    if (node?.fields !== undefined || node?.values !== undefined) return name;
  }
  throw new TypeError(`no type named ${type} for ${scope} in proto/`);
}
