/** How the agent comes by its own SVID and keeps it: attest once, renew at half life, attest anew where it may. */
import type { NodeAttestorAgent, NodeProof } from "../../attestors/contract.ts";
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { AssayError, type ErrorKind, errorFrom, fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { type GeneratedKey, generateKey } from "../../keys/software-signer.ts";
import type { Logger } from "../../observe/logger.ts";
import { createCsr } from "../../x509/csr.ts";
import type { AttestedSvid } from "../server-client/server-client.ts";
import type { AgentIdentity } from "./agent-identity.ts";
import { type AgentSvid, authorityOf } from "./agent-svid.ts";

/** What attestation needs of the server. */
export interface NodeAdmitter {
  attest(proof: NodeProof, csr: Uint8Array, signal: AbortSignal): Promise<AttestedSvid>;
  renew(csr: Uint8Array, signal: AbortSignal): Promise<readonly Uint8Array[]>;
}

export interface NodeAttestationOptions {
  readonly identity: AgentIdentity;
  readonly server: NodeAdmitter;
  /** Absent when the operator gave nothing to prove the node with. */
  readonly attestor?: NodeAttestorAgent;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class NodeAttestation {
  readonly #options: NodeAttestationOptions;
  #attestor: NodeAttestorAgent | undefined;
  #renewAt: { readonly svid: AgentSvid; readonly ms: number } | undefined;

  constructor(options: NodeAttestationOptions) {
    this.#options = options;
    this.#attestor = options.attestor;
  }

  /** Proves the node so from the next attestation on. */
  proveWith(attestor: NodeAttestorAgent): void {
    this.#attestor = attestor;
  }

  /**
   * Proves the node and takes over its SVID.
   * @throws precondition when there is nothing to prove it with, or the server refuses the proof: trying again is
   * useless; unavailable and the like when it may help
   */
  async attest(signal: AbortSignal): Promise<AgentSvid> {
    const { identity, server, logger } = this.#options;
    const attestor = this.#attestor;
    if (attestor === undefined)
      throw fail("precondition", `this agent has no identity; ${NEXT_STEP}`);
    const proof = await attestor.prove(signal);
    let key: GeneratedKey;
    let answer: AttestedSvid;
    try {
      key = await identity.pendingKey();
      const csr = await createCsr({ uris: [], signer: key.signer });
      answer = await admitted(() => server.attest(proof, csr, signal), attestor);
    } finally {
      await proof.close?.();
    }
    const svid = await identity.adopt({ key: key.pkcs8, ...answer });
    logger.info("node attested", {
      spiffeId: svid.spiffeId.toString(),
      attestor: attestor.type,
      expiresAt: new Date(svid.expiresAt * 1000).toISOString(),
    });
    return svid;
  }

  /**
   * Renews the SVID when it is due. @returns milliseconds until it is due (again)
   * @throws precondition when it has expired and cannot be had anew
   */
  async keepFresh(taintedAuthorities: ReadonlySet<string>, signal: AbortSignal): Promise<number> {
    const { identity, clock } = this.#options;
    const attestor = this.#attestor;
    const svid = identity.svid;
    if (svid === undefined) throw fail("precondition", `this agent has no identity; ${NEXT_STEP}`);
    const now = epochSeconds(clock);
    const isTainted = taintedAuthorities.has(authorityOf(svid.chain));
    if (svid.expiresAt <= now) {
      if (svid.reattestable || attestor?.repeatable === true) {
        return this.#dueIn(await this.attest(signal));
      }
      throw fail("precondition", `the agent's SVID has expired; ${NEXT_STEP}`, { reason: EXPIRED });
    }
    if (isTainted) this.outdate();
    const dueInMs = this.#dueIn(svid);
    if (dueInMs > 0) return dueInMs;
    const renewed = svid.reattestable ? await this.#reattest(signal) : await this.#renew(signal);
    return this.#dueIn(renewed);
  }

  /** Whether the present SVID should have been renewed by now. */
  get isDue(): boolean {
    const { svid } = this.#options.identity;
    return svid !== undefined && this.#dueIn(svid) === 0;
  }

  /** Makes the present SVID due, though it is good. */
  outdate(): void {
    const { svid } = this.#options.identity;
    if (svid !== undefined) this.#renewAt = { svid, ms: 0 };
  }

  /** While the SVID lives, what refuses the proof may be put right: files renewed, authorities corrected. */
  async #reattest(signal: AbortSignal): Promise<AgentSvid> {
    try {
      return await this.attest(signal);
    } catch (thrown) {
      const error = errorFrom(thrown);
      if (error.kind !== "precondition" || error.reason !== undefined) throw error;
      throw fail("unavailable", error.message, { cause: error });
    }
  }

  async #renew(signal: AbortSignal): Promise<AgentSvid> {
    const { identity, server, logger } = this.#options;
    const key = await generateKey("ec-p256");
    const csr = await createCsr({ uris: [], signer: key.signer });
    const chain = await server.renew(csr, signal);
    const svid = await identity.adopt({ key: key.pkcs8, chain, reattestable: false });
    logger.info("agent SVID renewed", {
      spiffeId: svid.spiffeId.toString(),
      expiresAt: new Date(svid.expiresAt * 1000).toISOString(),
    });
    return svid;
  }

  /** At half its life, give or take a tenth of that, decided once for each SVID. */
  #dueIn(svid: AgentSvid): number {
    const { clock, random } = this.#options;
    if (this.#renewAt?.svid !== svid) {
      const lifeMs = (svid.expiresAt - svid.notBefore) * 1000;
      const ms = svid.expiresAt * 1000 - (lifeMs / 2) * (0.9 + 0.2 * random.unit());
      this.#renewAt = { svid, ms };
    }
    return Math.max(0, this.#renewAt.ms - clock.nowMs());
  }
}

