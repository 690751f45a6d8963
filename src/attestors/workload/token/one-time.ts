/**
 * Tokens that the server gave out for one entry. Each is spent when it is shown first, and stands for its connection
 * from then on: whoever shows it elsewhere comes too late.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../../base/clock.ts";
import { fail, isKind } from "../../../base/errors.ts";
import type { TokenConnection } from "./holders.ts";
import { FailedTries } from "./tries.ts";

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
  readonly #tries: FailedTries;
  #spending = 0;

  /** @param spend at the server; resolves with the entry's id. Not ended by a call that is given up on */
  constructor(spend: (token: string) => Promise<string>, clock: Clock) {
    this.#spend = spend;
    this.#tries = new FailedTries(clock);
  }

  /**
   * The id of the entry that the token is for: spent with the first call, remembered for the connection's others.
   * @param share the user, container or pod that it came from
   * @throws denied when it counts for nothing; limited; unavailable
   */
  async entryOf(token: string, connection: TokenConnection, share: string): Promise<string> {
    let entries = this.#entries.get(connection);
    if (entries === undefined) {
      entries = new Map();
      this.#entries.set(connection, entries);
    }
    const hash = createHash("sha256").update(token).digest("hex");
    const known = entries.get(hash);
    if (known !== undefined) return known;
    if (entries.size >= MAX_PER_CONNECTION || this.#spending >= MAX_SPENDING) {
      throw fail("limited", "too many one-time tokens at once; try again later");
    }
    this.#tries.take(share);
    const spent = this.#spendNow(token, share);
    entries.set(hash, spent);
    spent.catch(() => entries.delete(hash));
    return spent;
  }

  async #spendNow(token: string, share: string): Promise<string> {
    this.#spending += 1;
    try {
      const entryId = await this.#spend(token);
      this.#tries.giveBack(share);
      return entryId;
    } catch (cause) {
      if (!isKind(cause, "denied", "invalid")) {
        this.#tries.giveBack(share);
        throw cause;
      }
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
