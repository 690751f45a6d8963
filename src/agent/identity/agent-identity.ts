/**
 * The agent's own identity: key, SVID and the trust domain's bundle, kept on disk so that a restart needs no token.
 * It knows nothing of how they are obtained.
 */
import { bytesEqual, toHex } from "../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { type GeneratedKey, generateKey, signerFromPkcs8 } from "../../keys/software-signer.ts";
import type { Logger } from "../../observe/logger.ts";
import { encodeBundleRecord } from "../../spiffe/bundle-document.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { revokedServer } from "../../spiffe/server-leaf.ts";
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
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** What is on disk, as far as it is known. */
  #stored: StoredIdentity;
  #svid: AgentSvid | undefined;
  /** What is trusted now; a disk that is full does not keep the agent from following its server. */
  #bundle: Bundle | undefined;
  #cancelRewrite: () => void = () => undefined;
  #isClosed = false;
  #writing: Promise<void> = Promise.resolve();
  #revision = 0;
  #rootsRevision = 0;
  #server: readonly Uint8Array[] = [];

  private constructor(
    file: IdentityFile,
    lock: Disposable,
    stored: StoredIdentity,
    { clock, logger }: AgentIdentityOptions,
  ) {
    this.#file = file;
    this.#lock = lock;
    this.#clock = clock;
    this.#logger = logger;
    this.#stored = stored;
    this.#bundle = stored.bundle;
  }

  /** Locks the folder and loads what is there. @throws precondition, naming the next step */
  static async open(options: AgentIdentityOptions): Promise<AgentIdentity> {
    const { dir, trustDomain, clock, logger } = options;
    const lock = lockFolder(dir);
    try {
      const file = new IdentityFile(dir);
      const stored = (await file.load(trustDomain)) ?? { trustDomain };
      const identity = new AgentIdentity(file, lock, stored, options);
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
    return this.#bundle;
  }

  /** Rises whenever a connection to the server may not go on: an SVID is another or revoked, or a root is gone. */
  get revision(): number {
    return this.#revision;
  }

  /** Rises whenever a new connection would be checked against other roots. */
  get rootsRevision(): number {
    return this.#rootsRevision;
  }

  /** The chain, DER, by which the server is known on the connection: revocation lists to come may name it. */
  noteServer(chain: readonly Uint8Array[]): void {
    this.#server = chain;
  }

  /**
   * The key to attest with: one that waits for its answer since before a crash, or a new one. It is on disk before it
   * is returned, so that a lost answer can be asked for again with the same token.
   */
  async pendingKey(): Promise<GeneratedKey> {
    const pending = this.#stored.pendingKey;
    if (pending !== undefined) return { signer: signerFromPkcs8(pending), pkcs8: pending };
    const key = await generateKey("ec-p256");
    await this.#save((stored) => ({ ...stored, pendingKey: key.pkcs8 }));
    return key;
  }

  /** Takes over an SVID; it is on disk before it is used. @throws invalid when it is not this agent's */
  async adopt(stored: StoredSvid): Promise<AgentSvid> {
    const svid = agentSvid(stored, this.#stored.trustDomain);
    await this.#save((before) => ({ ...without(before, "pendingKey"), svid: stored }));
    this.#svid = svid;
    this.#revision += 1;
    return svid;
  }

  /** Forgets the SVID: the server does not accept it any more. */
  async drop(): Promise<void> {
    this.#svid = undefined;
    this.#revision += 1;
    const dropped = (before: StoredIdentity): StoredIdentity =>
      without(before, "svid", "pendingKey");
    try {
      await this.#save(dropped);
    } catch (error) {
      // It does not come back with what is written next.
      this.#stored = dropped(this.#stored);
      throw error;
    }
  }

  /**
   * Takes over the trust domain's bundle at once. One that cannot be written is used all the same, and written when it
   * can be. @returns false when it is the one there was
   */
  async setBundle(bundle: Bundle): Promise<boolean> {
    const before = this.#bundle;
    const isNew = before === undefined || !sameBundle(before, bundle);
    if (isNew || !sameLists(before, bundle)) {
      this.#bundle = bundle;
      this.#noteRoots(before, bundle);
      this.#noteLists(bundle);
    }
    await this.#writeBundle();
    return isNew;
  }

  /** Trusts another bundle until the next one comes; it is kept with whatever is written next. */
  trust(bundle: Bundle): void {
    this.#noteRoots(this.#bundle, bundle);
    this.#bundle = bundle;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelRewrite();
    this.#isClosed = true;
    await this.#writing;
    this.#lock[Symbol.dispose]();
  }

  #noteRoots(before: Bundle | undefined, after: Bundle): void {
    const [old, now] = [rootsOf(before), rootsOf(after)];
    const isGone = before === undefined || [...old].some((root) => !now.has(root));
    if (isGone) this.#revision += 1;
    if (isGone || now.size > old.size) this.#rootsRevision += 1;
  }

  #noteLists(bundle: Bundle): void {
    if (revokedServer(this.#server, bundle) === undefined) return;
    this.#logger.warn("the server's SVID was revoked; the agent connects anew");
    this.#server = [];
    this.#revision += 1;
  }

  async #writeBundle(): Promise<void> {
    const written = this.#stored.bundle;
    const bundle = this.#bundle;
    if (bundle === undefined || this.#isClosed) return;
    if (written !== undefined && sameBundle(written, bundle) && sameLists(written, bundle)) return;
    this.#cancelRewrite();
    try {
      await this.#save((stored) => stored);
    } catch (error) {
      this.#logger.error("the trust bundle is not on disk; it is used and written later", {
        error: errorFrom(error),
        retryMs: REWRITE_MS,
      });
      if (this.#isClosed) return;
      this.#cancelRewrite();
      this.#cancelRewrite = this.#clock.after(REWRITE_MS, () => void this.#writeBundle());
    }
  }

  /** @param change of what was written before, when it is this write's turn */
  #save(change: (stored: StoredIdentity) => StoredIdentity): Promise<void> {
    const write = this.#writing.then(async () => {
      const bundle = this.#bundle;
      const next = { ...change(this.#stored), ...(bundle === undefined ? {} : { bundle }) };
      await this.#file.save(next);
      this.#stored = next;
    });
    // The next write does not care how this one ended; its caller does.
    this.#writing = write.catch(() => undefined);
    return write;
  }
}

function rootsOf(bundle: Bundle | undefined): ReadonlySet<string> {
  return new Set((bundle?.x509Authorities ?? []).map(({ der }) => toHex(der)));
}

function without(
  stored: StoredIdentity,
  ...keys: readonly ("svid" | "pendingKey")[]
): StoredIdentity {
  const rest = { ...stored };
  for (const key of keys) delete rest[key];
  return rest;
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

/** Content, not sequence, decides; revocation lists are looked at apart. */
export function sameBundle(a: Bundle, b: Bundle): boolean {
  if (a === b) return true;
  return a.trustDomain === b.trustDomain && encodeBundleRecord(a) === encodeBundleRecord(b);
}

function sameLists({ crls: a = [] }: { crls?: readonly Uint8Array[] } = {}, b: Bundle): boolean {
  const { crls: others = [] } = b;
  return a.length === others.length && a.every((crl, i) => bytesEqual(crl, others[i] ?? NONE));
}

const NONE = new Uint8Array();
const REWRITE_MS = 10_000;
