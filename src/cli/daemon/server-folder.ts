/** `assay server --data-dir DIR` on a folder that is all there is: a CA is made, its configuration found, its owner kept. */
import { chownSync, existsSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fail } from "../../base/errors.ts";
import { makeFolder } from "../../base/make-folder.ts";
import { DEFAULT_TRUST_DOMAIN } from "../../config/sections/common-settings.ts";
import { configInDataFolder } from "../../config/server/data-folder.ts";
import { makePrivateFolder } from "../../config/folders.ts";
import { type PathContext, defaultPaths, socketPathOf } from "../../config/paths.ts";
import { initCaFolder, isFreshFolder } from "../ca/ca-folder.ts";
import { usualCa } from "../ca/init.ts";
import type { CommandContext } from "../program/command.ts";
import { UsageError, orUsage } from "../program/grammar.ts";
import { currentUid } from "../connection/rpc-clients.ts";

export interface ServerFolder {
  /** The configuration in the data folder, which is this process's working folder then. */
  readonly found?: string;
  readonly who: PathContext;
}

/** @throws UsageError, denied */
export async function enterDataFolder(context: CommandContext): Promise<ServerFolder> {
  const { options, env, output } = context;
  if (options.text("config") !== undefined) {
    const stray = ["init", "as-owner"].find((name) => options.flag(name));
    if (stray === undefined) return { who: { uid: currentUid(), env } };
    throw new UsageError(`--${stray} has no meaning with --config, which names another place`);
  }
  const dir = resolve(
    options.text("data-dir") ?? defaultPaths({ uid: currentUid(), env }).serverData,
  );
  if (options.flag("as-owner")) becomeOwner(dir, context);
  const who = { uid: currentUid(), env };
  if (options.flag("init") && isFreshFolder(dir)) {
    const trustDomain = options.text("trust-domain") ?? DEFAULT_TRUST_DOMAIN;
    await initCaFolder(
      dir,
      orUsage(() => usualCa(trustDomain)),
    );
    output.note(`assay: made a CA in ${dir}`);
  }
  const found = configInDataFolder(dir);
  if (found === undefined) return { who };
  // Before anything in it is believed.
  makePrivateFolder(dir, "--data-dir");
  process.chdir(dir);
  return { found, who };
}

/** @throws UsageError when the configuration is for another folder than the one that it lies in */
export function checkSameFolder(found: string, dataDir: string): void {
  if (resolve(dirname(found)) === resolve(dataDir)) return;
  throw new UsageError(
    `dataDir in ${found} is another folder, ${dataDir}; leave it out, or name the file with --config`,
  );
}

/** What root has to make first is made: the folder of the admin socket. */
function becomeOwner(dir: string, { options, env }: CommandContext): void {
  if (process.geteuid?.() !== 0) return;
  if (!existsSync(dir))
    throw fail("not_found", `--as-owner: there is no folder ${dir}; mount one there`);
  const { uid, gid } = statSync(dir);
  if (uid === 0) return;
  const socket = options.text("socket") ?? defaultPaths({ uid, env }).serverSocket;
  const folder = dirname(socketPathOf(socket, "--socket"));
  const made = makeFolder(folder, 0o755);
  if (made !== undefined || isEmptyRuntime(folder)) chownSync(folder, uid, gid);
  process.setgroups?.([gid]);
  process.setgid?.(gid);
  process.setuid?.(uid);
}

/** Root's own, as an image has it. */
function isEmptyRuntime(folder: string): boolean {
  return folder.startsWith("/run/assay/") && statSync(folder).uid === 0;
}
