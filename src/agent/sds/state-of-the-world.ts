import { encodeFrame } from "../../rpc/grpc/frame.ts";
import type { DiscoveryRequest__Output } from "../../rpc/gen/envoy/service/discovery/v3/DiscoveryRequest.ts";
import type { DiscoveryResponse } from "../../rpc/gen/envoy/service/discovery/v3/DiscoveryResponse.ts";
import { messageType } from "../../rpc/protos.ts";
import type { Exchange, ExchangeOptions } from "./exchange.ts";
import { SECRET_TYPE, WILDCARD, checkNames, checkType } from "./resource-names.ts";
import { type Secret, type Secrets, versionOf } from "./secrets.ts";
import type { Validator } from "./validator.ts";

/**
 * `StreamSecrets`: each request names all that is wanted, each response holds all of it that there is (xDS protocol,
 * "State of the World"). A response is due when the set of names changes or what they stand for; what was rejected is
 * not sent again until then.
 */
export class StateOfTheWorld implements Exchange {
  readonly #options: ExchangeOptions;
  #names: ReadonlySet<string> | undefined;
  #wantsAll = false;
  #validator: Validator = "spiffe";
  #nonce: string | undefined;
  #sentVersion: string | undefined;
  #isDue = false;
  #unknown = "";

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  take(bytes: Uint8Array): void {
    const request = decodeRequest(bytes);
    const { names, wantsAll } = wanted(request);
    if (request.error_detail !== null) this.#options.onRejected(request.error_detail.message);
    // Said before the last response came: the proxy speaks again when it has that one. The nonce and version of a
    // stream's first request are another stream's, of before a restart.
    if (this.#nonce !== undefined && request.response_nonce !== this.#nonce) return;
    if (this.#names === undefined) {
      this.#validator = this.#options.validatorOf(request.node);
      this.#wantsAll = wantsAll;
    } else {
      if (sameNames(this.#names, names)) return;
      // Without names a stream that had some wants nothing any more.
      this.#wantsAll = names.has(WILDCARD);
    }
    this.#names = names;
    this.#isDue = true;
  }

  respond(secrets: Secrets): Uint8Array | undefined {
    if (this.#names === undefined) return undefined;
    const { found, unknown } = pick(secrets, this.#names, this.#wantsAll, this.#validator);
    this.#report(unknown);
    // Proxies take an empty response for an error; they go on waiting for what may come.
    if (found.length === 0) return undefined;
    const version = versionOfAll(found);
    if (!this.#isDue && version === this.#sentVersion) return undefined;
    this.#isDue = false;
    this.#sentVersion = version;
    this.#nonce = this.#options.nonce();
    return encodeResponse(found, version, this.#nonce);
  }

  #report(unknown: readonly string[]): void {
    const key = unknown.join("\n");
    if (key !== this.#unknown && unknown.length > 0) this.#options.onUnknown(unknown);
    this.#unknown = key;
  }
}

/** @throws invalid or limited */
export function decodeRequest(bytes: Uint8Array): DiscoveryRequest__Output {
  const type = messageType("envoy.service.discovery.v3.DiscoveryRequest");
  const request = type.decode(bytes) as DiscoveryRequest__Output;
  checkType(request.type_url);
  return request;
}

/** What a first request asks for: no name at all is everything. @throws limited */
export function wanted({ resource_names }: DiscoveryRequest__Output): {
  readonly names: ReadonlySet<string>;
  readonly wantsAll: boolean;
} {
  const names = checkNames(resource_names);
  return { names, wantsAll: names.size === 0 || names.has(WILDCARD) };
}

/** The secrets of these names, and the names that nothing stands for. */
export function pick(
  secrets: Secrets,
  names: ReadonlySet<string>,
  wantsAll: boolean,
  validator: Validator,
): { readonly found: readonly Secret[]; readonly unknown: readonly string[] } {
  const found: Secret[] = [];
  const unknown: string[] = [];
  for (const name of new Set([...names, ...(wantsAll ? secrets.names : [])])) {
    const secret = secrets.find(name, validator);
    if (secret !== undefined) found.push(secret);
    else if (name !== WILDCARD) unknown.push(name);
  }
  return { found, unknown };
}

/** Equal for the same secrets. */
export function versionOfAll(secrets: readonly Secret[]): string {
  return versionOf(secrets.map(({ name, version }) => `${name} ${version}`).join());
}

/** One framed response with all of these. @param nonce none where nothing is acknowledged */
export function encodeResponse(
  secrets: readonly Secret[],
  version: string,
  nonce = "",
): Uint8Array {
  const response: DiscoveryResponse = {
    version_info: version,
    resources: secrets.map(({ bytes }) => ({ type_url: SECRET_TYPE, value: bytes })),
    type_url: SECRET_TYPE,
    nonce,
  };
  const type = messageType("envoy.service.discovery.v3.DiscoveryResponse");
  return encodeFrame(type.encode(response));
}

function sameNames(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name));
}
