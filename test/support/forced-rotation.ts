/** An operator who moves authorities on by hand, step by step, through any number of failures. */
import { isKind } from "../../src/base/errors.ts";
import type { FaultHistory } from "./fault-history.ts";
import type { FaultRig } from "./fault-rig.ts";

const SERVICE = "localauthority.v1.LocalAuthority";

export interface ForcedRotationParams {
  readonly rig: FaultRig;
  readonly history: FaultHistory;
  readonly kind: "X509" | "JWT";
  /** Whether agents have the authority: what they have not seen must not sign. */
  readonly isSeen: (authorityId: string) => boolean;
  /** Seconds after which nothing is in use any more that a tainted authority has signed. */
  readonly revokeAfter: number;
}

interface State {
  readonly authority_id: string;
  readonly expires_at: string;
}

export class ForcedRotation {
  readonly #params: ForcedRotationParams;
  #prepared: string | undefined;
  /** Tainted, with the time from which it may be revoked. */
  readonly #tainted: { readonly id: string; readonly from: number }[] = [];

  constructor(params: ForcedRotationParams) {
    this.#params = params;
  }

  /** Prepares, or activates what all have seen and taints the one before it, and revokes what is long tainted. */
  async step(): Promise<void> {
    const { isSeen, revokeAfter } = this.#params;
    const next = this.#prepared;
    if (next === undefined) {
      this.#prepared = await this.#do("Prepare", undefined);
    } else if (isSeen(next)) {
      const active = await this.#active();
      if (active !== next) await this.#do("Activate", next);
      this.#prepared = undefined;
      if (active !== next && (await this.#do("Taint", active)) !== undefined) {
        this.#tainted.push({ id: active, from: Date.now() + revokeAfter * 1000 });
      }
    }
    const [oldest] = this.#tainted;
    if (oldest !== undefined && oldest.from <= Date.now()) {
      await this.#do("Revoke", oldest.id);
      this.#tainted.shift();
    }
  }

  async #active(): Promise<string> {
    const { rig, kind } = this.#params;
    const { active } = await rig.call<{ readonly active: State | null }>(
      SERVICE,
      `Get${kind}AuthorityState`,
      {},
    );
    return active?.authority_id ?? "";
  }

  /** @returns the authority's ID; `undefined` when the server's own rotation came first */
  async #do(
    step: "Prepare" | "Activate" | "Taint" | "Revoke",
    id: string | undefined,
  ): Promise<string | undefined> {
    const { rig, history, kind } = this.#params;
    if (id !== undefined) history.authorityAsked(id, step);
    try {
      const answer = await rig.call<Readonly<Record<string, State | null>>>(
        SERVICE,
        `${step}${kind}Authority`,
        id === undefined ? {} : { authority_id: id },
      );
      const [state] = Object.values(answer);
      if (state === undefined || state === null) throw new Error(`no answer to ${step}`);
      history.authorityDone(state.authority_id, step, Number(state.expires_at));
      return state.authority_id;
    } catch (thrown) {
      // A repetition of what was done and not answered, or the server's own rotation came first.
      if (!isKind(thrown, "precondition", "not_found", "invalid")) throw thrown;
      if (step === "Activate") this.#prepared = undefined;
      return undefined;
    }
  }
}