async function admitted(
  ask: () => Promise<AttestedSvid>,
  attestor: NodeAttestorAgent,
): Promise<AttestedSvid> {
  try {
    return await ask();
  } catch (error) {
    throw refusal(errorFrom(error), attestor);
  }
}

/** A refusal of the proof itself is final; the operator learns what to do. */
function refusal(error: AssayError, attestor: NodeAttestorAgent): AssayError {
  if (isTransient(error)) return error;
  if (error.reason === "AGENT_BANNED") return bannedError(error, attestor.type === "join_token");
  return new AssayError(
    "precondition",
    `the server refused the node attestation (${attestor.type}): ${error.message}; ${attestor.repeatable ? NEXT_STEP_OF_REPEATABLE : NEXT_STEP}`,
    { cause: error, ...(error.reason === undefined ? {} : { reason: error.reason }) },
  );
}

/** True for errors after which the same call may well succeed later. */
export function isTransient({ kind }: AssayError): boolean {
  return TRANSIENT.includes(kind);
}

/** A new join token gives another ID, which is not banned; whatever else proves the host leads to the banned one again. */
export function bannedError(cause: AssayError, byJoinToken: boolean): AssayError {
  const nextStep = byJoinToken
    ? "start it with a new join token (assay token generate)"
    : "evict it at the server (assay agents evict), which ends the ban, and start it anew";
  return new AssayError(
    "precondition",
    `this agent is banned; to let its host join again, ${nextStep}`,
    { cause, reason: "AGENT_BANNED" },
  );
}

/** Reason of errors that say no more than that time ran out: what was signed before stays good. */
export const EXPIRED = "AGENT_EXPIRED";

export function refusedError(cause: AssayError): AssayError {
  return new AssayError(
    "precondition",
    `the server does not accept this agent's SVID any more; ${NEXT_STEP}`,
    { cause, ...(cause.reason === undefined ? {} : { reason: cause.reason }) },
  );
}

const TRANSIENT: readonly ErrorKind[] = [
  "unavailable",
  "deadline",
  "limited",
  "cancelled",
  "internal",
];
const NEXT_STEP_OF_REPEATABLE =
  "compare what this agent attests with to the server's settings for it";
const NEXT_STEP =
  "create a join token on the server (assay token generate) and start with --join-token-file";
