/**
 * Tokens that the server gave out for one entry. Each is spent when it is shown first, and stands for its connection
 * from then on: whoever shows it elsewhere comes too late.
 */
import { createHash } from "node:crypto";
import { fail, isKind } from "../../../base/errors.ts";
import type { TokenConnection } from "./holders.ts";

/** The issuer's alias in selectors: `token:once:entry:ID`. */
export const ONE_TIME_ALIAS = "once";

/** As the server makes them. */
export function isOneTimeToken(token: string): boolean {
  return /^once-[\w-]{43}$/.test(token);
}

export class OneTimeTokens {
  readonly #spend: (token: string) => Promise<string>;
  /** By connection and the token's hash, for as long as the connection is held by anyone. */
  readonly #entries = new WeakMap<TokenConnection, Map<string, Promise<string>>>();
  #spending = 0;

  /** @param spend at the server; resolves with the entry's id. Not ended by a call that is given up on */
  constructor(spend: (token: string) => Promise<string>) {
    this.#spend = spend;
  }

  /**
   * The id of the entry that the token is for: spent with the first call, remembered for the connection's others.
   * @throws denied when it counts for nothing; limited; unavailable
   */
  entryOf(token: string, connection: TokenConnection): Promise<string> {
    let entries = this.#entries.get(connection);
    if (entries === undefined) {
      entries = new Map();
      this.#entries.set(connection, entries);
    }
    const hash = createHash("sha256").update(token).digest("hex");
    const known = entries.get(hash);
    if (known !== undefined) return known;
    if (entries.size >= MAX_PER_CONNECTION || this.#spending >= MAX_SPENDING) {
      return Promise.reject(fail("limited", "too many one-time tokens at once; try again later"));
    }
    const spent = this.#spendNow(token);
    entries.set(hash, spent);
    spent.catch(() => entries.delete(hash));
    return spent;
  }

  async #spendNow(token: string): Promise<string> {
    this.#spending += 1;
    try {
      return await this.#spend(token);
    } catch (cause) {
      if (!isKind(cause, "denied", "invalid")) throw cause;
      // Which of these, the server's audit log knows.
      throw fail(
        "denied",
        "one-time token is unknown, was spent or has expired, or is for another host; have a new one made",
        { cause },
      );
    } finally {
      this.#spending -= 1;
    }
  }
}

const MAX_PER_CONNECTION = 16;
const MAX_SPENDING = 64;
