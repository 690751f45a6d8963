/**
 * What the agent asks of its server, in the agent's own words. Only SPIRE's published API, so that a SPIRE server
 * serves too; our own additions are tolerated to be missing.
 */
import type { NodeProof } from "../../attestors/contract.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import { metered } from "../../observe/metered.ts";
import { AGENT_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Channel, UnaryOptions } from "../../rpc/channel.ts";
import { statusName } from "../../rpc/status.ts";
import { REQUEST_ID_HEADER, newRequestId, withRequestId } from "../../rpc/request-id.ts";
import type { HostFacts } from "../../rpc/gen/assay/agent/v1/HostFacts.ts";
import type { NearestResponse__Output } from "../../rpc/gen/assay/explain/v1/NearestResponse.ts";
import type { FollowRequest } from "../../rpc/gen/assay/sync/v1/FollowRequest.ts";
import type { FollowResponse__Output } from "../../rpc/gen/assay/sync/v1/FollowResponse.ts";
import type { SpendOneTimeResponse__Output } from "../../rpc/gen/assay/token/v1/SpendOneTimeResponse.ts";
import type { AttestAgentRequest } from "../../rpc/gen/spire/api/server/agent/v1/AttestAgentRequest.ts";
import type { AttestAgentResponse__Output } from "../../rpc/gen/spire/api/server/agent/v1/AttestAgentResponse.ts";
import type { RenewAgentResponse__Output } from "../../rpc/gen/spire/api/server/agent/v1/RenewAgentResponse.ts";
import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { Selector } from "../../spiffe/selector.ts";
import type { Entry } from "../cache/entry.ts";
import type { WitKey } from "../wit/wit-keys.ts";
import type { AgentIdentity } from "../identity/agent-identity.ts";
import { Connection, dial } from "./connection.ts";
import { fetchEntries } from "./entry-sync.ts";
import { chainOf } from "./messages.ts";
import { ServerSigner } from "./server-signer.ts";

export interface ServerClientOptions {
  /** `host:port`. */
  readonly server: string;
  readonly trustDomain: string;
  readonly identity: AgentIdentity;
  /** Told of every refusal that concerns the agent itself (a reason of `AGENT_REFUSALS`). */
  readonly onRefused: (error: AssayError) => void;
  /** Told of refusals without such a reason: a renewed SVID may help. */
  readonly onDenied?: () => void;
  readonly metrics: Metrics;
}

/** The server's reasons for refusing the agent itself rather than one request. */
export const AGENT_REFUSALS: ReadonlySet<string> = new Set([
  "AGENT_BANNED",
  "AGENT_EXPIRED",
  "AGENT_NOT_ACTIVE",
  "AGENT_NOT_ATTESTED",
  "AGENT_MUST_REATTEST",
]);

export interface AttestedSvid {
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly reattestable: boolean;
}

export class ServerClient implements Disposable {
  readonly #options: ServerClientOptions;
  readonly #connection: Connection;
  /** Has it sign for workloads. */
  readonly signer: ServerSigner;

