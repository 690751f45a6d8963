import { AsyncLocalStorage } from "node:async_hooks";
import type { AuditCaller } from "../../observe/audit.ts";

/** Where an event comes from: the call under way. */
export interface CallOrigin {
  readonly method: string;
  readonly requestId: string;
  readonly caller: AuditCaller;
}

/**
 * Knows the call that the present work is done for. An issuance is recorded deep below the API, where it cannot be
 * forgotten; who asked for it is known only above.
 */
export class CallScope {
  readonly #storage = new AsyncLocalStorage<CallOrigin>();

  /** Undefined outside of calls: the server acts by itself. */
  get origin(): CallOrigin | undefined {
    return this.#storage.getStore();
  }

  run<T>(origin: CallOrigin, work: () => T): T {
    return this.#storage.run(origin, work);
  }
}
