/** Makes X.509-SVIDs ahead of being asked: a new key for each, signed in batches. */
import { bytesEqual, concatBytes } from "../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { KeyType } from "../../keys/contract.ts";
import { type GeneratedKey, generateKey } from "../../keys/software-signer.ts";
import type { Logger } from "../../observe/logger.ts";
import { checkLeaf } from "../../spiffe/x509-svid.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { createCsr } from "../../x509/csr.ts";
import { type Entry, entryVersion } from "../cache/entry.ts";
import { type HeldSvid, handedOutUntil } from "../cache/svid-store.ts";
import { authorityOf } from "../identity/agent-svid.ts";
import { isTransient } from "../identity/node-attestation.ts";
import type { SignRequest, SignedSvid } from "../server-client/server-signer.ts";

/** What the maker needs of the server. */
export interface SvidSigner {
  signX509Svids(
    requests: readonly SignRequest[],
    signal: AbortSignal,
  ): Promise<readonly SignedSvid[]>;
}

export interface SvidMakerOptions {
  readonly signer: SvidSigner;
  readonly keyType: KeyType;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Called after each batch. */
  readonly onMade: (made: readonly HeldSvid[], failed: readonly Entry[]) => void;
}

interface Order {
  readonly entry: Entry;
  readonly key: GeneratedKey;
  readonly csr: Uint8Array;
}

export class SvidMaker {
  readonly #options: SvidMakerOptions;
  /** Halved when the server refuses a batch as a whole, doubled again with each success. */
  #batchSize = MAX_BATCH;

  constructor(options: SvidMakerOptions) {
    this.#options = options;
  }

  /**
   * Makes an SVID for each entry, in order.
   * @throws the server's refusal of a whole batch; what was made before that has been told
   */
  async make(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    for (let at = 0; at < entries.length; ) {
      signal.throwIfAborted();
      const batch = entries.slice(at, at + this.#batchSize);
      try {
        await this.#makeBatch(batch, signal);
        this.#batchSize = Math.min(MAX_BATCH, this.#batchSize * 2);
      } catch (thrown) {
        signal.throwIfAborted();
        const error = errorFrom(thrown);
        this.#batchSize = Math.max(1, Math.floor(batch.length / 2));
        // Halving has found the one that spoils every batch: the others need not wait for it.
        if (batch.length > 1 || isTransient(error)) throw error;
        this.#options.logger.warn("X.509-SVID not signed", { entry: batch[0]?.id, error });
        this.#options.onMade([], batch);
      }
      at += batch.length;
    }
  }

  async #makeBatch(entries: readonly Entry[], signal: AbortSignal): Promise<void> {
    const { signer, logger } = this.#options;
    const orders = await Promise.all(entries.map((entry) => this.#order(entry)));
    const answers = await signer.signX509Svids(
      orders.map(({ entry, csr }) => ({
        entryId: entry.id,
        csr,
        ...(entry.member === undefined ? {} : { member: entry.member }),
      })),
      signal,
    );
    const made: HeldSvid[] = [];
    const failed: Entry[] = [];
    orders.forEach((order, i) => {
      const result = this.#accept(order, answers[i]);
      if ("error" in result) {
        logger.warn("X.509-SVID not signed", { entry: order.entry.id, error: result.error });
        failed.push(order.entry);
      } else {
        made.push(result);
      }
    });
    this.#options.onMade(made, failed);
  }

  async #order(entry: Entry): Promise<Order> {
    const key = await generateKey(this.#options.keyType);
    const csr = await createCsr({ uris: [entry.spiffeId], signer: key.signer });
    return { entry, key, csr };
  }

  #accept(order: Order, answer: SignedSvid | undefined): HeldSvid | { error: AssayError } {
    if (answer === undefined) return { error: fail("internal", "the server sent no answer") };
    if ("error" in answer) return answer;
    try {
      return this.#check(order, answer.chain);
    } catch (error) {
      return { error: errorFrom(error) };
    }
  }

  /** What the server signed must be what was asked for: workloads get it unseen. */
  #check({ entry, key }: Order, ders: readonly Uint8Array[]): HeldSvid {
    const chain = ders.map(parseCertificate);
    const leaf = chain[0];
    if (leaf === undefined) throw fail("internal", "the server sent no certificate");
    const spiffeId = checkLeaf(leaf).toString();
    if (spiffeId !== entry.spiffeId) throw fail("internal", "the server signed another SPIFFE ID");
    if (!bytesEqual(leaf.publicKey, key.signer.publicKey)) {
      throw fail("internal", "the server signed another key");
    }
    const { clock, random } = this.#options;
    const now = epochSeconds(clock);
    if (leaf.notAfter <= now) throw fail("internal", "the server signed an expired SVID");
    if (handedOutUntil({ expiresAt: leaf.notAfter }) <= now) {
      throw fail("internal", "the server signed an SVID that ends at once: look at its authority");
    }
    if (leaf.notBefore > now + MAX_SKEW) {
      throw fail("internal", "the server signed an SVID of the future: compare the clocks");
    }
    const lifeMs = (leaf.notAfter - Math.max(now, leaf.notBefore)) * 1000;
    return {
      entryId: entry.id,
      version: entryVersion(entry),
      spiffeId,
      chain: concatBytes(ders),
      key: key.pkcs8,
      expiresAt: leaf.notAfter,
      // Half of its life, give or take a tenth of that: not everyone's at the same moment.
      renewAtMs: leaf.notAfter * 1000 - (lifeMs / 2) * (0.9 + 0.2 * random.unit()),
      authorityId: authorityOf(chain),
    };
  }
}

const MAX_BATCH = 500;
/** Seconds. */
const MAX_SKEW = 300;
