import { type MessageTypeDefinition, type ServiceDefinition, fromJSON } from "@grpc/proto-loader";
import { fail } from "../base/errors.ts";
import protos from "./gen/protos.json" with { type: "json" };

/** A message as plain fields, as the types in `gen/` describe it. */
export type Message = object;

/** Encoder and decoder of one message type. */
export interface MessageType {
  /** Throws TypeError when `message` does not have the type's shape. */
  encode(message: Message): Uint8Array;
  /** Throws `invalid` on malformed bytes; absent fields come out as their defaults, messages as `null`. */
  decode(bytes: Uint8Array): Message;
}

/** One method of a service; messages are encoded and decoded by `request` and `response`. */
export interface RpcMethod {
  readonly name: string;
  /** `/package.Service/Method`, as it stands in `:path`. */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: MessageType;
  readonly response: MessageType;
}

/** The methods of a service by name, such as `serviceDefinition("grpc.health.v1.Health")["Check"]`. */
export type RpcService = Readonly<Record<string, RpcMethod>>;

/** Throws TypeError when no proto file declares the service. */
export function serviceDefinition(fullName: string): RpcService {
  let service = services.get(fullName);
  if (service === undefined) {
    service = fromDefinition(load()[fullName] as ServiceDefinition | undefined, fullName);
    services.set(fullName, service);
  }
  return service;
}

/** Top-level messages only. Throws TypeError when no proto file declares the message. */
export function messageType(fullName: string): MessageType {
  const definition = load()[fullName];
  if (definition === undefined || !isMessage(definition)) {
    throw new TypeError(`no message named ${fullName} in proto/`);
  }
  return codec(definition);
}

function fromDefinition(definition: ServiceDefinition | undefined, fullName: string): RpcService {
  if (definition === undefined || "format" in definition) {
    throw new TypeError(`no service named ${fullName} in proto/`);
  }
  const methods = Object.entries(definition).map(([name, method]) => [
    name,
    {
      name,
      path: method.path,
      requestStream: method.requestStream,
      responseStream: method.responseStream,
      request: codec(method.requestType),
      response: codec(method.responseType),
    },
  ]);
  return Object.fromEntries(methods) as RpcService;
}

function codec(type: MessageTypeDefinition<object, object>): MessageType {
  return {
    encode: (message) => type.serialize(message),
    decode(bytes) {
      try {
        return type.deserialize(bytes as Buffer);
      } catch (cause) {
        throw fail("invalid", "message is not well-formed protobuf of its type", { cause });
      }
    },
  };
}

function isMessage(definition: object): definition is MessageTypeDefinition<object, object> {
  return "serialize" in definition && typeof definition.serialize === "function";
}

/** Same options as the flags in `generate.ts`: the types there describe what is decoded here. */
function load(): Readonly<Record<string, object>> {
  loaded ??= fromJSON(protos as Parameters<typeof fromJSON>[0], {
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  return loaded;
}

/** Built at first use (about 30 ms); the protos of a program never change. */
let loaded: Readonly<Record<string, object>> | undefined;
const services = new Map<string, RpcService>();
