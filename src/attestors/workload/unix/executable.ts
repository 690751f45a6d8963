import { createHash } from "node:crypto";
import { readlinkSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { type AssayError, fail, isKind } from "../../../base/errors.ts";
import type { Clock } from "../../../base/clock.ts";
import { LruMap } from "../../../base/lru.ts";
import {
  type FileLook,
  type LookedNow,
  isLocalFile,
  isStillThere,
  look,
  lookNamed,
  lookNamedNow,
  lookOf,
} from "./file-look.ts";
import { fileWatches } from "./file-watches.ts";
import { type Slotted, Slots } from "./slots.ts";

/** What runs: the path as the kernel names it, and the SHA-256 of its content. */
export interface Executable {
  /** As /proc/PID/exe reads: ` (deleted)` is appended by the kernel when the file was removed or replaced. */
  readonly path: string;
  /** Lower-case hex; absent when the file is larger than the bound, or not hashed yet. */
  readonly sha256?: string;
  /** The caller's patience was over before the hash, which goes on for the next one; or too many wait for theirs. */
  readonly isLate?: true;
}

/** On whose behalf a program is read. */
export interface ExecutableReader {
  /** In whose turn it is read and hashed. Default: root's. */
  readonly uid?: number;
  /** The end of the caller's patience. */
  readonly signal?: AbortSignal;
}

/** A program that was recognised at one moment. It counts once `isStill` says that it was no mixture of two. */
export interface ExecutableLook {
  readonly executable: Executable;
  /** Looks again. */
  readonly isStill: () => boolean;
}

export interface ExecutablesOptions {
  readonly procDir: string;
  /** Larger files have no hash; 0 = never hash. */
  readonly maxBytes: number;
  /** Default: by the file system's type. */
  readonly isLocal?: (path: string) => Promise<boolean>;
  /** For how long a hash is remembered whose file cannot be watched. */
  readonly clock: Pick<Clock, "nowMs">;
  /** Told why it cannot. */
  readonly onUnwatched?: (uid: number, thrown: unknown) => void;
}

/**
 * Reads executables through the /proc/PID/exe link, so that the running file is hashed whatever its path now leads to.
 * What is known is kept by device, inode, change time and size, never by PID, and while the file is watched: a medium that
 * is taken out and put in again may hold another program under the same numbers.
 *
 * The main thread never waits for a file system: whatever is not known goes through the thread pool, in a few slots,
 * for which users take turns. A program that several users run is hashed at the first turn of any of them.
 * A program that is known is recognised at once (`lookNow`) by what the kernel itself holds: its link and its inode.
 * Two things keep that from waiting. Only a path at which a local file system was found is looked at so, which leaves
 * out network file systems, whatever they make of AT_STATX_DONT_SYNC. And that flag keeps FUSE from asking its process,
 * so that a caller who mounts one over such a path in a namespace of its own holds up nobody.
 */
export class Executables {
  readonly #options: ExecutablesOptions;
  readonly #isLocal: (path: string) => Promise<boolean>;
  readonly #watches = fileWatches();
  readonly #programs = new LruMap<string, Program>(MAX_PROGRAMS, (program) => program.drop());
  /** Paths that led to a local file system when they were last seen, and the program last recognised there. */
  readonly #localPaths = new LruMap<string, LocalPath>(MAX_PROGRAMS);
  /** Looking takes microseconds and hashing seconds: neither waits for the other. */
  readonly #looking = new Slots(LOOKING);
  readonly #hashing = new Slots(HASHING);

  constructor(options: ExecutablesOptions) {
    this.#options = options;
    this.#isLocal = options.isLocal ?? isLocalFile;
  }

  /**
   * What `read` would find, where it is known and can be told without waiting; else `undefined`.
   *
   * The look again is at the file alone: a process that starts another file shows, and one that starts the same file by
   * another of its names runs the same program with the same rights, and did run it by the name that was read.
   */
  lookNow(pid: number): ExecutableLook | undefined {
    const link = this.#link(pid);
    const path = tryReadLink(link);
    const local = path === undefined ? undefined : this.#localPaths.get(path);
    if (path === undefined || local === undefined) return undefined;
    let { last } = local;
    if (last === undefined || !this.#isStill(link, last)) {
      last = this.#recognise(link, path);
      local.last = last;
    }
    if (last === undefined) return undefined;
    const recognised = last;
    return {
      executable: recognised.executable,
      isStill: () => this.#isStill(link, recognised),
    };
  }

  /** Looks first: what has those numbers then is another file only where the kernel has told that the first one is gone. */
  #isStill(link: string, { look: before, program }: Recognised): boolean {
    return isStillThere(link, before) && this.#holds(program);
  }

  #recognise(link: string, path: string): Recognised | undefined {
    const found = lookNamedNow(link);
    // It has started another one since its path was read.
    if (found?.path !== path) return undefined;
    const program = this.#programs.get(found.look.key);
    if (program?.known === undefined || !this.#holds(program)) return undefined;
    return { look: found.look, program, executable: executable(path, program.known.sha256) };
  }

  /** @throws unavailable when the link cannot be read or the process starts another program meanwhile */
  async read(pid: number, { uid = 0, signal }: ExecutableReader = {}): Promise<Executable> {
    const link = this.#link(pid);
    // The link itself is the kernel's and never waits for a file system; what it leads to may.
    const path = readLink(link);
    const hashed = this.#hashed(link, path, uid).catch(passLimited);
    const found = await (signal === undefined ? hashed : orAborted(hashed, signal));
    if (found !== undefined) return found;
    if (readLink(link) !== path) throw changed();
    return { path, isLate: true };
  }

  async #hashed(link: string, path: string, uid: number): Promise<Executable> {
    const first = await this.#looking.run(uid, () => lookNamed(link).catch(rethrowUnreadable));
    if (first.path !== path) throw changed();
    const { key, size } = first.look;
    const isMemory = path.startsWith(MEMORY);
    let program = isMemory ? undefined : this.#programs.get(key);
    if (program !== undefined && !this.#holds(program)) program = undefined;
    const isNew = program === undefined;
    if (program === undefined) program = this.#meet({ link, key, size }, uid);
    else program.join(uid);
    const known = await program.found;
    if (isMemory) program.drop();
    const isSame = !isNew || (await this.#look(link, uid)).key === key;
    this.#watches.hear();
    if (readLink(link) !== path || !isSame || program.hasChanged) throw changed();
    if (isMemory) return executable(path, known.sha256);
    if (!known.isLocal) this.#localPaths.delete(path);
    else if (this.#localPaths.get(path) === undefined) {
      this.#localPaths.set(path, { last: undefined });
    }
    return executable(path, known.sha256);
  }

  /** Whether a program still counts, by all that the kernel knows; drops one that was remembered unwatched for long enough. */
  #holds(program: Program): boolean {
    this.#watches.hear();
    const { unwatchedAtMs } = program;
    if (unwatchedAtMs !== undefined) {
      const ageMs = this.#options.clock.nowMs() - unwatchedAtMs;
      if (!(ageMs >= 0 && ageMs < UNWATCHED_MS)) program.drop();
    }
    return !program.isDropped;
  }

  #link(pid: number): string {
    return `${this.#options.procDir}/${pid}/exe`;
  }

  #look(link: string, uid: number): Promise<FileLook> {
    return this.#looking.run(uid, () => look(link).catch(rethrowUnreadable));
  }

  #meet(file: ProgramFile, uid: number): Program {
    const uids = new Set([uid]);
    let hashing: Slotted<string> | undefined;
    let stop: (() => void) | undefined;
    const found = this.#study(file, uid, () => {
      hashing = this.#hashing.start(uids, () => this.#hash(file, watchIt));
      return hashing.done;
    });
    const drop = (): void => {
      program.isDropped = true;
      stop?.();
      if (this.#programs.get(file.key) === program) this.#programs.delete(file.key);
    };
    const onChange = (): void => {
      program.hasChanged = true;
      drop();
    };
    const watchIt = (fd: number): void => {
      if (program.isDropped) return;
      try {
        stop = this.#watches.watch(fd, onChange);
      } catch (thrown) {
        this.#options.onUnwatched?.(uid, thrown);
        program.unwatchedAtMs = this.#options.clock.nowMs();
      }
    };
    const program: Program = {
      found,
      known: undefined,
      unwatchedAtMs: undefined,
      hasChanged: false,
      isDropped: false,
      drop,
      join(other) {
        if (hashing === undefined) uids.add(other);
        else hashing.join(other);
      },
    };
    this.#programs.set(file.key, program);
    found.then((known) => (program.known = known), drop);
    return program;
  }

  async #study(
    { link, key, size }: ProgramFile,
    uid: number,
    hash: () => Promise<string>,
  ): Promise<Known> {
    const isLocal = await this.#looking.run(uid, () =>
      this.#isLocal(link).catch(rethrowUnreadable),
    );
    if ((await this.#look(link, uid)).key !== key) throw changed();
    if (size > this.#options.maxBytes) return { isLocal };
    return { isLocal, sha256: await hash() };
  }

  /** @param onOpen told of the very file that is read, before it is */
  async #hash({ link, key }: ProgramFile, onOpen: (fd: number) => void): Promise<string> {
    await using file = await open(link, "r");
    if (lookOf(await file.stat({ bigint: true })).key !== key) throw changed();
    onOpen(file.fd);
    return await digest(file, this.#options.maxBytes);
  }
}

interface LocalPath {
  last: Recognised | undefined;
}

/** A program as it was recognised by what the kernel holds. */
interface Recognised {
  readonly program: Program;
  readonly look: LookedNow;
  /** The same object each time, so that what follows from it is worked out once. */
  readonly executable: Executable;
}

/** One content of one file. */
interface Program {
  readonly found: Promise<Known>;
  /** What `found` resolved with. */
  known: Known | undefined;
  /** Milliseconds since 1970, for one whose file cannot be watched. */
  unwatchedAtMs: number | undefined;
  /** The file did, or its file system went. */
  hasChanged: boolean;
  /** It is watched no more: good for those who wait for it, as it was held open until it was found, and for nobody else. */
  isDropped: boolean;
  drop(): void;
  /** Another user waits for it too. */
  join(uid: number): void;
}

/** A file that a process runs. */
interface ProgramFile {
  readonly link: string;
  readonly key: string;
  readonly size: number;
}

interface Known {
  readonly isLocal: boolean;
  readonly sha256?: string;
}

function executable(path: string, sha256: string | undefined): Executable {
  return sha256 === undefined ? { path } : { path, sha256 };
}

async function digest(file: FileHandle, maxBytes: number): Promise<string> {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (let total = 0; ; ) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) return hash.digest("hex");
    total += bytesRead;
    if (total > maxBytes) throw fail("unavailable", "the executable grew while it was hashed");
    hash.update(chunk.subarray(0, bytesRead));
  }
}

