/** Envoy's Secret Discovery Service v3 for one connection's peer each, beside the Workload API. */
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { toHex } from "../../base/bytes.ts";
import type { SdsConfig } from "../../config/sections/sds-section.ts";
import { CallerLog } from "../../observe/caller-log.ts";
import type { Logger } from "../../observe/logger.ts";
import { AGENT_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { GrpcCall } from "../../rpc/grpc/call.ts";
import type { SocketGrpcServer } from "../../rpc/grpc/server.ts";
import type { Selector } from "../../spiffe/selector.ts";
import { attestCall } from "../attestation/attest-call.ts";
import type { Attestation } from "../attestation/attestation.ts";
import type { Cache } from "../cache/cache.ts";
import type { Peer } from "../peer/peer.ts";
import { counted } from "../workload-api/counted.ts";
import { notReady, tokenEnded } from "../workload-api/follow.ts";
import { unmatched } from "../workload-api/unmatched.ts";
import { Differences } from "./differences.ts";
import type { Exchange, ExchangeOptions } from "./exchange.ts";
import { SecretSets } from "./secret-sets.ts";
import { SecretsWatch } from "./secrets-watch.ts";
import {
  StateOfTheWorld,
  decodeRequest,
  encodeResponse,
  pick,
  versionOfAll,
  wanted,
} from "./state-of-the-world.ts";
import { validatorOf } from "./validator.ts";

export interface SecretDiscoveryOptions {
  readonly config: SdsConfig;
  readonly attestation: Attestation;
  readonly cache: Cache;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export const SECRET_DISCOVERY = "envoy.service.secret.v3.SecretDiscoveryService";

/** Adds the three methods to the server of the Workload API's socket. They need no security header, as with SPIRE. */
export function routeSecretDiscovery(
  server: SocketGrpcServer<Peer>,
  options: SecretDiscoveryOptions,
): void {
  const service = new SecretDiscovery(options);
  const route = (method: string, handle: (call: GrpcCall<Peer>) => Promise<void>): void => {
    const path = `/${SECRET_DISCOVERY}/${method}`;
    server.route(path, counted(path, options.metrics, handle));
  };
  route("StreamSecrets", (call) => service.stream(call, (more) => new StateOfTheWorld(more)));
  route("DeltaSecrets", (call) => service.stream(call, (more) => new Differences(more)));
  route("FetchSecrets", (call) => service.fetch(call));
}

class SecretDiscovery {
  readonly #options: SecretDiscoveryOptions;
  readonly #sets: SecretSets;
  readonly #log: CallerLog;

  constructor(options: SecretDiscoveryOptions) {
    this.#options = options;
    this.#sets = new SecretSets(options.config);
    this.#log = new CallerLog(options.logger, options.clock);
  }

  /** Serves one stream until the call is over; never ends it well, as a proxy would take that for an end of its secrets. */
  async stream(
    call: GrpcCall<Peer>,
    exchangeOf: (options: ExchangeOptions) => Exchange,
  ): Promise<void> {
    const { attestation, cache, clock } = this.#options;
    const selectors = await attestCall(attestation, call);
    const { promise: failed, reject } = Promise.withResolvers<never>();
    const exchange = exchangeOf(this.#exchangeOptions(call));
    let isSending = false;
    const answer = (watch: SecretsWatch): void => {
      if (isSending || watch.secrets === undefined) return;
      try {
        this.#requireKnown(watch, selectors);
        const frame = exchange.respond(watch.secrets, watch.isWhole);
        if (frame === undefined) return;
        call.send(frame);
      } catch (thrown) {
        reject(thrown);
        return;
      }
      // One at a time: what changes meanwhile is in the next one, and none is dropped.
      isSending = true;
      call.flushed().then(
        () => {
          isSending = false;
          answer(watch);
        },
        () => undefined, // the call is over, which the reading of its requests says
      );
    };
    using stack = new DisposableStack();
    stack.defer(this.#endWithToken(selectors, reject));
    const watch = stack.use(
      new SecretsWatch({ cache, clock, sets: this.#sets, selectors, onChange: answer }),
    );
    const read = async (): Promise<never> => {
      for await (const request of call.requests) {
        exchange.take(request);
        answer(watch);
      }
      // Its own side is closed; it may go on listening.
      return new Promise<never>((_, over) => call.onEnd(over));
    };
    await Promise.race([read(), failed]);
  }

  async fetch(call: GrpcCall<Peer>): Promise<void> {
    const request = decodeRequest(await call.request());
    const { names, wantsAll } = wanted(request);
    const { attestation, cache, clock, config } = this.#options;
    const selectors = await attestCall(attestation, call);
    const { promise, resolve, reject } = Promise.withResolvers<SecretsWatch>();
    using stack = new DisposableStack();
    stack.use(new SecretsWatch({ cache, clock, sets: this.#sets, selectors, onChange: resolve }));
    stack.defer(clock.after(FETCH_HOLD_MS, () => reject(notReady(cache))));
    call.onEnd(reject);
    const watch = await promise;
    const { secrets } = watch;
    if (secrets === undefined) throw notReady(cache);
    this.#requireKnown(watch, selectors);
    const validator = validatorOf(request.node, config.disableSpiffeCertValidation);
    const { found, unknown } = pick(secrets, names, wantsAll, validator);
    if (unknown.length > 0) this.#exchangeOptions(call).onUnknown(unknown);
    if (found.length === 0) {
      if (!watch.hasIdentity) throw unmatched(attestation, selectors);
      throw fail("not_found", "the caller has a right to none of the secrets it asked for");
    }
    call.send(encodeResponse(found, versionOfAll(found)));
  }

  #exchangeOptions(call: GrpcCall<Peer>): ExchangeOptions {
    const { config, random, metrics } = this.#options;
    const { uid, pid } = call.context;
    return {
      nonce: () => toHex(random.bytes(NONCE_BYTES)),
      validatorOf: (node) => validatorOf(node, config.disableSpiffeCertValidation),
      onRejected: (message) => {
        metrics.add(AGENT_METRICS.secretRejections);
        this.#log.warn(uid, "a proxy rejected its secrets", { pid, reason: clip(message) });
      },
      onUnknown: (names) => {
        const shown = names.slice(0, MAX_SHOWN).map(clip);
        const more = names.length - shown.length;
        this.#log.info(uid, "a proxy asked for secrets that it has no right to, or nobody has", {
          pid,
          names: more === 0 ? shown : [...shown, `and ${more} more`],
        });
      },
    };
  }

  /**
   * A stream's selectors are those of its beginning: a caller that nothing matches, and that was not fully known then,
   * has to come again. @throws unavailable, or why its token counts for nothing
   */
  #requireKnown(watch: SecretsWatch, selectors: readonly Selector[]): void {
    if (watch.hasIdentity) return;
    const { attestation } = this.#options;
    const { isIncomplete, refusal } = attestation.notesOn(selectors);
    if (isIncomplete || refusal !== undefined) throw unmatched(attestation, selectors);
  }

  /** @returns how to stop */
  #endWithToken(selectors: readonly Selector[], end: (error: Error) => void): () => void {
    const { attestation, clock } = this.#options;
    const { endsAt } = attestation.notesOn(selectors);
    if (endsAt === undefined) return () => undefined;
    return clock.after((endsAt - epochSeconds(clock)) * 1000, () => end(tokenEnded()));
  }
}

function clip(text: string): string {
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}...` : text;
}

const NONCE_BYTES = 16;
const FETCH_HOLD_MS = 30_000;
const MAX_SHOWN = 8;
const MAX_SHOWN_LENGTH = 256;
