import { encodeFrame } from "../../rpc/grpc/frame.ts";
import type { DeltaDiscoveryRequest__Output } from "../../rpc/gen/envoy/service/discovery/v3/DeltaDiscoveryRequest.ts";
import type { DeltaDiscoveryResponse } from "../../rpc/gen/envoy/service/discovery/v3/DeltaDiscoveryResponse.ts";
import { messageType } from "../../rpc/protos.ts";
import type { Exchange, ExchangeOptions } from "./exchange.ts";
import { SECRET_TYPE, WILDCARD, checkCount, checkNames, checkType } from "./resource-names.ts";
import { type Secret, type Secrets, versionOf } from "./secrets.ts";
import type { Validator } from "./validator.ts";

/**
 * `DeltaSecrets`: requests say which names are wanted more and less, responses what is new and what is gone (xDS
 * protocol, "Incremental xDS"). A version counts as held once it was sent, rejected or not: it is not sent again.
 */
export class Differences implements Exchange {
  readonly #options: ExchangeOptions;
  readonly #names = new Set<string>();
  /** By name: the version that the proxy holds, "" for one that it was told is gone or not there. */
  readonly #told = new Map<string, string>();
  #wantsAll = false;
  #validator: Validator = "spiffe";
  #isFirst = true;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  take(bytes: Uint8Array): void {
    const type = messageType("envoy.service.discovery.v3.DeltaDiscoveryRequest");
    const request = type.decode(bytes) as DeltaDiscoveryRequest__Output;
    checkType(request.type_url);
    const more = checkNames(request.resource_names_subscribe);
    const less = checkNames(request.resource_names_unsubscribe);
    if (request.error_detail !== null) this.#options.onRejected(request.error_detail.message);
    if (this.#isFirst) this.#begin(request, more);
    // What is asked for anew is sent anew, current or not: the proxy may have dropped it meanwhile.
    else for (const name of more) this.#told.delete(name);
    for (const name of more) this.#names.add(name);
    for (const name of less) {
      this.#names.delete(name);
      this.#told.delete(name);
    }
    checkCount(this.#names.size);
    if (more.has(WILDCARD)) this.#wantsAll = true;
    if (less.has(WILDCARD)) this.#wantsAll = false;
  }

  respond(secrets: Secrets, isWhole: boolean): Uint8Array | undefined {
    if (this.#isFirst) return undefined;
    const fresh: Secret[] = [];
    const gone: string[] = [];
    const names = new Set([...this.#names, ...(this.#wantsAll ? this.#allOf(secrets) : [])]);
    for (const name of names) {
      if (name === WILDCARD) continue;
      const secret = secrets.find(name, this.#validator);
      const told = this.#told.get(name);
      if (secret !== undefined && secret.version !== told) fresh.push(secret);
      if (secret === undefined && told !== "" && isWhole) gone.push(name);
    }
    if (fresh.length === 0 && gone.length === 0) return undefined;
    for (const { name, version } of fresh) this.#told.set(name, version);
    for (const name of gone) {
      if (this.#names.has(name)) this.#told.set(name, "");
      else this.#told.delete(name);
    }
    if (gone.length > 0) this.#options.onUnknown(gone);
    return encodeResponse(fresh, gone, this.#options.nonce());
  }

  /** What there is, and what the proxy holds that may be no more. */
  #allOf(secrets: Secrets): Iterable<string> {
    return new Set([...secrets.names, ...this.#told.keys()]);
  }

  #begin(request: DeltaDiscoveryRequest__Output, more: ReadonlySet<string>): void {
    this.#isFirst = false;
    this.#validator = this.#options.validatorOf(request.node);
    const held = Object.entries(request.initial_resource_versions);
    this.#wantsAll = more.size === 0;
    checkNames(held.map(([name]) => name));
    for (const [name, version] of held) {
      if (more.has(name) || this.#wantsAll || more.has(WILDCARD)) this.#told.set(name, version);
    }
  }
}

function encodeResponse(
  fresh: readonly Secret[],
  gone: readonly string[],
  nonce: string,
): Uint8Array {
  const response: DeltaDiscoveryResponse = {
    system_version_info: versionOf(fresh.map(({ version }) => version).join()),
    resources: fresh.map(({ name, version, bytes }) => ({
      name,
      version,
      resource: { type_url: SECRET_TYPE, value: bytes },
    })),
    type_url: SECRET_TYPE,
    removed_resources: [...gone],
    nonce,
  };
  const type = messageType("envoy.service.discovery.v3.DeltaDiscoveryResponse");
  return encodeFrame(type.encode(response));
}
