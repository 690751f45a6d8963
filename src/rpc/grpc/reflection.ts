import type { ServerReflectionRequest__Output } from "../gen/grpc/reflection/v1/ServerReflectionRequest.ts";
import type { ServerReflectionResponse } from "../gen/grpc/reflection/v1/ServerReflectionResponse.ts";
import { messageType } from "../protos.ts";
import { STATUS_CODES } from "../status.ts";
import { encodeFrame } from "./frame.ts";
import { type ProtoFile, ProtoFiles } from "./proto-files.ts";
import type { SocketGrpcServer } from "./server.ts";

/**
 * Serves grpc.reflection.v1 and v1alpha for `services` (full names, reflection's own need not be among them), so that
 * a person with grpcurl can look around. Nothing but what this socket serves is shown.
 */
export function serveReflection<C>(
  server: Pick<SocketGrpcServer<C>, "route">,
  services: readonly string[],
): void {
  const listed = [...services, ...VERSIONS.map((version) => `${version}.ServerReflection`)];
  let files: ProtoFiles | undefined;
  for (const version of VERSIONS) {
    server.route(`/${version}.ServerReflection/ServerReflectionInfo`, async (call) => {
      const requestType = messageType(`${version}.ServerReflectionRequest`);
      const responseType = messageType(`${version}.ServerReflectionResponse`);
      files ??= new ProtoFiles(listed);
      for await (const bytes of call.requests) {
        const request = requestType.decode(bytes) as ServerReflectionRequest__Output;
        const response = { ...answer(request, listed, files), original_request: request };
        call.send(encodeFrame(responseType.encode(response)));
        await call.flushed();
      }
    });
  }
}

function answer(
  request: ServerReflectionRequest__Output,
  services: readonly string[],
  files: ProtoFiles,
): ServerReflectionResponse {
  const { host: valid_host } = request;
  switch (request.message_request) {
    case "list_services":
      return {
        valid_host,
        list_services_response: { service: services.map((name) => ({ name })) },
      };
    case "file_by_filename":
      return { valid_host, ...filesOr(files.byName(request.file_by_filename ?? ""), files) };
    case "file_containing_symbol":
      return {
        valid_host,
        ...filesOr(files.bySymbol(request.file_containing_symbol ?? ""), files),
      };
    case "file_containing_extension":
    case "all_extension_numbers_of_type":
      return { valid_host, ...refusal(STATUS_CODES.not_found, "no message here has extensions") };
    case undefined:
    default:
      return { valid_host, ...refusal(STATUS_CODES.invalid, "the request asks for nothing") };
  }
}

function filesOr(file: ProtoFile | undefined, files: ProtoFiles): ServerReflectionResponse {
  if (file === undefined) return refusal(STATUS_CODES.not_found, "no such file or symbol here");
  const all = files.withDependencies(file).map(({ bytes }) => Buffer.from(bytes));
  return { file_descriptor_response: { file_descriptor_proto: all } };
}

function refusal(error_code: number, error_message: string): ServerReflectionResponse {
  return { error_response: { error_code, error_message } };
}

const VERSIONS = ["grpc.reflection.v1", "grpc.reflection.v1alpha"];
