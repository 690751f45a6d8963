import protobuf from "protobufjs/light.js";
import { fail } from "../base/errors.ts";
import { findNode, resolveType } from "./descriptors.ts";
import protos from "./gen/protos.json" with { type: "json" };
import { wireCheck } from "./wire-check.ts";

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

/** Throws TypeError when no proto file declares the service, or it has no such method. */
export function methodDefinition(service: string, name: string): RpcMethod {
  const method = serviceDefinition(service)[name];
  if (method === undefined) throw new TypeError(`${service} has no method ${name}`);
  return method;
}

/** The methods of a service by name, such as `serviceDefinition("grpc.health.v1.Health")["Check"]`. */
export type RpcService = Readonly<Record<string, RpcMethod>>;

/** Throws TypeError when no proto file declares the service. */
export function serviceDefinition(fullName: string): RpcService {
  let service = services.get(fullName);
  if (service === undefined) {
    const declared = findNode(fullName)?.methods;
    if (declared === undefined) throw new TypeError(`no service named ${fullName} in proto/`);
    const methods = Object.entries(declared).map(
      ([name, method]): RpcMethod => ({
        name,
        path: `/${fullName}/${name}`,
        requestStream: method.requestStream ?? false,
        responseStream: method.responseStream ?? false,
        request: messageType(resolveType(method.requestType, fullName)),
        response: messageType(resolveType(method.responseType, fullName)),
      }),
    );
    service = Object.fromEntries(methods.map((method) => [method.name, method]));
    services.set(fullName, service);
  }
  return service;
}

/** Top-level messages only. Throws TypeError when no proto file declares the message. */
export function messageType(fullName: string): MessageType {
  let type = messages.get(fullName);
  if (type === undefined) {
    if (findNode(fullName)?.fields === undefined) {
      throw new TypeError(`no message named ${fullName} in proto/`);
    }
    type = codec(load().lookupType(fullName), fullName);
    messages.set(fullName, type);
  }
  return type;
}

function codec(type: protobuf.Type, fullName: string): MessageType {
  const check = wireCheck(fullName);
  return {
    encode: (message) => type.encode(type.fromObject(message)).finish(),
    decode(bytes) {
      check(bytes);
      try {
        return type.toObject(type.decode(bytes), PLAIN);
      } catch (cause) {
        throw fail("invalid", "message is not well-formed protobuf of its type", { cause });
      }
    },
  };
}

/** By protobufjs itself: proto-loader makes descriptors of all types on the way, three times the work and memory. */
function load(): protobuf.Root {
  loaded ??= protobuf.Root.fromJSON(protos as Parameters<typeof protobuf.Root.fromJSON>[0]);
  return loaded;
}

/** As the flags in `generate.ts` say: the types there describe what is decoded here. */
const PLAIN: protobuf.IConversionOptions = {
  longs: String,
  enums: String,
  defaults: true,
  oneofs: true,
};

/** Built at first use; the protos of a program never change. */
let loaded: protobuf.Root | undefined;
const messages = new Map<string, MessageType>();
const services = new Map<string, RpcService>();
