import { createHash } from "node:crypto";
import type {
  Datastore,
  NodeFilter,
  NodeRecord,
  Page,
  PageRequest,
} from "../datastore/contract.ts";
import type { NodeAdmission } from "../../attestors/contract.ts";
import type { Logger } from "../../observe/logger.ts";
import { type Clock, epochSeconds } from "../../base/clock.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { fail } from "../../base/errors.ts";
import { toHex } from "../../base/bytes.ts";
import { type NodeSvid, admittedId, admittedNode, banned, checkAdmission } from "./admission.ts";
import { bindToken } from "./bound-tokens.ts";
import { KeyedQueue } from "../../base/keyed-queue.ts";
import { deleteTokenAliases } from "./token-aliases.ts";
import { NodeCache, type NodeStatus } from "./node-cache.ts";

export interface NodeServiceOptions {
  readonly datastore: Datastore;
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface AdmitParams<S extends NodeSvid> {
  readonly admission: NodeAdmission;
  readonly attestationType: string;
  /** DER SubjectPublicKeyInfo of the CSR. */
  readonly publicKey: Uint8Array;
  /** Signs the agent's SVID; called only once the admission stands. */
  readonly issue: (agentId: SpiffeId) => Promise<S>;
}

export interface RenewParams<S extends NodeSvid> {
  readonly agentId: SpiffeId;
  readonly issue: (agentId: SpiffeId) => Promise<S>;
}

/**
 * Attested nodes: who was admitted, with which SVID, and who is out. Knows nothing of the wire; signing comes in as a
 * function. Writes go to the store, the check of each call is answered from memory.
 */
export class NodeService implements AsyncDisposable {
  readonly #datastore: Datastore;
  readonly #trustDomain: TrustDomain;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #cache: NodeCache;
  readonly #queue = new KeyedQueue("agent");

  private constructor(options: NodeServiceOptions, cache: NodeCache) {
    this.#datastore = options.datastore;
    this.#trustDomain = options.trustDomain;
    this.#clock = options.clock;
    this.#logger = options.logger;
    this.#cache = cache;
  }

  static async open(options: NodeServiceOptions): Promise<NodeService> {
    return new NodeService(options, await NodeCache.load(options.datastore, options.logger));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cache[Symbol.asyncDispose]();
  }

  /**
   * Admits a node that proved itself: signs its SVID and keeps it, spending the token in the same transaction.
   * A token admits one key. The same key may come back with the same token until the token expires, because the reply
   * may have been lost; its SVID of before stays active until the new one is used.
   * @throws denied (banned, or its proof counts for another key), invalid (join token spent, unknown or expired),
   * limited (too many tokens bound), internal (attestor out of its namespace)
   */
  async admit<S extends NodeSvid>(params: AdmitParams<S>): Promise<S> {
    const { admission, attestationType } = params;
    const agentId = admittedId(this.#trustDomain, params);
    const keyHash = toHex(createHash("sha256").update(params.publicKey).digest());
    const candidate = { agentId, admission, attestationType, keyHash };
    const issued = await this.#queue.run(agentId.toString(), async () => {
      await checkAdmission(this.#datastore, candidate, epochSeconds(this.#clock));
      const svid = await params.issue(agentId);
      await this.#datastore.transaction(async (writers) => {
        const attestedAt = epochSeconds(this.#clock);
        const present = await checkAdmission(writers, candidate, attestedAt);
        if (admission.bindsToken !== undefined) {
          await bindToken(writers.boundTokens, admission.bindsToken, keyHash);
        }
        await writers.nodes.put(admittedNode(candidate, { svid, attestedAt }, present));
      });
      return svid;
    });
    await this.#cache.refresh();
    this.#logger.info("agent admitted", { agentId: agentId.toString(), attestationType });
    return issued;
  }