  constructor(options: ServerClientOptions) {
    this.#options = options;
    const { server, trustDomain, identity } = options;
    this.#connection = new Connection(
      () =>
        dial({
          server,
          trustDomain,
          bundle: identity.bundle,
          svid: identity.svid,
          lists: () => identity.bundle,
          onServer: (chain) => identity.noteServer(chain),
        }),
      () => identity,
    );
    this.signer = new ServerSigner({
      unary: (service, method, request, signal) => this.#unary(service, method, request, signal),
      metrics: options.metrics,
    });
  }

  /** Rises whenever the next call goes to another connection: SVID or bundle are others. */
  get generation(): number {
    return this.#options.identity.revision;
  }

  /** True while there is a connection, whatever the server says on it. */
  get connected(): boolean {
    return this.#connection.connected;
  }

  /** Resolves when there is a connection. @throws cancelled */
  connect(signal: AbortSignal): Promise<void> {
    return this.#connection.use((channel) => channel.connect(signal));
  }

  /** The bundle as an unverified server shows it: trust on first use. */
  async fetchUnverifiedBundle(signal: AbortSignal): Promise<Bundle__Output> {
    const { server, trustDomain } = this.#options;
    const channel = dial({ server, trustDomain, bundle: undefined, svid: undefined });
    try {
      return await channel.unary<Bundle__Output>(BUNDLE, "GetBundle", {}, bounded(signal));
    } finally {
      channel.close();
    }
  }

  /** Proves the node and gets its SVID. @throws what the server answers; unavailable */
  async attest(proof: NodeProof, csr: Uint8Array, signal: AbortSignal): Promise<AttestedSvid> {
    const { server, trustDomain, identity } = this.#options;
    const { bundle } = identity;
    const lists = (): Bundle | undefined => identity.bundle;
    const channel = dial({ server, trustDomain, bundle, svid: undefined, lists });
    try {
      return await this.#metered("attest", () => attestOn(channel, proof, csr, signal));
    } finally {
      channel.close();
    }
  }

  async renew(csr: Uint8Array, signal: AbortSignal): Promise<readonly Uint8Array[]> {
    const request = { params: { csr } };
    const answer = await this.#metered("renew", () =>
      this.#unary<RenewAgentResponse__Output>(AGENT, "RenewAgent", request, signal),
    );
    return chainOf(answer.svid);
  }

  fetchBundle(signal: AbortSignal): Promise<Bundle__Output> {
    return this.#unary(BUNDLE, "GetBundle", {}, signal);
  }

  fetchForeignBundle(trustDomain: string, signal: AbortSignal): Promise<Bundle__Output> {
    return this.#unary(BUNDLE, "GetFederatedBundle", { trust_domain: trustDomain }, signal);
  }

  /** The entries this agent may serve. Those of `known` that did not change come back as the same objects. */
  fetchEntries(
    known: ReadonlyMap<string, Entry>,
    onBadEntry: (id: string, error: AssayError) => void,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Entry>> {
    return this.#metered("fetchEntries", () =>
      this.#use((channel) => fetchEntries({ channel, known, onBadEntry, signal })),
    );
  }

  /**
   * Hands over what the server tells until the stream ends, which it never does well.
   * @throws unsupported when the server has no such service; what `onMessage` throws
   */
  async follow(
    request: FollowRequest,
    onMessage: (message: FollowResponse__Output) => Promise<void>,
    signal: AbortSignal,
  ): Promise<never> {
    const requestId = newRequestId();
    const metadata = { [REQUEST_ID_HEADER]: requestId };
    const options = { signal, metadata };
    return this.#use(async (channel) => {
      using stream = channel.stream<FollowRequest, FollowResponse__Output>(SYNC, "Follow", options);
      await stream.send(request);
      stream.end();
      for await (const message of stream) await onMessage(message);
      throw fail("unavailable", "the server ended the stream of changes");
    }, requestId);
  }

  /** Of the own trust domain; none where the server offers no WIT-SVIDs. */
  async witKeys(signal: AbortSignal): Promise<readonly WitKey[]> {
    const request = { output_mask: { wit_authorities: true } };
    const bundle = await this.#unary<Bundle__Output>(BUNDLE, "GetBundle", request, signal);
    return bundle.wit_authorities.map(({ key_id, public_key, tainted }) => ({
      keyId: key_id,
      publicKey: new Uint8Array(public_key),
      tainted,
    }));
  }

  /** @throws unsupported when the server has no place for host facts */
  async reportHost(facts: HostFacts, signal: AbortSignal): Promise<void> {
    await this.#unary("assay.agent.v1.AgentHost", "ReportHost", { facts }, signal);
  }

  /**
   * Spends a one-time token. @returns the id of its entry
   * @throws denied when it counts for nothing; unsupported when the server gives out none
   */
  async spendToken(token: string, signal: AbortSignal): Promise<string> {
    const { entry_id } = await this.#unary<SpendOneTimeResponse__Output>(
      ONE_TIME,
      "Spend",
      { token },
      signal,
    );
    return entry_id;
  }

  /**
   * Entries that a workload with these selectors comes near to, and whether they are this agent's.
   * @throws unsupported when the server does not tell
   */
  nearest(selectors: readonly Selector[], signal: AbortSignal): Promise<NearestResponse__Output> {
    const request = { selectors: [...selectors] };
    // Somebody waits for the rest of the answer.
    const options = { signal, deadlineMs: EXPLAIN_DEADLINE_MS };
    return this.#use((channel) => channel.unary(REGISTRY, "Nearest", request, options));
  }

  [Symbol.dispose](): void {
    this.#connection[Symbol.dispose]();
  }

  #metered<T>(call: "attest" | "renew" | "fetchEntries", work: () => Promise<T>): Promise<T> {
    return metered(this.#options.metrics, AGENT_METRICS[call], work, statusName);
  }

  async #unary<Res extends object>(
    service: string,
    method: string,
    request: object,
    signal: AbortSignal,
  ): Promise<Res> {
    const requestId = newRequestId();
    return this.#use(
      (channel) => channel.unary<Res>(service, method, request, bounded(signal, requestId)),
      requestId,
    );
  }

  /** @param requestId named by what is thrown and by what `onRefused` is told, so that both can be found at the server */
  async #use<T>(call: (channel: Channel) => Promise<T>, requestId?: string): Promise<T> {
    const { identity, onRefused, onDenied } = this.#options;
    const { svid } = identity;
    try {
      return await this.#connection.use(call);
    } catch (thrown) {
      const plain = errorFrom(thrown);
      const error = requestId === undefined ? plain : withRequestId(plain, requestId);
      if (error.kind === "denied" && error.reason === undefined) onDenied?.();
      if (error.reason === undefined || !AGENT_REFUSALS.has(error.reason)) throw error;
      if (identity.svid !== svid) {
        // The first use of a renewed SVID ends the old one; a call that still ran on that proves nothing.
        throw fail("unavailable", "the agent's SVID was renewed during the call", { cause: error });
      }
      onRefused(error);
      throw error;
    }
  }
}

