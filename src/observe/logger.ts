/** Structured logs: constant message, data in fields; secrets never reach a field. */
export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;

export type LogLevel = (typeof LOG_LEVELS)[number];
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to each line. */
  child(fields: LogFields): Logger;
}

/** The least level that a process logs: as it was started, and as it is now. */
export class LogLevelSwitch {
  #launch: LogLevel;
  #rank: number;

  constructor(launch: LogLevel) {
    this.#launch = launch;
    this.#rank = LOG_LEVELS.indexOf(launch);
  }

  /** The configured level, which a reset goes back to. */
  get launch(): LogLevel {
    return this.#launch;
  }

  get current(): LogLevel {
    return LOG_LEVELS[this.#rank] ?? this.#launch;
  }

  /** Holds at once for every logger that was made with this switch. */
  set(level: LogLevel): void {
    this.#rank = LOG_LEVELS.indexOf(level);
  }

  /** The configuration names another level than before: it holds from now on, whatever was set meanwhile. */
  relaunch(level: LogLevel): void {
    if (level === this.#launch) return;
    this.#launch = level;
    this.set(level);
  }

  lets(rank: number): boolean {
    return rank >= this.#rank;
  }
}

export interface LoggerOptions {
  /** A switch, where the level is to change at run time. */
  readonly level: LogLevel | LogLevelSwitch;
  readonly format: "text" | "json";
  readonly write: (line: string) => void;
  readonly nowMs: () => number;
}

export function createLogger(options: LoggerOptions, bound: LogFields = {}): Logger {
  const levels =
    typeof options.level === "string" ? new LogLevelSwitch(options.level) : options.level;
  const at = (level: LogLevel) => {
    const rank = LOG_LEVELS.indexOf(level);
    return (message: string, fields: LogFields = {}): void => {
      if (levels.lets(rank))
        options.write(formatLine(options, level, message, { ...bound, ...fields }));
    };
  };
  return {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: (fields) => createLogger(options, { ...bound, ...fields }),
  };
}

/** Says nothing; for tests and clients. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

function formatLine(
  options: LoggerOptions,
  level: LogLevel,
  message: string,
  fields: LogFields,
): string {
  const time = new Date(options.nowMs()).toISOString();
  const plain = Object.fromEntries(
    Object.entries(fields).map(([key, value]) => [key, fieldValue(value)]),
  );
  if (options.format === "json") return `${JSON.stringify({ time, level, message, ...plain })}\n`;
  const rest = Object.entries(plain).map(([key, value]) => ` ${key}=${textValue(value)}`);
  return `${time} ${level.toUpperCase().padEnd(5)} ${message}${rest.join("")}\n`;
}

function fieldValue(value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  const { message, cause } = value;
  // What a sentence says already is not said twice.
  return cause instanceof Error && !message.includes(cause.message)
    ? `${message} (${cause.message})`
    : message;
}

/** As the JSON form would have it, for people: lists as `[a, b]`, objects as `{key=value, ...}`. */
function textValue(value: unknown): string {
  if (typeof value !== "object") return partText(value);
  return partText(JSON.parse(JSON.stringify(value)));
}

/** @param part what JSON can say */
function partText(part: unknown): string {
  if (Array.isArray(part)) return `[${part.map(partText).join(", ")}]`;
  if (typeof part === "object" && part !== null) {
    const fields = Object.entries(part).map(
      ([key, value]) => `${wordText(key)}=${partText(value)}`,
    );
    return `{${fields.join(", ")}}`;
  }
  return wordText(String(part));
}

/** Quotes whatever could be mistaken for another field, another part or another line. */
function wordText(text: string): string {
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text);
}