  /**
   * Signs the next SVID of an agent. The present one stays active until the next one is used for the first time.
   * @throws denied (banned, or it has to attest again), not_found
   */
  async renew<S extends NodeSvid>({ agentId, issue }: RenewParams<S>): Promise<S> {
    const id = agentId.toString();
    const issued = await this.#queue.run(id, async () => {
      this.#checkRenewal(await this.#datastore.nodes.get(id), id);
      const svid = await issue(agentId);
      await this.#datastore.transaction(async (writers) => {
        const node = this.#checkRenewal(await writers.nodes.get(id), id);
        await writers.nodes.put({
          ...node,
          newSerial: svid.serial,
          newExpiresAt: svid.expiresAt,
        });
      });
      return svid;
    });
    await this.#cache.refresh();
    return issued;
  }

  /**
   * Checks the agent behind one call. The first call with the serial of a renewal makes it the only active one.
   * @param serial lower-case hex of the presented SVID's serial
   * @throws denied with reason AGENT_NOT_ATTESTED, AGENT_BANNED or AGENT_NOT_ACTIVE
   */
  async checkActive(agentId: string, serial: string): Promise<NodeStatus> {
    const held = this.#cache.get(agentId);
    if (held !== undefined && !held.banned && serial !== "" && held.serial === serial) return held;
    // Another server may know better than our memory does.
    const status = await this.#cache.refetch(agentId);
    checkStatus(status, agentId, serial);
    if (status.serial === serial) return status;
    return this.#promote(agentId, serial);
  }

  /** Forbids the agent for good; its ID stays taken. @throws not_found */
  async ban(agentId: string): Promise<void> {
    await this.#change(agentId, (node) => ({
      ...node,
      banned: true,
      serial: "",
      newSerial: "",
      newExpiresAt: 0,
    }));
    this.#logger.info("agent banned", { agentId });
  }

  /**
   * Forgets the agent: it has to attest again. Its join token goes with it, and so does the entry that the token made.
   * @throws not_found
   */
  async evict(agentId: string): Promise<void> {
    await this.#queue.run(agentId, () =>
      this.#datastore.transaction(async (writers) => {
        if (!(await writers.nodes.delete(agentId))) throw noSuchAgent(agentId);
        await writers.tokens.delete(agentId.slice(agentId.lastIndexOf("/") + 1));
        await deleteTokenAliases(writers, agentId);
      }),
    );
    await this.#cache.refresh();
    this.#logger.info("agent evicted", { agentId });
  }

  /** How many nodes there are, banned ones included. */
  get size(): number {
    return this.#cache.size;
  }

  /** Has the agent replace all its SVIDs. @throws not_found, precondition (banned) */
  async rotate(agentId: string): Promise<void> {
    await this.#change(agentId, (node) => {
      if (node.banned) throw fail("precondition", `agent '${agentId}' is banned`);
      return { ...node, rotation: node.rotation + 1 };
    });
    this.#logger.info("agent told to replace its SVIDs", { agentId });
  }

  /** How often the agent was to replace its SVIDs, as far as memory knows. */
  rotationOf(agentId: string): number {
    return this.#cache.get(agentId)?.rotation ?? 0;
  }

  /** Told of each agent that came, went, was banned, has another serial or is to rotate. @returns unsubscribe */
  onChange(listener: (agentId: string) => void): () => void {
    return this.#cache.onChange(listener);
  }

  get(agentId: string): Promise<NodeRecord | undefined> {
    return this.#datastore.nodes.get(agentId);
  }

  list(filter: NodeFilter, page?: PageRequest): Promise<Page<NodeRecord>> {
    return this.#datastore.nodes.list(filter, page);
  }

  count(filter: NodeFilter): Promise<number> {
    return this.#datastore.nodes.count(filter);
  }

  /** Keeps the host facts that the agent sent, as JSON text. @throws not_found, invalid (too long) */
  async reportHost(agentId: string, hostFacts: string): Promise<void> {
    if (hostFacts.length > MAX_HOST_FACTS_LENGTH) {
      throw fail("invalid", `host facts are longer than ${MAX_HOST_FACTS_LENGTH} characters`);
    }
    await this.#change(agentId, (node) => ({ ...node, hostFacts }));
  }

  /** @throws not_found, invalid (too long) */
  async reportVersion(agentId: string, agentVersion: string): Promise<void> {
    if (agentVersion.length > MAX_VERSION_LENGTH) {
      throw fail("invalid", `agent version is longer than ${MAX_VERSION_LENGTH} characters`);
    }
    await this.#change(agentId, (node) => ({ ...node, agentVersion }));
  }

  async #change(agentId: string, change: (node: NodeRecord) => NodeRecord): Promise<void> {
    await this.#queue.run(agentId, () =>
      this.#datastore.transaction(async (writers) => {
        const node = await writers.nodes.get(agentId);
        if (node === undefined) throw noSuchAgent(agentId);
        const next = change(node);
        if (!sameNode(node, next)) await writers.nodes.put(next);
      }),
    );
    await this.#cache.refresh();
  }

  async #promote(agentId: string, serial: string): Promise<NodeStatus> {
    const promoted = await this.#queue.run(agentId, () =>
      this.#datastore.transaction(async (writers) => {
        const node = await writers.nodes.get(agentId);
        checkStatus(node, agentId, serial);
        if (node.serial === serial) return node;
        const next = {
          ...node,
          serial,
          expiresAt: node.newExpiresAt,
          newSerial: "",
          newExpiresAt: 0,
        };
        await writers.nodes.put(next);
        return next;
      }),
    );
    await this.#cache.refresh();
    return promoted;
  }

  #checkRenewal(node: NodeRecord | undefined, agentId: string): NodeRecord {
    if (node === undefined) throw noSuchAgent(agentId);
    if (node.banned) throw banned(agentId);
    if (node.canReattest) {
      throw fail("denied", "agent must reattest instead of renew", {
        reason: "AGENT_MUST_REATTEST",
      });
    }
    return node;
  }
}

function checkStatus(
  status: NodeStatus | undefined,
  agentId: string,
  serial: string,
): asserts status is NodeStatus {
  if (status === undefined) {
    throw fail("denied", `agent '${agentId}' is not attested`, { reason: "AGENT_NOT_ATTESTED" });
  }
  if (status.banned || status.serial === "") throw banned(agentId);
  if (serial === "" || (status.serial !== serial && status.newSerial !== serial)) {
    throw fail("denied", `agent '${agentId}' presented an SVID that is not its active one`, {
      reason: "AGENT_NOT_ACTIVE",
    });
  }
}

function noSuchAgent(agentId: string): Error {
  return fail("not_found", `agent '${agentId}' not found`);
}

function sameNode(a: NodeRecord, b: NodeRecord): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

const MAX_HOST_FACTS_LENGTH = 16 * 1024;
const MAX_VERSION_LENGTH = 255;
