import { closeSync } from "node:fs";
import { getSystemErrorName } from "node:util";
import { fail } from "../../../base/errors.ts";
import { libc } from "../../../base/libc.ts";

/**
 * Files of which it is to be known whether they are what they were: device numbers are given out again, and file number,
 * change time and size are what the next medium says. The kernel tells when a file changes, and when its file system goes,
 * before it gives the number to another (inotify(7), IN_UNMOUNT). Watching keeps nothing mounted.
 *
 * Node's own `watch` does not tell when the kernel had to leave something out (IN_Q_OVERFLOW). Here that counts as a
 * change of all files. Each file is told of once and watched no more then, so that nobody fills the queue with one file.
 */
export class FileWatches implements Disposable {
  #queue: Queue | undefined;
  /** By watch descriptor: one for each inode, whoever asked for it. */
  readonly #listeners = new Map<number, Set<() => void>>();

  /**
   * @param onChange called once, from `hear`
   * @returns ends the watching; safe to call twice, and when the file is closed
   * @throws the system's error, such as ENOSPC when there are too many watches (fs.inotify.max_user_watches)
   */
  watch(fd: number, onChange: () => void): () => void {
    const queue = (this.#queue ??= openQueue());
    const watch = queue.add(`/proc/self/fd/${fd}`);
    const listeners = this.#listeners.get(watch) ?? new Set();
    this.#listeners.set(watch, listeners);
    // The same function may be there for two.
    const listener = (): void => onChange();
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0 || this.#listeners.get(watch) !== listeners) return;
      this.#listeners.delete(watch);
      queue.remove(watch);
    };
  }

  /** Tells of all that the kernel knew when this was called. Costs a quarter of a microsecond when there is nothing. */
  hear(): void {
    this.#queue?.read((watch, mask) => {
      if ((mask & IN_Q_OVERFLOW) === 0) this.#tell(watch);
      else for (const lost of this.#listeners.keys()) this.#forget(lost);
    });
  }

  [Symbol.dispose](): void {
    this.#listeners.clear();
    this.#queue?.close();
    this.#queue = undefined;
  }

  /** It may be watched still: its event was left out. */
  #forget(watch: number): void {
    this.#queue?.remove(watch);
    this.#tell(watch);
  }

  #tell(watch: number): void {
    const listeners = this.#listeners.get(watch);
    this.#listeners.delete(watch);
    for (const listener of listeners ?? []) listener();
  }
}

/** Those of this process: the kernel grants a user only so many queues (fs.inotify.max_user_instances). */
export function fileWatches(): FileWatches {
  return (shared ??= new FileWatches());
}

let shared: FileWatches | undefined;

/** An inotify instance. */
interface Queue {
  /** @returns the watch descriptor: the same for the same inode while it is watched, and else one never used before */
  add(path: string): number;
  remove(watch: number): void;
  read(onEvent: (watch: number, mask: number) => void): void;
  close(): void;
}

function openQueue(): Queue {
  const c = libc();
  if (c === undefined) throw fail("unsupported", "files are watched on Linux only");
  const checked = (result: number, call: string): number => {
    if (result >= 0) return result;
    const code = getSystemErrorName(-c.errno());
    throw Object.assign(new Error(`${call} failed with ${code}`), { code });
  };
  const read = c.func("long read(int fd, void *buffer, unsigned long size)");
  const add = c.func("int inotify_add_watch(int fd, const char *path, unsigned int mask)");
  const remove = c.func("int inotify_rm_watch(int fd, int watch)");
  const init = c.func("int inotify_init1(int flags)");
  const fd = checked(init(IN_NONBLOCK | IN_CLOEXEC), "inotify_init1");
  const bytes = new Uint8Array(READ_BYTES);
  const words = new DataView(bytes.buffer);
  const isLittle = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;
  return {
    add: (path) => checked(add(fd, path, WANTED), "inotify_add_watch"),
    // One that has been told of is gone already.
    remove: (watch) => void remove(fd, watch),
    read(onEvent) {
      for (;;) {
        const length = read(fd, bytes, READ_BYTES);
        if (length <= 0) return;
        // struct inotify_event: watch, mask, cookie, length of the name that follows.
        for (let at = 0; at < length; at += 16 + words.getUint32(at + 12, isLittle)) {
          onEvent(words.getInt32(at, isLittle), words.getUint32(at + 4, isLittle));
        }
      }
    },
    close: () => closeSync(fd),
  };
}

const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;
const IN_Q_OVERFLOW = 0x4000;
/**
 * IN_MODIFY, IN_ATTRIB, IN_CLOSE_WRITE, IN_DELETE_SELF, IN_MOVE_SELF, IN_ONESHOT; IN_UNMOUNT and IN_IGNORED always
 * come. What is written to a mapping (on tmpfs without a new change time) is told of by nothing but its file's closing,
 * before which the kernel does not run it again.
 */
const WANTED = (0x2 | 0x4 | 0x8 | 0x400 | 0x800 | 0x80000000) >>> 0;
const READ_BYTES = 16 * 1024;
