/**
 * The two kinds of attestors. Workload attestors run in the agent; a node attestor has an agent half that proves and
 * a server half that admits. Each workload attestor passes test/attestors/workload-conformance.ts.
 */
import type { EpochSeconds } from "../base/clock.ts";
import type { AssayError } from "../base/errors.ts";
import type { Selector } from "../spiffe/selector.ts";

/** A process as the kernel named it at `accept`, and as it was read again for this call. */
export interface ProcessFacts {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
  /** Supplementary group ids. */
  readonly groups: readonly number[];
}

/** Selectors that could not be found out for a process, while others were. */
export interface SelectorGap {
  /** Of the attestor's `names`; none where they are another type's, which the reason tells. */
  readonly names: readonly string[];
  readonly reason: string;
  /** Asking again may help: a caller that matches nothing then comes back instead of being refused. */
  readonly isTransient: boolean;
}

/** One call whose process is asked about. */
export interface AttestCall {
  /** Ends the asking: its deadline, or the call itself, is over. */
  readonly signal: AbortSignal;
  /** Told of each part that failed while the rest is answered. */
  readonly onGap: (gap: SelectorGap) => void;
  /** What came with the call to prove more than the kernel knows; for attestors that take tokens. */
  readonly token?: PresentedToken;
}

/** A token that came with a call, and whom it came from. */
export interface PresentedToken {
  /** As the caller sent it, believed by nobody yet; empty when it is malformed. */
  readonly token: string;
  /** The same object for all calls on one connection; not alive when it, or the process behind it, has ended. */
  readonly connection: { alive(): boolean };
  /**
   * Names the process for good (PID and start time).
   * @throws denied when it has ended
   */
  readonly process: () => string;
  /** Told from when on what was found with the token holds no more. */
  readonly onEnd: (at: EpochSeconds) => void;
}

/** Finds out facts about processes, as selectors of its own type. It runs beside the others, under one deadline. */
export interface WorkloadAttestor {
  /** The selector type it owns. */
  readonly type: string;
  /** Selector names it can emit (`uid` for `unix:uid:0`). */
  readonly names: readonly string[];
  /**
   * It looks at the token of a call, not at the process: asked about callers without a PID too (their facts have the
   * PID 0 and no groups), and not asked at once for a call without a token.
   */
  readonly takesTokens?: true;
  /** A call was refused before its token could be looked at, as one that is far too long; for whoever asks why. */
  noteUnread?(caller: Pick<ProcessFacts, "pid" | "uid">, error: AssayError): void;
  /**
   * Looks at the process where that needs no waiting: at what the kernel holds, never at what was seen before.
   * `undefined`: ask `attest`.
   */
  lookNow?(pid: number, moment?: Moment): WorkloadLook | undefined;
  /**
   * Facts about the process, read now. An error blinds no other attestor: it is logged with its reason.
   * @throws unavailable, denied, deadline
   */
  attest(process: ProcessFacts, call: AttestCall): Promise<readonly Selector[]>;
}

/**
 * One moment in which several attestors look, nothing being waited for in between: what one of them has read then serves
 * the others. Each moment is an object of its own.
 */
export type Moment = object;

/** What an attestor saw of a process at one moment. */
export interface WorkloadLook {
  /**
   * Looks again: whether all that it saw is still so. Absent where a process gains nothing by leaving what it was seen
   * in before its facts are read, as with its cgroups: it was there after it had called, and whatever it is by then it could
   * have been there (what else it may become, another program with another user's rights, shows in `unix`'s look).
   */
  isStill?(moment?: Moment): boolean;
  /**
   * What `attest` would find for a process with these facts that looks so. The same frozen array each time for equal
   * ones, so that what follows from it is worked out once.
   */
  selectors(process: ProcessFacts): readonly Selector[];
}

/** The agent's half of one attestation: `payload` first, then an answer to each challenge. */
export interface NodeProof {
  readonly type: string;
  readonly payload: Uint8Array;
  /** @param challenge as the server's half sent it. @throws precondition, invalid */
  respond(challenge: Uint8Array): Promise<Uint8Array>;
  /** Ends what the proof keeps open; called once the server has answered or failed. */
  close?(): Promise<void>;
}

/** The agent's half of a node attestor: it has what proves which node this is. */
export interface NodeAttestorAgent {
  readonly type: string;
  /** Can prove the node again at any time; a join token can but once. */
  readonly repeatable: boolean;
  /** @throws precondition when the host has nothing to prove itself with */
  prove(signal: AbortSignal): Promise<NodeProof>;
}

/** What the server's half found out. `agentPath` stands below `/spire/agent/<type>/`. */
export interface NodeAdmission {
  readonly agentPath: string;
  readonly selectors: readonly Selector[];
  readonly canReattest: boolean;
  /** SHA-256 hex of a join token that the admitting transaction spends; absent for other attestors. */
  readonly spendsToken?: string;
  /** A token that the admitting transaction binds to the agent's key: with another key it is refused from then on. */
  readonly bindsToken?: TokenBinding;
  /**
   * The proof is one that anyone on the host can have (a cloud's metadata service): the agent's ID is given out once,
   * and again only to the same key, until an operator evicts the agent.
   */
  readonly firstUseOnly?: true;
  /**
   * Where the agent would stand had its certificate's signature been written the other way, which anyone can do: who is
   * banned there is banned here.
   */
  readonly twinPath?: string;
}

/** What binds a token to the key that first used it. */
export interface TokenBinding {
  /** `VerifiedToken.fingerprint`. */
  readonly fingerprint: string;
  /** `VerifiedToken.refusedFrom`. */
  readonly until: EpochSeconds;
}

/** The server's half: it checks the proof and says which agent it is of. It stores nothing and signs nothing. */
export interface NodeAttestorServer {
  readonly type: string;
  /**
   * @param challenge sends a challenge to the agent and resolves with its answer
   * @param signal ends what the attestor waits for
   * @throws invalid (payload), denied (proof), not_found, unavailable
   */
  admit(
    payload: Uint8Array,
    challenge: (challenge: Uint8Array) => Promise<Uint8Array>,
    signal: AbortSignal,
  ): Promise<NodeAdmission>;
}
