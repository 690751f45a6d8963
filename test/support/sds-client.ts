/** A proxy's side of the Secret Discovery Service over grpc-js, with each secret taken apart. */
import { type Channel, type ClientStream, connectUnix } from "../../src/rpc/channel.ts";
import type { DeltaDiscoveryRequest } from "../../src/rpc/gen/envoy/service/discovery/v3/DeltaDiscoveryRequest.ts";
import type { DeltaDiscoveryResponse__Output } from "../../src/rpc/gen/envoy/service/discovery/v3/DeltaDiscoveryResponse.ts";
import type { DiscoveryRequest } from "../../src/rpc/gen/envoy/service/discovery/v3/DiscoveryRequest.ts";
import type { DiscoveryResponse__Output } from "../../src/rpc/gen/envoy/service/discovery/v3/DiscoveryResponse.ts";
import type { SPIFFECertValidatorConfig__Output } from "../../src/rpc/gen/envoy/extensions/transport_sockets/tls/v3/SPIFFECertValidatorConfig.ts";
import type { Secret__Output } from "../../src/rpc/gen/envoy/extensions/transport_sockets/tls/v3/Secret.ts";
import { messageType } from "../../src/rpc/protos.ts";

const SERVICE = "envoy.service.secret.v3.SecretDiscoveryService";
const TLS = "envoy.extensions.transport_sockets.tls.v3";
export const SECRET_TYPE = `type.googleapis.com/${TLS}.Secret`;

/** What one secret holds, PEM each. */
export interface OpenSecret {
  readonly name: string;
  readonly certificates?: string;
  readonly key?: string;
  /** Plain authorities. */
  readonly trusted?: string;
  /** Authorities by trust domain, in the order they came in. */
  readonly domains?: readonly (readonly [string, string])[];
}

export interface Answer {
  readonly version: string;
  readonly nonce: string;
  readonly typeUrl: string;
  readonly secrets: readonly OpenSecret[];
}

export interface Difference extends Answer {
  readonly versions: Readonly<Record<string, string>>;
  readonly removed: readonly string[];
}

export class SdsStream<Req extends object, Res, A> implements Disposable {
  readonly #stream: ClientStream<Req, Res>;
  readonly #answers: AsyncIterator<Res>;
  readonly #open: (response: Res) => A;

  constructor(stream: ClientStream<Req, Res>, open: (response: Res) => A) {
    this.#stream = stream;
    this.#answers = stream[Symbol.asyncIterator]();
    this.#open = open;
  }

  /** What goes wrong is told by `next`. */
  send(request: Req): void {
    this.taken(request).catch(() => undefined);
  }

  /** Sends, and resolves when the server's flow control has taken it. */
  taken(request: Req): Promise<void> {
    return this.#stream.send(request);
  }

  /** The client's side has no more to say. */
  end(): void {
    this.#stream.end();
  }

  async next(): Promise<A> {
    const { done, value } = await this.#answers.next();
    if (done === true) throw new Error("the stream ended with OK");
    return this.#open(value);
  }

  /** Sends, and waits for what comes then. */
  ask(request: Req): Promise<A> {
    this.send(request);
    return this.next();
  }

  [Symbol.dispose](): void {
    this.#stream[Symbol.dispose]();
  }
}

export class SdsClient implements Disposable {
  readonly #channel: Channel;
  readonly #metadata: Record<string, string>;

  constructor(socket: string, token?: string) {
    this.#channel = connectUnix(socket);
    this.#metadata = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  stream(): SdsStream<DiscoveryRequest, DiscoveryResponse__Output, Answer> {
    const options = { metadata: this.#metadata };
    return new SdsStream(this.#channel.stream(SERVICE, "StreamSecrets", options), answerOf);
  }

  delta(): SdsStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse__Output, Difference> {
    const options = { metadata: this.#metadata };
    return new SdsStream(this.#channel.stream(SERVICE, "DeltaSecrets", options), differenceOf);
  }

  async fetch(...names: string[]): Promise<Answer> {
    return this.fetchWith({ resource_names: names });
  }

  async fetchWith(request: DiscoveryRequest): Promise<Answer> {
    const response = await this.#channel.unary<DiscoveryResponse__Output>(
      SERVICE,
      "FetchSecrets",
      request,
      { metadata: this.#metadata },
    );
    return answerOf(response);
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

/** An acknowledgement of the answer, as Envoy makes it. */
export function ack(answer: Answer, ...names: string[]): DiscoveryRequest {
  return {
    version_info: answer.version,
    response_nonce: answer.nonce,
    resource_names: names,
    type_url: SECRET_TYPE,
  };
}

/** A rejection: the version of before, and why. */
export function nack(answer: Answer, ...names: string[]): DiscoveryRequest {
  const error_detail = { code: 13, message: "cannot use it" };
  return { ...ack(answer, ...names), version_info: "", error_detail };
}

export function namesOf({ secrets }: Pick<Answer, "secrets">): string[] {
  return secrets.map(({ name }) => name);
}

function answerOf(response: DiscoveryResponse__Output): Answer {
  return {
    version: response.version_info,
    nonce: response.nonce,
    typeUrl: response.type_url,
    secrets: response.resources.map((any) => openSecret(any)),
  };
}

function differenceOf(response: DeltaDiscoveryResponse__Output): Difference {
  const { resources } = response;
  return {
    version: response.system_version_info,
    nonce: response.nonce,
    typeUrl: response.type_url,
    secrets: resources.flatMap(({ resource }) => (resource === null ? [] : [openSecret(resource)])),
    versions: Object.fromEntries(resources.map(({ name, version }) => [name, version])),
    removed: response.removed_resources,
  };
}

function openSecret(any: { readonly type_url: string; readonly value: Uint8Array }): OpenSecret {
  if (any.type_url !== SECRET_TYPE) throw new Error(`a resource of type ${any.type_url}`);
  const secret = messageType(`${TLS}.Secret`).decode(any.value) as Secret__Output;
  const { name, tls_certificate: pair, validation_context: context } = secret;
  if (pair !== null && pair !== undefined) {
    const certificates = String(pair.certificate_chain?.inline_bytes);
    return { name, certificates, key: String(pair.private_key?.inline_bytes) };
  }
  const custom = context?.custom_validator_config;
  if (custom === null || custom === undefined) {
    return { name, trusted: String(context?.trusted_ca?.inline_bytes) };
  }
  if (custom.name !== "envoy.tls.cert_validator.spiffe") throw new Error(custom.name);
  const config = messageType(`${TLS}.SPIFFECertValidatorConfig`).decode(
    custom.typed_config?.value ?? new Uint8Array(),
  ) as SPIFFECertValidatorConfig__Output;
  return {
    name,
    domains: config.trust_domains.map((domain) => [
      domain.name,
      String(domain.trust_bundle?.inline_bytes),
    ]),
  };
}
