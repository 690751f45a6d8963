import { fail } from "../base/errors.ts";
import type { LogLevel, LogLevelSwitch } from "../observe/logger.ts";
import type { Logger } from "./gen/spire/api/types/Logger.ts";

/** The handlers of both Logger services, the server's and the agent's: their messages are the same. */
export interface LoggerHandlers {
  GetLogger(): Promise<Logger>;
  SetLogLevel(request: { readonly new_level: string | number }): Promise<Logger>;
  ResetLogLevel(): Promise<Logger>;
}

/** Reads and changes the level of this process's logs. Levels that there are not become the nearest that there is. */
export function loggerHandlers(levels: LogLevelSwitch): LoggerHandlers {
  const state = (): Logger => ({
    current_level: API_LEVELS[levels.current],
    launch_level: API_LEVELS[levels.launch],
  });
  return {
    async GetLogger() {
      return state();
    },
    async SetLogLevel({ new_level }) {
      const level = LEVELS.get(new_level);
      if (level === undefined) throw fail("invalid", "new_level: is not a log level");
      levels.set(level);
      return state();
    },
    async ResetLogLevel() {
      levels.set(levels.launch);
      return state();
    },
  };
}

const API_LEVELS = {
  debug: "DEBUG",
  info: "INFO",
  warn: "WARN",
  error: "ERROR",
} as const satisfies Record<LogLevel, string>;

const LEVELS: ReadonlyMap<string | number, LogLevel> = new Map([
  ["PANIC", "error"],
  ["FATAL", "error"],
  ["ERROR", "error"],
  ["WARN", "warn"],
  ["INFO", "info"],
  ["DEBUG", "debug"],
  ["TRACE", "debug"],
]);
