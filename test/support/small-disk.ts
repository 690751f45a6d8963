/** A disk that can be filled to its last byte. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, truncateSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A file system of this size on the folder. */
export function smallDisk(dir: string, megabytes: number): Disposable {
  mkdirSync(dir, { mode: 0o700 });
  if (process.geteuid?.() !== 0) {
    throw new Error("this test mounts a small tmpfs: run it as root");
  }
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,mode=0700`, "assay-faults", dir]);
  return { [Symbol.dispose]: () => void execFileSync("umount", ["-l", dir]) };
}

/** Leaves not one byte. @returns makes room again */
export function fill(dir: string): () => void {
  const path = join(dir, BALLAST);
  for (let bytes = 1 << 20; bytes >= 1; bytes >>= 1) {
    for (;;) {
      try {
        writeFileSync(path, Buffer.alloc(bytes), { flag: "a" });
      } catch {
        break;
      }
    }
  }
  return () => rmSync(path);
}

/** So many bytes of a disk that was filled, and no more. */
export function giveBack(dir: string, bytes: number): void {
  const path = join(dir, BALLAST);
  truncateSync(path, Math.max(0, statSync(path).size - bytes));
}

const BALLAST = "ballast";
