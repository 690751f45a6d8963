import protos from "../gen/protos.json" with { type: "json" };
import {
  type ProtoNode,
  type ProtoSymbol,
  encodeDescriptorFile,
  isEnum,
  isMessage,
  isService,
} from "./descriptor-file.ts";

/** A file of descriptors that reflection hands out. */
export interface ProtoFile {
  readonly name: string;
  readonly dependencies: readonly string[];
  /** An encoded google.protobuf.FileDescriptorProto. */
  readonly bytes: Uint8Array;
}

/** The files that declare `services` and everything that these use; TypeError for an unknown service. */
export class ProtoFiles {
  readonly #symbols = new Map<string, ProtoSymbol>();
  readonly #files = new Map<string, ProtoFile>();
  readonly #fileOfSymbol = new Map<string, string>();

  constructor(services: readonly string[]) {
    this.#collect(protos, "");
    for (const service of services) {
      const symbol = this.#symbols.get(service);
      if (symbol === undefined || !isService(symbol.node)) {
        throw new TypeError(`no service named ${service} in proto/`);
      }
      this.#add(symbol.packageName);
    }
  }

  byName(name: string): ProtoFile | undefined {
    return this.#files.get(name);
  }

  /** The file of a message, enum, service or method. */
  bySymbol(name: string): ProtoFile | undefined {
    const own = this.#fileOfSymbol.get(name);
    if (own !== undefined) return this.#files.get(own);
    const dot = name.lastIndexOf(".");
    const outer = this.#symbols.get(name.slice(0, Math.max(dot, 0)));
    if (outer?.node.methods?.[name.slice(dot + 1)] === undefined) return undefined;
    return this.bySymbol(outer.name);
  }

  /** `file` and all that it needs, each once, itself first. */
  withDependencies(file: ProtoFile): readonly ProtoFile[] {
    const found = new Set<ProtoFile>([file]);
    for (const one of found) {
      for (const name of one.dependencies) {
        const next = this.#files.get(name);
        if (next !== undefined) found.add(next);
      }
    }
    return [...found];
  }

  #collect(node: ProtoNode, packageName: string, outer = ""): void {
    for (const [key, child] of Object.entries(node.nested ?? {})) {
      const scope = outer === "" ? packageName : outer;
      const name = scope === "" ? key : `${scope}.${key}`;
      if (isMessage(child) || isEnum(child) || isService(child)) {
        const node = packageName === GOOGLE ? asDeclared(child) : child;
        this.#symbols.set(name, { name, packageName, node });
        this.#collect(child, packageName, name);
      } else {
        this.#collect(child, name);
      }
    }
  }

  #add(packageName: string): void {
    const name = fileName(packageName);
    if (this.#files.has(name)) return;
    const members = [...this.#symbols.values()].filter(
      (symbol) => symbol.packageName === packageName && isServed(symbol),
    );
    const used = new Set<string>();
    const bytes = encodeDescriptorFile({
      fileName: name,
      packageName,
      dependencies: [],
      symbols: members.filter((symbol) => isTopLevel(symbol)),
      resolve: (type, scope) => {
        const symbol = this.#resolve(type, scope);
        if (symbol !== undefined) used.add(symbol.packageName);
        return symbol;
      },
    });
    used.delete(packageName);
    const dependencies = [...used].map(fileName);
    this.#files.set(name, { name, dependencies, bytes: withImports(bytes, dependencies) });
    for (const symbol of members) this.#fileOfSymbol.set(symbol.name, name);
    for (const other of used) this.#add(other);
  }

  /** Protobuf looks a name up in the innermost scope first, then outwards. */
  #resolve(type: string, scope: string): ProtoSymbol | undefined {
    const name = type.startsWith(".") ? type.slice(1) : type;
    for (let at = scope; at !== ""; at = at.slice(0, Math.max(at.lastIndexOf("."), 0))) {
      const found = this.#symbols.get(`${at}.${name}`);
      if (found !== undefined) return found;
    }
    return this.#symbols.get(name);
  }
}

function isTopLevel({ name, packageName }: ProtoSymbol): boolean {
  return !name.slice(packageName === "" ? 0 : packageName.length + 1).includes(".");
}

/** Of Google's own types only those of struct.proto are used by what the socket serves. */
function isServed({ name, packageName }: ProtoSymbol): boolean {
  return packageName !== GOOGLE || STRUCT_TYPES.has(lastPart(name));
}

/** `grpc.health.v1` -> `grpc/health/v1/health.proto`; the Workload API has no package. */
function fileName(packageName: string): string {
  if (packageName === "") return "workload.proto";
  if (packageName === GOOGLE) return "google/protobuf/struct.proto";
  const parts = packageName.split(".");
  const last = parts.findLast((part) => !/^v[0-9]/.test(part)) ?? "file";
  return `${parts.join("/")}/${last}.proto`;
}

/** Fields of protobuf may follow in any order: imports are known when everything else is written. */
function withImports(bytes: Uint8Array, imports: readonly string[]): Uint8Array {
  const fields = imports.map((name) =>
    Buffer.concat([Buffer.of(0x1a, name.length), Buffer.from(name)]),
  );
  return Buffer.concat([bytes, ...fields]);
}

/** Google's types come with names in camel case; their proto files have underscores. */
function asDeclared(node: ProtoNode): ProtoNode {
  const declared = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
  const fields = Object.entries(node.fields ?? {}).map(([name, field]) => [declared(name), field]);
  const oneofs = Object.entries(node.oneofs ?? {}).map(([name, { oneof }]) => [
    name,
    { oneof: oneof.map(declared) },
  ]);
  return {
    ...node,
    ...(node.fields && { fields: Object.fromEntries(fields) }),
    ...(node.oneofs && { oneofs: Object.fromEntries(oneofs) }),
  };
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

const GOOGLE = "google.protobuf";
const STRUCT_TYPES: ReadonlySet<string> = new Set(["Struct", "Value", "NullValue", "ListValue"]);
