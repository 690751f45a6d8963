import { sleep, systemClock } from "../../base/clock.ts";
import { type ErrorKind, isKind } from "../../base/errors.ts";
import type { CommandContext } from "../program/command.ts";
import type { OptionSpec } from "../program/grammar.ts";

/** For scripts that start something and then use it. */
export const WAIT_OPTION: OptionSpec = {
  name: "wait",
  value: "DURATION",
  help: "keep trying for so long",
  fallback: "one attempt",
};

/** Runs `attempt` until it succeeds, fails in another way, or the time of `--wait` is over. */
export async function withWait<T>(
  { options, signal }: CommandContext,
  kinds: readonly ErrorKind[],
  attempt: () => Promise<T>,
  fallbackSeconds = 0,
): Promise<T> {
  const until = systemClock.nowMs() + (options.seconds("wait") ?? fallbackSeconds) * 1000;
  let retryMs = RETRY_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      if (!isKind(thrown, ...kinds) || systemClock.nowMs() >= until) throw thrown;
    }
    await sleep(systemClock, retryMs, signal);
    retryMs = Math.min(MAX_RETRY_MS, retryMs * 1.5);
  }
}

const RETRY_MS = 100;
const MAX_RETRY_MS = 1000;
