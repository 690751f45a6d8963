/**
 * The agent's own identity: key, SVID and the trust domain's bundle, kept on disk so that a restart needs no token.
 * It knows nothing of how they are obtained.
 */
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { type GeneratedKey, generateKey, signerFromPkcs8 } from "../../keys/software-signer.ts";
import type { Logger } from "../../observe/logger.ts";
import { encodeBundleRecord } from "../../spiffe/bundle-document.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { type AgentSvid, agentSvid } from "./agent-svid.ts";
import { lockFolder } from "./folder-lock.ts";
import { IdentityFile, type StoredIdentity, type StoredSvid } from "./identity-file.ts";

export interface AgentIdentityOptions {
  readonly dir: string;
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class AgentIdentity implements AsyncDisposable {
  readonly #file: IdentityFile;
  readonly #lock: Disposable;
  #stored: StoredIdentity;
  #svid: AgentSvid | undefined;
  #writing: Promise<void> = Promise.resolve();
  #revision = 0;

  private constructor(file: IdentityFile, lock: Disposable, stored: StoredIdentity) {
    this.#file = file;
    this.#lock = lock;
    this.#stored = stored;
  }

  /** Locks the folder and loads what is there. @throws precondition, naming the next step */
  static async open(options: AgentIdentityOptions): Promise<AgentIdentity> {
    const { dir, trustDomain, clock, logger } = options;
    const lock = lockFolder(dir);
    try {
      const file = new IdentityFile(dir);
      const stored = (await file.load(trustDomain)) ?? { trustDomain };
      const identity = new AgentIdentity(file, lock, stored);
      if (stored.svid === undefined) return identity;
      const svid = loadSvid(stored.svid, trustDomain, file.path);
      if (svid.expiresAt > epochSeconds(clock)) {
        identity.#svid = svid;
      } else {
        logger.warn("the stored agent SVID has expired", {
          spiffeId: svid.spiffeId.toString(),
          expiresAt: svid.expiresAt,
        });
      }
      return identity;
    } catch (error) {
      lock[Symbol.dispose]();
      throw error;
    }
  }

  get svid(): AgentSvid | undefined {
    return this.#svid;
  }

  get bundle(): Bundle | undefined {
    return this.#stored.bundle;
  }

  /** Rises whenever SVID or bundle change. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * The key to attest with: one that waits for its answer since before a crash, or a new one. It is on disk before it
   * is returned, so that a lost answer can be asked for again with the same token.
   */
  async pendingKey(): Promise<GeneratedKey> {
    const pending = this.#stored.pendingKey;
    if (pending !== undefined) return { signer: signerFromPkcs8(pending), pkcs8: pending };
    const key = await generateKey("ec-p256");
    await this.#save({ ...this.#stored, pendingKey: key.pkcs8 });
    return key;
  }

  /** Takes over an SVID; it is on disk before it is used. @throws invalid when it is not this agent's */
  async adopt(stored: StoredSvid): Promise<AgentSvid> {
    const svid = agentSvid(stored, this.#stored.trustDomain);
    const { pendingKey: _, ...rest } = this.#stored;
    await this.#save({ ...rest, svid: stored });
    this.#svid = svid;
    this.#revision += 1;
    return svid;
  }

  /** Forgets the SVID: the server does not accept it any more. */
  async drop(): Promise<void> {
    this.#svid = undefined;
    this.#revision += 1;
    const { svid: _, pendingKey: __, ...rest } = this.#stored;
    await this.#save(rest);
  }

  /** Takes over the trust domain's bundle. @returns false when it is the one there was */
  async setBundle(bundle: Bundle): Promise<boolean> {
    const before = this.#stored.bundle;
    if (before !== undefined && sameBundle(before, bundle)) return false;
    await this.#save({ ...this.#stored, bundle });
    this.#revision += 1;
    return true;
  }

  /** Trusts another bundle until the next one comes, without keeping it. */
  trust(bundle: Bundle): void {
    this.#stored = { ...this.#stored, bundle };
    this.#revision += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing;
    this.#lock[Symbol.dispose]();
  }

  #save(next: StoredIdentity): Promise<void> {
    this.#stored = next;
    const write = this.#writing.then(() => this.#file.save(next));
    // The next write does not care how this one ended; its caller does.
    this.#writing = write.catch(() => undefined);
    return write;
  }
}

function loadSvid(stored: StoredSvid, trustDomain: string, path: string): AgentSvid {
  try {
    return agentSvid(stored, trustDomain);
  } catch (cause) {
    throw fail(
      "precondition",
      `the SVID in ${path} cannot be used; move the file away and attest again with a new join token (assay token generate)`,
      { cause },
    );
  }
}

/** Content, not sequence, decides. */
export function sameBundle(a: Bundle, b: Bundle): boolean {
  return a.trustDomain === b.trustDomain && encodeBundleRecord(a) === encodeBundleRecord(b);
}
