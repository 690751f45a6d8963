/** Turns the project's protos into FileDescriptorProto bytes (google/protobuf/descriptor.proto) for reflection. */

/** A namespace, message, enum or service as `gen/protos.json` has it. */
export interface ProtoNode {
  readonly nested?: Readonly<Record<string, ProtoNode>>;
  readonly fields?: Readonly<Record<string, ProtoField>>;
  readonly oneofs?: Readonly<Record<string, { readonly oneof: readonly string[] }>>;
  readonly values?: Readonly<Record<string, number>>;
  readonly methods?: Readonly<Record<string, ProtoMethod>>;
}

interface ProtoField {
  readonly type: string;
  readonly id: number;
  readonly rule?: string;
  readonly keyType?: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

interface ProtoMethod {
  readonly requestType: string;
  readonly responseType: string;
  readonly requestStream?: boolean;
  readonly responseStream?: boolean;
}

/** A message, enum or service with its place. */
export interface ProtoSymbol {
  /** Fully qualified, without a leading dot. */
  readonly name: string;
  readonly packageName: string;
  readonly node: ProtoNode;
}

export interface DescriptorFileParams {
  readonly fileName: string;
  readonly packageName: string;
  readonly dependencies: readonly string[];
  /** The file's own top-level symbols. */
  readonly symbols: readonly ProtoSymbol[];
  /** Finds the symbol that `typeName` means within `scope`; undefined for a scalar type. */
  readonly resolve: (typeName: string, scope: string) => ProtoSymbol | undefined;
}

export function encodeDescriptorFile(params: DescriptorFileParams): Uint8Array {
  const { symbols, resolve } = params;
  const own = (accept: (node: ProtoNode) => boolean): readonly ProtoSymbol[] =>
    symbols.filter(({ node }) => accept(node));
  return Buffer.concat([
    text(1, params.fileName),
    ...(params.packageName === "" ? [] : [text(2, params.packageName)]),
    ...params.dependencies.map((name) => text(3, name)),
    ...own(isMessage).map((symbol) => bytes(4, encodeMessage(symbol.node, symbol.name, resolve))),
    ...own(isEnum).map(({ node, name }) => bytes(5, encodeEnum(node, lastPart(name)))),
    ...own(isService).map(({ node, name }) => bytes(6, encodeService(node, name, resolve))),
    text(12, "proto3"),
  ]);
}

export function isMessage(node: ProtoNode): boolean {
  return node.fields !== undefined;
}

export function isEnum(node: ProtoNode): boolean {
  return node.values !== undefined;
}

export function isService(node: ProtoNode): boolean {
  return node.methods !== undefined;
}

type Resolve = DescriptorFileParams["resolve"];

function encodeMessage(node: ProtoNode, name: string, resolve: Resolve): Buffer {
  const fields = Object.entries(node.fields ?? {});
  const nested = Object.entries(node.nested ?? {});
  const oneofs = Object.entries(node.oneofs ?? {});
  const oneofOf = (field: string): number =>
    oneofs.findIndex(([, { oneof }]) => oneof.includes(field));
  return Buffer.concat([
    text(1, lastPart(name)),
    ...fields.map(([field, value]) =>
      bytes(2, encodeField({ field, value, oneof: oneofOf(field), scope: name, resolve })),
    ),
    ...nested
      .filter(([, one]) => isMessage(one))
      .map(([inner, one]) => bytes(3, encodeMessage(one, `${name}.${inner}`, resolve))),
    ...fields
      .filter(([, { keyType }]) => keyType !== undefined)
      .map(([field, value]) => bytes(3, encodeMapEntry(field, value, name, resolve))),
    ...nested
      .filter(([, one]) => isEnum(one))
      .map(([inner, one]) => bytes(4, encodeEnum(one, inner))),
    ...oneofs.map(([oneof]) => bytes(8, text(1, oneof))),
  ]);
}

interface FieldParams {
  readonly field: string;
  readonly value: ProtoField;
  readonly oneof: number;
  readonly scope: string;
  readonly resolve: Resolve;
}

function encodeField({ field, value, oneof, scope, resolve }: FieldParams): Buffer {
  const isMap = value.keyType !== undefined;
  const repeated = isMap || value.rule === "repeated";
  return Buffer.concat([
    text(1, field),
    varint(3, value.id),
    varint(4, repeated ? LABEL_REPEATED : LABEL_OPTIONAL),
    isMap
      ? Buffer.concat([varint(5, TYPE_MESSAGE), text(6, `.${scope}.${entryName(field)}`)])
      : encodeType(value.type, scope, resolve),
    ...(oneof < 0 ? [] : [varint(9, oneof)]),
    ...(value.options?.["proto3_optional"] === true ? [varint(17, 1)] : []),
  ]);
}

/** A map is a repeated message of its own with a key and a value (protobuf language guide, "Maps"). */
function encodeMapEntry(
  field: string,
  { keyType = "string", type }: ProtoField,
  scope: string,
  resolve: Resolve,
): Buffer {
  const part = (name: string, id: number, typeName: string): Buffer =>
    bytes(
      2,
      encodeField({ field: name, value: { type: typeName, id }, oneof: -1, scope, resolve }),
    );
  return Buffer.concat([
    text(1, entryName(field)),
    part("key", 1, keyType),
    part("value", 2, type),
    bytes(7, varint(7, 1)),
  ]);
}

function encodeType(type: string, scope: string, resolve: Resolve): Buffer {
  const scalar = SCALAR_TYPES.indexOf(type);
  if (scalar >= 0) return varint(5, scalar);
  const symbol = resolve(type, scope);
  if (symbol === undefined) throw new TypeError(`no type ${type} in proto/`);
  const number = isEnum(symbol.node) ? TYPE_ENUM : TYPE_MESSAGE;
  return Buffer.concat([varint(5, number), text(6, `.${symbol.name}`)]);
}

function encodeEnum(node: ProtoNode, name: string): Buffer {
  const values = Object.entries(node.values ?? {}).map(([value, number]) =>
    bytes(2, Buffer.concat([text(1, value), varint(2, number)])),
  );
  return Buffer.concat([text(1, name), ...values]);
}

function encodeService(node: ProtoNode, name: string, resolve: Resolve): Buffer {
  const typeName = (type: string): string => `.${resolve(type, name)?.name ?? type}`;
  const methods = Object.entries(node.methods ?? {}).map(([method, value]) =>
    bytes(
      2,
      Buffer.concat([
        text(1, method),
        text(2, typeName(value.requestType)),
        text(3, typeName(value.responseType)),
        ...(value.requestStream === true ? [varint(5, 1)] : []),
        ...(value.responseStream === true ? [varint(6, 1)] : []),
      ]),
    ),
  );
  return Buffer.concat([text(1, lastPart(name)), ...methods]);
}

/** `federated_bundles` -> `FederatedBundlesEntry`, as protoc names it. */
function entryName(field: string): string {
  const words = field.split("_").filter((word) => word !== "");
  return `${words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("")}Entry`;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf(".") + 1);
}

function text(field: number, value: string): Buffer {
  return bytes(field, Buffer.from(value));
}

function bytes(field: number, value: Uint8Array): Buffer {
  return Buffer.concat([number((field << 3) | 2), number(value.length), value]);
}

function varint(field: number, value: number): Buffer {
  return Buffer.concat([number(field << 3), number(value)]);
}

function number(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) out.push((rest % 128) | 128);
  return Buffer.from([...out, rest]);
}

const LABEL_OPTIONAL = 1;
const LABEL_REPEATED = 3;
const TYPE_MESSAGE = 11;
const TYPE_ENUM = 14;
/** FieldDescriptorProto.Type by number. */
const SCALAR_TYPES: readonly string[] = (
  " double float int64 uint64 int32 fixed64 fixed32 bool string - - bytes uint32 - sfixed32 sfixed64 " +
  "sint32 sint64"
).split(" ");
