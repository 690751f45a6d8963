import { addressKey } from "../../base/address-key.ts";
import type { Clock } from "../../base/clock.ts";
import type { EntryReader, EntryRecord } from "../datastore/contract.ts";
import { CallerLog } from "../../observe/caller-log.ts";
import { knownRequestId } from "../../rpc/request-id.ts";
import type { Logger } from "../../observe/logger.ts";
import { type Caller, type CallerStore, setCaller, setProvenId } from "./caller.ts";
import type { KnownPeer, Peer } from "./peer-identity.ts";
import { entriesWithId } from "../entries/family.ts";
import { type CallerRole, rolesFor } from "./authorization.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import { epochSeconds } from "../../base/clock.ts";

/** A connection that calls come in on. */
export interface CallerConnection {
  readonly remoteAddress: string;
  readonly identity: { resolve(): Promise<Peer> };
  /** Ends it once the present call has had its answer. */
  readonly endSoon?: () => void;
}

export interface GateOptions {
  /** The TLS connection with this label; absent when it is gone. */
  readonly connection: (label: string) => CallerConnection | undefined;
  /** @throws denied with an AGENT_* reason */
  readonly checkActive: (agentId: string, serial: string) => Promise<unknown>;
  readonly entries: Pick<EntryReader, "list">;
  readonly isRevoked: (authorityId: string, serial: string) => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface GateCall extends CallerStore {
  /** The connection's label, or `unix` on the admin socket. */
  readonly peer: string;
}

/** Lets a call pass or not, by the authorization table and the caller of this very moment. */
export class Gate {
  readonly #options: GateOptions;
  readonly #log: CallerLog;

  constructor(options: GateOptions) {
    this.#options = options;
    this.#log = new CallerLog(options.logger, options.clock);
  }

  /**
   * @param method `/package.Service/Method`
   * @throws denied, unauthenticated; internal for a method without a row
   */
  async check(method: string, call: GateCall): Promise<void> {
    const roles = rolesFor(method);
    try {
      const caller = await this.#admit(roles, method, call);
      setCaller(call, caller);
      if (isAdministrator(caller) && !READS.test(method)) this.#note(method, caller, call);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.kind !== "denied" && error.kind !== "unauthenticated") throw error;
      const denial = denied(method, error);
      const remoteAddress = this.#options.connection(call.peer)?.remoteAddress;
      this.#log.info(
        remoteAddress === undefined ? call.peer : addressKey(remoteAddress),
        "call denied",
        {
          method,
          peer: call.peer,
          ...(remoteAddress === undefined ? {} : { remoteAddress }),
          why: error.message,
          ...requestField(call),
        },
      );
      throw denial;
    }
  }

  /** What administrators do is written down, whether it succeeds or not. */
  #note(method: string, { role, id, remoteAddress }: Caller, call: GateCall): void {
    this.#options.logger.info("administrative call", {
      method,
      role,
      ...(id === undefined ? {} : { callerId: id.toString() }),
      ...(remoteAddress === undefined ? {} : { remoteAddress }),
      ...requestField(call),
    });
  }

  async #admit(roles: ReadonlySet<CallerRole>, method: string, call: GateCall): Promise<Caller> {
    if (call.peer === LOCAL_PEER) {
      if (roles.has("local")) return { role: "local" };
      if (roles.has("any")) return { role: "any" };
      throw fail("denied", "callers on the admin socket are no agents and no downstream servers");
    }
    const connection = this.#options.connection(call.peer);
    if (connection === undefined) throw fail("unavailable", "the connection is closed");
    const { remoteAddress } = connection;
    if (roles.has("any")) return { role: "any", remoteAddress };
    const peer = await connection.identity.resolve();
    // A server below this one may have another SVID by now; SPIRE's shows it on a new connection alone.
    if (!roles.has("agent") && (peer.kind === "unknown" || peer.tainted)) connection.endSoon?.();
    if (peer.kind === "unknown") {
      const options = peer.reason === undefined ? {} : { reason: peer.reason };
      throw fail(peer.errorKind, peer.why, options);
    }
    setProvenId(call, peer.id);
    // For an agent that is as if it had never attested; it may do so anew.
    const { isRevoked } = this.#options;
    if (peer.presented.some(({ authorityId, serial }) => isRevoked(authorityId, serial))) {
      throw fail("denied", "client certificate was revoked", { reason: "AGENT_NOT_ATTESTED" });
    }
    // A tainted authority may be in wrong hands: its certificates are good for nothing but an agent's way out.
    if (peer.tainted && method !== RENEW_AGENT) {
      throw fail("denied", "client certificate chains to a tainted authority; renew it");
    }
    const role = await this.#roleOf(roles, peer);
    const { id, expiresAt, ipAddresses } = peer;
    return { role, id, svid: { expiresAt, ipAddresses }, remoteAddress };
  }

  async #roleOf(roles: ReadonlySet<CallerRole>, peer: KnownPeer): Promise<CallerRole> {
    if (roles.has("admin") || roles.has("downstream")) {
      const { items } = await this.#options.entries.list({ spiffeId: peer.id.toString() });
      const now = epochSeconds(this.#options.clock);
      const alive = items.filter(({ expiresAt }) => expiresAt === 0 || expiresAt >= now);
      for (const role of ENTRY_ROLES) {
        if (roles.has(role) && alive.some((entry: EntryRecord) => entry[role])) return role;
      }
    }
    if (roles.has("workload")) {
      const { entries, clock } = this.#options;
      const own = await entriesWithId(peer.id, entries, epochSeconds(clock));
      if (own.plain.length + own.members.length > 0) return "workload";
    }
    if (!roles.has("agent"))
      throw fail("denied", `'${peer.id.toString()}' has no role that may call it`);
    if (epochSeconds(this.#options.clock) > peer.expiresAt) {
      throw fail("denied", "agent SVID has expired", { reason: "AGENT_EXPIRED" });
    }
    await this.#options.checkActive(peer.id.toString(), peer.serial);
    return "agent";
  }
}

function requestField(call: GateCall): { readonly requestId?: string } {
  const requestId = knownRequestId(call);
  return requestId === undefined ? {} : { requestId };
}

function isAdministrator({ role }: Caller): boolean {
  return role === "local" || role === "admin" || role === "downstream";
}

function denied(method: string, { kind, message, reason }: AssayError): AssayError {
  return fail(
    kind,
    `authorization denied for method ${method}: ${message}`,
    reason === undefined ? {} : { reason },
  );
}

const READS = /\/(Get|List|Count)[A-Za-z0-9]*$/;
const LOCAL_PEER = "unix";
const RENEW_AGENT = "/spire.api.server.agent.v1.Agent/RenewAgent";
const ENTRY_ROLES = ["admin", "downstream"] as const;
