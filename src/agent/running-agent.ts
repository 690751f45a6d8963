import type { Clock } from "../base/clock.ts";
import type { AssayError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import type { AgentConfig } from "../config/agent/agent-config.ts";
import type { ConfigChange } from "../config/reload.ts";
import type { Logger, LogLevelSwitch } from "../observe/logger.ts";
import type { SpiffeId } from "../spiffe/spiffe-id.ts";

export interface AgentDependencies {
  readonly logger: Logger;
  /** The level of that logger, where it can be changed. */
  readonly logLevel?: LogLevelSwitch;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Milliseconds that a call waits for who its caller is; five seconds where it is not said. */
  readonly attestWithinMs?: number;
  /** Gives up a start that still waits for the server. */
  readonly signal?: AbortSignal;
  readonly version?: string;
}

export interface RunningAgent extends AsyncDisposable {
  /** Path of the Workload API socket. */
  readonly socket: string;
  readonly spiffeId: SpiffeId;
  /** Of metrics and health over HTTP, if they were asked for. */
  readonly metricsAddress: { readonly host: string; readonly port: number } | undefined;
  /** Syncs with the server now instead of at the next interval. */
  wake(): void;
  /** Takes over what of a new configuration can change now, all of it or, when it throws, nothing. */
  reload(load: () => Promise<ConfigChange<AgentConfig>>): Promise<void>;
  /** Why the agent stopped by itself (banned, expired, ...); `undefined` once it was disposed. */
  readonly stopped: Promise<AssayError | undefined>;
}
