/** What a container is given: a folder of this host in memory, and variables that say what is in it. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import { makeFolder } from "../../base/make-folder.ts";
import { defaultPaths } from "../../config/paths.ts";
import type { IdentitySource } from "../../provision/identity.ts";
import { type IdentityFileNames, pemOf } from "../../provision/identity-files.ts";
import { isInMemory, memoryCandidates } from "../../provision/memory-folder.ts";
import type { CommandContext } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { currentUid } from "../connection/rpc-clients.ts";
import { SANS } from "./wanted-identity.ts";

/** A folder of this host that nobody else enters, in memory. @throws denied without one */
export function makeRoom({ env }: CommandContext): string {
  const { runtime } = defaultPaths({ uid: currentUid(), env });
  for (const candidate of [runtime, ...memoryCandidates(env)]) {
    try {
      const base = candidate === runtime ? join(runtime, "containers") : candidate;
      if (candidate === runtime) makeFolder(base, 0o711);
      if (!isInMemory(base)) continue;
      const room = mkdtempSync(join(base, "assay-"));
      mkdirSync(join(room, "given"), 0o755);
      chmodSync(join(room, "given"), 0o755);
      return room;
    } catch {
      // Not ours to write in: the next one.
    }
  }
  throw fail(
    "denied",
    "no folder of this host lies in memory and can be written to; mount a tmpfs",
  );
}

export function targetOf(dir: string | undefined, isToken: boolean): string {
  const target = dir ?? (isToken ? "/run/assay/provision" : "/run/assay/identity");
  if (/^\/[^,:]+$/.test(target)) return target;
  throw new UsageError("--dir is no absolute path in the container, or has a comma or colon in it");
}

export function identityEnvironment(
  { names }: IdentitySource,
  target: string,
  files: IdentityFileNames,
): Record<string, string> {
  return {
    COMMON_NAME: names.commonName,
    ASSAY_KEY_FILE: `${target}/${files.key}`,
    ASSAY_CERT_FILE: `${target}/${files.certificate}`,
    ASSAY_CA_FILE: `${target}/${files.authorities}`,
  };
}

/** By file: a variable, and a word of a command line, can be read by others. */
export function giveToken({
  token,
  source: { names, roots },
  owner,
  given,
  target,
  url,
}: {
  readonly token: string;
  readonly source: IdentitySource;
  readonly owner: { readonly uid?: number; readonly gid?: number };
  /** Folder of this host. */
  readonly given: string;
  readonly target: string;
  readonly url: string;
}): Record<string, string> {
  const file = join(given, "token");
  writeFileSync(file, token, { mode: 0o600 });
  chownSync(file, owner.uid ?? -1, owner.gid ?? -1);
  writeFileSync(join(given, "cacert.pem"), pemOf(roots), { mode: 0o644 });
  return {
    ASSAY_PROVISION_NAME: names.commonName,
    [SANS]: [...names.dnsNames, ...names.ipAddresses].join(","),
    ASSAY_PROVISION_SERVER: url,
    ASSAY_PROVISION_CA_FILE: `${target}/cacert.pem`,
    ASSAY_PROVISION_TOKEN_FILE: `${target}/token`,
  };
}
