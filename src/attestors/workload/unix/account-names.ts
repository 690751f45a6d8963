import { readFileSync, statSync } from "node:fs";
import type { Clock } from "../../../base/clock.ts";
import type { Logger } from "../../../observe/logger.ts";

/**
 * Names of ids from one account file (passwd(5) or group(5)), read anew within a second of a change. Accounts that live
 * elsewhere (LDAP and the like) have no name here; their ids still select.
 */
export class AccountNames {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #stamp = "";
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #names: ReadonlyMap<number, string> = new Map();

  constructor(path: string, clock: Clock, logger: Logger) {
    this.#path = path;
    this.#clock = clock;
    this.#logger = logger;
  }

  nameOf(id: number): string | undefined {
    return this.all().get(id);
  }

  /** All names by id, as the file has them now: the same map until it changes. */
  all(): ReadonlyMap<number, string> {
    this.#refresh();
    return this.#names;
  }

  #refresh(): void {
    const now = this.#clock.nowMs();
    if (Math.abs(now - this.#lookedAtMs) < LOOK_EVERY_MS) return;
    this.#lookedAtMs = now;
    try {
      const stat = statSync(this.#path, { bigint: true });
      const stamp = `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
      if (stamp === this.#stamp) return;
      if (stat.size > MAX_FILE_BYTES) throw new Error(`larger than ${MAX_FILE_BYTES} bytes`);
      this.#names = parseAccounts(readFileSync(this.#path, "utf8"));
      this.#stamp = stamp;
    } catch (error) {
      if (this.#stamp !== UNREADABLE) {
        this.#logger.warn("account names cannot be read; selectors by name are missing", {
          path: this.#path,
          error,
        });
      }
      this.#names = new Map();
      this.#stamp = UNREADABLE;
    }
  }
}

/** `name:password:id:...` lines; the first line with an id gives its name, as getpwuid(3) does. */
export function parseAccounts(text: string): Map<number, string> {
  const names = new Map<number, string>();
  for (const line of text.split("\n")) {
    const [name, , id] = line.split(":", 3);
    if (name === undefined || name === "" || id === undefined || !/^\d{1,10}$/.test(id)) continue;
    if (/^[#+-]/.test(name)) continue;
    if (!names.has(Number(id))) names.set(Number(id), name);
  }
  return names;
}

const LOOK_EVERY_MS = 1000;
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const UNREADABLE = "unreadable";
