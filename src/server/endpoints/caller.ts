import type { EpochSeconds } from "../../base/clock.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { CallerRole } from "./authorization.ts";
import { fail } from "../../base/errors.ts";

/** Who makes a call, as the gate found it. */
export interface Caller {
  /** The role under which the call was let through. */
  readonly role: CallerRole;
  /** Absent for `any` and `local`. */
  readonly id?: SpiffeId;
  /** What the certificate says that proved the ID. */
  readonly svid?: {
    readonly expiresAt: EpochSeconds;
    /** Canonical. */
    readonly ipAddresses: readonly string[];
  };
  /** Absent on the admin socket, whose callers are not rate-limited. */
  readonly remoteAddress?: string;
}

/** The part of a call context that carries the caller from the gate to the handler. */
export interface CallerStore {
  readonly store: Map<symbol, unknown>;
}

export function setCaller(call: CallerStore, caller: Caller): void {
  call.store.set(CALLER, caller);
}

/** @throws internal when the gate did not run */
export function callerOf(call: CallerStore): Caller {
  const caller = call.store.get(CALLER);
  if (caller === undefined) throw fail("internal", "the call has not passed the gate");
  return caller as Caller; // only setCaller writes this key
}

/** The calling agent's ID. @throws internal when the caller is no agent */
export function agentOf(call: CallerStore): SpiffeId {
  const { role, id } = callerOf(call);
  if (role !== "agent" || id === undefined) throw fail("internal", "the caller is not an agent");
  return id;
}

/** Keeps the ID that the caller has proved, also when the call is refused. */
export function setProvenId(call: CallerStore, id: SpiffeId): void {
  call.store.set(PROVEN_ID, id);
}

export function provenIdOf(call: CallerStore): SpiffeId | undefined {
  return call.store.get(PROVEN_ID) as SpiffeId | undefined; // only setProvenId writes this key
}

const CALLER = Symbol("caller");
const PROVEN_ID = Symbol("proven ID");