/** Undefined when the signal comes first. */
function orAborted<T>(found: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const onAbort = (): void => resolve(undefined);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([found, promise]).finally(() => signal.removeEventListener("abort", onAbort));
}

function readLink(link: string): string {
  try {
    return readlinkSync(link);
  } catch (cause) {
    throw unreadable(cause);
  }
}

function tryReadLink(link: string): string | undefined {
  try {
    return readlinkSync(link);
  } catch {
    return undefined; // `read` tells why
  }
}

function rethrowUnreadable(cause: unknown): never {
  throw unreadable(cause);
}

function passLimited(thrown: unknown): undefined {
  if (!isKind(thrown, "limited")) throw thrown;
}

function unreadable(cause: unknown): AssayError {
  return fail("unavailable", "the executable of the calling process cannot be read", { cause });
}

function changed(): AssayError {
  return fail("unavailable", "the calling process started another program meanwhile");
}

/**
 * How the kernel names memfd_create(2)'s files: they can be written to while they run, without a change time and without a
 * word. So each process's is hashed for itself.
 */
const MEMORY = "/memfd:";
/** Hashing each time is what a host without free watches could not bear. */
const UNWATCHED_MS = 60_000;
const CHUNK_BYTES = 256 * 1024;
const MAX_PROGRAMS = 1024;
/** A look takes microseconds; many processes of one user may come at once. */
const LOOKING = { max: 2, maxWaiting: 8192, maxWaitingEach: 2048 };
/** Programs, not processes. */
const HASHING = { max: 1, maxWaiting: 4096, maxWaitingEach: 256 };
