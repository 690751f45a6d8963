import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Does the work while no other process on this machine does work under the same name: what two tests find missing is
 * built once.
 * @param path a file for the lock; its folder is made
 */
export async function oneAtATime<T>(path: string, work: () => Promise<T>): Promise<T> {
  await using lock = await locked(path, []);
  if (lock === undefined) throw new Error(`${path} cannot be locked`);
  return await work();
}

/** The same lock, held until it is given back; `undefined` where another process has it at this moment. */
export function tryLock(path: string): Promise<AsyncDisposable | undefined> {
  return locked(path, ["--nonblock"]);
}

/** The lock is the kernel's and ends with this process, however that ends. */
async function locked(
  path: string,
  flags: readonly string[],
): Promise<AsyncDisposable | undefined> {
  mkdirSync(dirname(path), { recursive: true });
  // It holds the lock until its input closes.
  const holder = spawn("flock", [...flags, path, "sh", "-c", "echo; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(holder, "close");
  const isHeld = await Promise.race([
    once(holder.stdout, "data").then(() => true),
    ended.then(() => false),
  ]);
  if (!isHeld) return undefined;
  return {
    async [Symbol.asyncDispose]() {
      holder.stdin.end();
      await ended;
    },
  };
}
