import { createHash } from "node:crypto";
import { accessSync, constants, lstatSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hasCode } from "../../base/errors.ts";

/**
 * A private folder for the sockets of `assay dev`, with a short path (socket paths have about a hundred bytes), the
 * same at each start on the same state folder, so that an exported SPIFFE_ENDPOINT_SOCKET stays right.
 */
export function makeRuntimeFolder(
  state: string,
  env: NodeJS.ProcessEnv,
  name: "assay-dev" | "assay-dev-agent" = "assay-dev",
): string {
  const tag = createHash("sha256").update(state).digest("hex").slice(0, 8);
  const uid = process.getuid?.() ?? 0;
  const session = env["XDG_RUNTIME_DIR"];
  const candidates = [
    ...(session?.startsWith("/") === true ? [join(session, `${name}-${tag}`)] : []),
    join(tmpdir(), `${name}-${uid}-${tag}`),
    `/tmp/${name}-${uid}-${tag}`,
  ];
  const folder = candidates.find((path) => path.length <= MAX_LENGTH && isOursAlone(path, uid));
  // Someone else sits on the name, which anyone can do in /tmp: take one that nobody can guess.
  return folder ?? mkdtempSync(`/tmp/${name}-`);
}

export function removeRuntimeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

function isOursAlone(path: string, uid: number): boolean {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if (!hasCode(error, "EEXIST")) return false;
  }
  try {
    const facts = lstatSync(path);
    accessSync(path, constants.W_OK);
    return facts.isDirectory() && facts.uid === uid && (facts.mode & 0o077) === 0;
  } catch {
    // Unreadable or gone: not ours.
    return false;
  }
}

/** Leaves room for `/server.sock` below the system's limit. */
const MAX_LENGTH = 80;
