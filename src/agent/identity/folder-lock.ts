import { closeSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import { makeFolder } from "../../base/make-folder.ts";
import { native } from "../peer/native.ts";

/**
 * Keeps a second agent off the folder with an advisory lock, which the kernel drops with the process, however it ends.
 * Makes the folder (0700) when it is missing.
 * @throws precondition when another agent holds it, or others may write to it
 */
export function lockFolder(dir: string): Disposable {
  makeFolder(dir, 0o700);
  const mode = statSync(dir).mode & 0o777;
  if ((mode & 0o022) !== 0) {
    throw fail(
      "precondition",
      `others may write to the data folder ${dir} (mode ${mode.toString(8)}); run chmod 0700 on it or choose another`,
    );
  }
  const fd = openSync(join(dir, "lock"), "a", 0o600);
  let locked = false;
  try {
    locked = native().tryLock(fd);
    if (!locked) {
      throw fail(
        "precondition",
        `another agent runs on ${dir}; stop it, or give this one a --data-dir of its own`,
      );
    }
  } finally {
    if (!locked) closeSync(fd);
  }
  let held = true;
  return {
    [Symbol.dispose]() {
      if (held) closeSync(fd);
      held = false;
    },
  };
}
