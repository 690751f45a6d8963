import { writeSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { dirname } from "node:path";
import { systemClock } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { endNow } from "../program/end-now.ts";
import { systemRandom } from "../../base/random.ts";
import { type Logger, type LogLevel, LogLevelSwitch, createLogger } from "../../observe/logger.ts";
import { type CommandContext, EXIT_FAILURE } from "../program/command.ts";
import { watchHangups } from "./hangup.ts";
import type { Reloaded } from "./reload.ts";
import { trimWhenIdle } from "./trim-heap.ts";
import { programVersion } from "../version.ts";

/** What a daemon is given, beside its configuration. */
export interface DaemonTools {
  readonly logger: Logger;
  readonly logLevel: LogLevelSwitch;
  readonly clock: typeof systemClock;
  readonly random: typeof systemRandom;
  /** Aborted when the daemon is to stop, also while it starts. */
  readonly signal: AbortSignal;
  readonly version: string;
}

export interface DaemonParams<Running extends AsyncDisposable> {
  readonly context: CommandContext;
  readonly log: { readonly logLevel: LogLevel; readonly logFormat: "text" | "json" };
  readonly start: (tools: DaemonTools) => Promise<Running>;
  /** Rejects or resolves with the reason when the daemon ends by itself. */
  readonly ended?: (running: Running) => Promise<Error | undefined>;
  /** What `--ready-fd` is told. */
  readonly ready: (running: Running) => Readonly<Record<string, unknown>>;
  readonly socket: string;
  /** Reads the configuration again (SIGHUP). @throws why it did not; then nothing has changed */
  readonly reload: (running: Running) => Promise<Reloaded>;
}

/** Runs a server or an agent until it is asked to stop, then takes it down in order. */
export async function runDaemon<Running extends AsyncDisposable>(
  params: DaemonParams<Running>,
): Promise<undefined> {
  const { context } = params;
  const logLevel = new LogLevelSwitch(params.log.logLevel);
  const logger = createLogger({
    level: logLevel,
    format: params.log.logFormat,
    write: (line) => process.stderr.write(line),
    nowMs: () => systemClock.nowMs(),
  });
  const hangups = watchHangups(context, logger);
  const stop = AbortSignal.any([stopSignal(context), hangups.terminalGone]);
  const running = await startUnlessStopped(params.start, {
    logger,
    logLevel,
    clock: systemClock,
    random: systemRandom,
    signal: stop,
    version: programVersion(),
  });
  if (running === undefined) return undefined;
  try {
    announce(context, params.ready(running));
  } catch (thrown) {
    await running[Symbol.asyncDispose]();
    throw thrown;
  }
  hangups.begin(() => reloadLogged(params, running, { logger, logLevel }));
  const cancelTrim = trimWhenIdle({ clock: systemClock });
  const reason = await Promise.race([aborted(stop), params.ended?.(running) ?? aborted(stop)]);
  cancelTrim();
  logger.info("stopping");
  // A shutdown that hangs must not keep the machine waiting; its own grace periods are shorter.
  const forced = setTimeout(() => {
    logger.error("the shutdown took too long, ending at once");
    endNow(EXIT_FAILURE);
  }, FORCED_EXIT_MS);
  await hangups.end();
  await running[Symbol.asyncDispose]();
  clearTimeout(forced);
  // Only a folder that this start made alone is empty now; any other stays.
  if (context.options.flag("exit-with-stdin")) {
    await rmdir(dirname(params.socket)).catch(() => undefined);
  }
  logger.info("stopped");
  if (reason !== undefined) throw reason;
  return undefined;
}

async function reloadLogged<Running extends AsyncDisposable>(
  { reload }: DaemonParams<Running>,
  running: Running,
  { logger, logLevel }: Pick<DaemonTools, "logger" | "logLevel">,
): Promise<void> {
  try {
    const { logLevel: level, changes } = await reload(running);
    logLevel.relaunch(level);
    logger.info("configuration read again", {
      changed: changes.now,
      ...(changes.start.length === 0 ? {} : { atNextStart: changes.start }),
    });
  } catch (thrown) {
    logger.error("configuration not taken, nothing changed", { error: errorFrom(thrown) });
  }
}

/** Undefined when the daemon was stopped before it ran, which is no failure. */
async function startUnlessStopped<Running>(
  start: (tools: DaemonTools) => Promise<Running>,
  tools: DaemonTools,
): Promise<Running | undefined> {
  try {
    return await start(tools);
  } catch (thrown) {
    if (tools.signal.aborted && errorFrom(thrown).kind === "cancelled") return undefined;
    throw thrown;
  }
}

/** Also aborted when standard input ends, if `--exit-with-stdin` asks for it. */
function stopSignal({ options, signal }: CommandContext): AbortSignal {
  if (!options.flag("exit-with-stdin")) return signal;
  const closed = new AbortController();
  process.stdin.on("end", () => closed.abort());
  process.stdin.on("error", () => closed.abort());
  process.stdin.resume();
  // Listening for the end must not be what keeps a daemon alive that could not start; files have no `unref`.
  if ("unref" in process.stdin) process.stdin.unref();
  return AbortSignal.any([signal, closed.signal]);
}

function announce({ options }: CommandContext, facts: Readonly<Record<string, unknown>>): void {
  const text = options.text("ready-fd");
  if (text === undefined) return;
  const descriptor = Number(text);
  if (!/^\d{1,4}$/.test(text) || descriptor === 0) {
    throw fail("invalid", `--ready-fd: '${text}' is not the number of an open file descriptor`);
  }
  try {
    writeSync(descriptor, `${JSON.stringify(facts)}\n`);
  } catch (error) {
    throw fail("invalid", `--ready-fd: cannot write to file descriptor ${text}`, { cause: error });
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

const FORCED_EXIT_MS = 15_000;
