import type { Clock } from "../../base/clock.ts";
import type { Logger } from "../../observe/logger.ts";
import type { GrpcHandler } from "./call.ts";
import type { RequestBudget } from "./request-reader.ts";

/** What a connection needs of its server. */
export interface GrpcHost<C> {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly routes: ReadonlyMap<string, GrpcHandler<C>>;
  /** Told of calls that were refused before they were read, and why. */
  readonly onUnread?: ((context: C, error: Error) => void) | undefined;
  /** Number of sweeps so far: the clock of everything that may take seconds. */
  readonly sweep: number;
}

/** What a call needs of its connection. */
export interface CallOwner<C> {
  readonly host: GrpcHost<C>;
  readonly context: C;
  readonly budget: RequestBudget;
  /** Counts a frame as held for the client; false when that would be more than the bound. */
  hold(frame: Uint8Array): boolean;
  release(frame: Uint8Array): void;
  /** The client has taken something. */
  progress(): void;
  /** The stream of a call made by this connection is closed. */
  forget(call: object): void;
}
