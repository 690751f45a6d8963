import { chmod, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { makeFolder } from "./make-folder.ts";

/**
 * Replaces `path` so that a reader sees the old content or the new one, whatever happens and whenever:
 * a new file beside it, fsync, rename, fsync of the folder.
 * @param mode of the new file, whatever the umask; its owner's alone unless given
 */
export async function replaceFile(
  path: string,
  content: string | Uint8Array,
  mode = 0o600,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.new`);
  // Left over by a crash, or planted: never written through.
  await rm(temporary, { force: true });
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(content);
    if (mode !== 0o600) await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncFolder(folder);
}

/** Makes a new name in the folder survive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the folder (and those above it) if it is missing; only its owner may enter a folder made here. */
export async function ensurePrivateFolder(path: string): Promise<void> {
  const made = makeFolder(path, 0o700);
  if (made !== undefined) await chmod(path, 0o700);
}
