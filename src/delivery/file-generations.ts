/**
 * A folder whose files change all at once. They lie in a generation of their own, `.generation-<hex>`; the link
 * `current` leads to it, and a link for each file leads through `current`. One rename of that link exchanges them all:
 * whoever opens `svid.pem` and then `key.pem` finds a pair unless the exchange came between, and whoever opens both
 * below one resolved `current` always does. A crash at any point leaves the old set or the new one.
 */
import { lstatSync } from "node:fs";
import { mkdir, open, readdir, readlink, rename, rm, rmdir, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { toHex } from "../base/bytes.ts";
import { syncFolder } from "../base/durable-file.ts";
import { AssayError, fail, hasCode } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { type OpenedFolder, openFolder } from "./opened-folder.ts";
import type { RenderedFile } from "./render.ts";
import { CURRENT } from "./target.ts";

export interface GenerationOptions {
  readonly dir: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly fileMode: number;
  readonly keyMode: number;
  readonly random: Random;
}

export class FileGenerations implements Disposable {
  readonly #options: GenerationOptions;
  #folder: OpenedFolder | undefined;
  /** Still there for those who resolved `current` a moment ago. */
  #previous: string | undefined;

  constructor(options: GenerationOptions) {
    this.#options = options;
  }

  /**
   * Puts the files in the place of those before. When it fails, those before stay.
   * @throws denied, invalid, conflict, unavailable (no space), with the next step
   */
  async write(files: readonly RenderedFile[]): Promise<void> {
    const { dir } = this.#options;
    try {
      const folder = this.#open();
      await this.#write(folder, files);
    } catch (error) {
      throw writeError(error, dir);
    }
  }

  /** Takes all of it away; the folder, too, when nothing else is in it. @throws as `write` */
  async remove(): Promise<void> {
    const { dir } = this.#options;
    if (lstatSync(dir, { throwIfNoEntry: false }) === undefined) return;
    try {
      const { path } = this.#open();
      await rm(`${path}/${CURRENT}`, { force: true });
      await removeLinks(path, []);
      await removeStale(path, []);
      await syncFolder(path);
      this[Symbol.dispose]();
      await rmdir(dir);
    } catch (error) {
      if (hasCode(error, "ENOTEMPTY")) return;
      throw writeError(error, dir);
    }
  }

  /** Whether the folder can be had at all, before anything is asked of the agent. @throws as `write` */
  check(): void {
    try {
      this.#open();
    } catch (error) {
      throw writeError(error, this.#options.dir);
    }
  }

  [Symbol.dispose](): void {
    this.#folder?.[Symbol.dispose]();
    this.#folder = undefined;
  }

  /** A folder that was taken away, or replaced, while this process runs is made and looked at again. */
  #open(): OpenedFolder {
    if (this.#folder?.isCurrent() === true) return this.#folder;
    this[Symbol.dispose]();
    this.#previous = undefined;
    this.#folder = openFolder(this.#options.dir);
    return this.#folder;
  }

  async #write({ path }: OpenedFolder, files: readonly RenderedFile[]): Promise<void> {
    const current = await targetOf(`${path}/${CURRENT}`);
    await removeStale(path, [current, this.#previous]);
    const name = `${PREFIX}${toHex(this.#options.random.bytes(8))}`;
    const generation = `${path}/${name}`;
    // Outside: what is there already is not ours to remove.
    await mkdir(generation, 0o700);
    try {
      await this.#fill(generation, files);
    } catch (error) {
      await rm(generation, { recursive: true, force: true }).catch(() => undefined);
      throw error;
    }
    const links = [...new Set(files.map(({ name }) => name.split("/")[0] ?? name))];
    const standing = await addLinks(path, links);
    await replaceLink(path, CURRENT, name);
    await syncFolder(path);
    // What was no link of ours is replaced when there is something behind the new one.
    for (const link of standing) await replaceLink(path, link, `${CURRENT}/${link}`);
    await removeLinks(path, links);
    await removeStale(path, [name, current]);
    this.#previous = current;
  }

  async #fill(generation: string, files: readonly RenderedFile[]): Promise<void> {
    const { fileMode, keyMode } = this.#options;
    const folders = new Set([generation]);
    for (const { name, content, isSecret } of files) {
      const file = `${generation}/${name}`;
      if (!folders.has(dirname(file))) await mkdir(dirname(file), 0o700);
      folders.add(dirname(file));
      await this.#writeFile(file, content, isSecret ? keyMode : fileMode);
    }
    // The innermost first: the generation can be entered when everything in it is as it should be.
    for (const folder of [...folders].reverse()) {
      const handle = await open(folder, "r");
      try {
        await handle.chmod(0o755);
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
  }

  /** Closed to everybody else until it is whole and has its owner. */
  async #writeFile(path: string, content: Uint8Array, mode: number): Promise<void> {
    const { uid, gid } = this.#options;
    const handle = await open(path, "wx", 0o600);
    try {
      await handle.writeFile(content);
      if (uid !== undefined || gid !== undefined) await handle.chown(uid ?? -1, gid ?? -1);
      await handle.chmod(mode);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

/** @returns those whose name is taken by something that is not our link */
async function addLinks(path: string, links: readonly string[]): Promise<string[]> {
  const standing: string[] = [];
  for (const link of links) {
    const wanted = `${CURRENT}/${link}`;
    if ((await targetOf(`${path}/${link}`)) === wanted) continue;
    try {
      await symlink(wanted, `${path}/${link}`);
    } catch (error) {
      if (!hasCode(error, "EEXIST")) throw error;
      standing.push(link);
    }
  }
  return standing;
}

/** Our links to files that are no more. */
async function removeLinks(path: string, kept: readonly string[]): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (!entry.isSymbolicLink() || kept.includes(entry.name)) continue;
    if ((await targetOf(`${path}/${entry.name}`)) !== `${CURRENT}/${entry.name}`) continue;
    await rm(`${path}/${entry.name}`, { force: true });
  }
}

/** A new link beside the old one, then one rename. */
async function replaceLink(path: string, name: string, target: string): Promise<void> {
  await rm(`${path}/${NEXT}`, { force: true });
  await symlink(target, `${path}/${NEXT}`);
  try {
    await rename(`${path}/${NEXT}`, `${path}/${name}`);
  } catch (error) {
    await rm(`${path}/${NEXT}`, { force: true }).catch(() => undefined);
    if (!hasCode(error, "EISDIR") && !hasCode(error, "ENOTEMPTY")) throw error;
    throw fail("invalid", `'${name}' is a folder there; move it away`, { cause: error });
  }
}

/** Generations that nobody is led to: of a crash, or before the last. */
async function removeStale(path: string, kept: readonly (string | undefined)[]): Promise<void> {
  for (const name of await readdir(path)) {
    if (!GENERATION.test(name) || kept.includes(name)) continue;
    await rm(`${path}/${name}`, { recursive: true, force: true });
  }
}

/** @returns undefined when it is no link */
async function targetOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (hasCode(error, "ENOENT") || hasCode(error, "EINVAL")) return undefined;
    throw error;
  }
}

function writeError(error: unknown, dir: string): unknown {
  if (error instanceof AssayError) {
    return error.message.includes(dir)
      ? error
      : fail(error.kind, `${dir}: ${error.message}`, { cause: error });
  }
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return fail("unavailable", `there is no space for new files in ${dir}; those before stay`, {
        cause: error,
      });
    case "EACCES":
    case "EROFS":
      return fail("denied", `no permission to write in ${dir}; those before stay`, {
        cause: error,
      });
    case "EPERM":
      return fail("denied", `no permission to give the files in ${dir} to that owner or group`, {
        cause: error,
      });
    default:
      return code === ""
        ? error
        : fail("unavailable", `cannot write the files in ${dir} (${code})`, { cause: error });
  }
}

const PREFIX = ".generation-";
const GENERATION = /^\.generation-[0-9a-f]{16}$/;
const NEXT = ".next";