async function attestOn(
  channel: Channel,
  proof: NodeProof,
  csr: Uint8Array,
  signal: AbortSignal,
): Promise<AttestedSvid> {
  using stream = channel.stream<AttestAgentRequest, AttestAgentResponse__Output>(
    AGENT,
    "AttestAgent",
    bounded(signal),
  );
  const data = { type: proof.type, payload: proof.payload };
  await stream.send({ params: { data, params: { csr } } });
  for await (const answer of stream) {
    if (answer.challenge !== undefined && answer.challenge !== null) {
      await stream.send({ challenge_response: await proof.respond(answer.challenge) });
      continue;
    }
    stream.end();
    const svid = answer.result?.svid ?? null;
    return { chain: chainOf(svid), reattestable: answer.result?.reattestable ?? false };
  }
  throw fail("unavailable", "the server ended the attestation without an answer");
}

function bounded(signal: AbortSignal, requestId = newRequestId()): UnaryOptions {
  const metadata = { [REQUEST_ID_HEADER]: requestId };
  return { signal, deadlineMs: CALL_DEADLINE_MS, metadata };
}

const AGENT = "spire.api.server.agent.v1.Agent";
const BUNDLE = "spire.api.server.bundle.v1.Bundle";
const ONE_TIME = "assay.token.v1.OneTime";
const REGISTRY = "assay.explain.v1.Registry";
const SYNC = "assay.sync.v1.Sync";
const EXPLAIN_DEADLINE_MS = 5000;
const CALL_DEADLINE_MS = 30_000;
