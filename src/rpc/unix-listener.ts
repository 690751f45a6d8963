import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { type Server, connect, createServer } from "node:net";
import { dirname } from "node:path";
import { fail } from "../base/errors.ts";
import { cannotListen } from "../base/listen.ts";
import { makeFolder } from "../base/make-folder.ts";

export interface SocketFileOptions {
  readonly path: string;
  readonly mode: number;
  readonly directoryMode?: number;
}

/**
 * Listens on a Unix socket that is never open to more than `mode`, not even for a moment.
 *
 * Throws `precondition` when a live server answers on the path or something there is no socket, `invalid` when the
 * path is too long.
 * @param server listens there; absent: a new one
 */
export async function listenOnSocketFile(
  options: SocketFileOptions,
  server: Server = createServer(),
): Promise<Server> {
  const { path, mode, directoryMode = 0o755 } = options;
  checkLength(path);
  try {
    makeFolder(dirname(path), directoryMode);
    await removeStale(path);
  } catch (thrown) {
    throw cannotListen(path, thrown);
  }
  const listening = new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", (cause) => reject(cannotListen(path, cause)));
  });
  // Node binds within the call, so no other code runs under this mask. It is narrower than any mode asked for.
  const before = process.umask(0o777 & ~(mode & 0o700));
  try {
    server.listen(path);
  } finally {
    process.umask(before);
  }
  await listening;
  chmodSync(path, mode);
  return server;
}

/** Makes nothing. @throws what `listenOnSocketFile` would throw for what is at the path now */
export async function probeSocketFile(path: string): Promise<void> {
  checkLength(path);
  try {
    await findStale(path);
  } catch (thrown) {
    throw cannotListen(path, thrown);
  }
}

function checkLength(path: string): void {
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH) return;
  throw fail(
    "invalid",
    `socket path is longer than ${MAX_SOCKET_PATH} bytes, choose a shorter one: ${path}`,
  );
}

async function removeStale(path: string): Promise<void> {
  if (await findStale(path)) unlinkSync(path);
}

/** @returns whether there is a socket that nobody serves @throws precondition when anything else is there */
async function findStale(path: string): Promise<boolean> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return false;
  if (!found.isSocket()) {
    throw fail("precondition", `${path} exists and is no socket, remove it or choose another path`);
  }
  if (await answers(path)) {
    throw fail("precondition", `another process serves ${path}, stop it or choose another path`);
  }
  return true;
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(false);
      else
        reject(
          fail("precondition", `cannot tell who serves ${path}: ${error.message}`, {
            cause: error,
          }),
        );
    });
  });
}

/** `sun_path` less its closing zero (unix(7)); macOS has four bytes less. */
const MAX_SOCKET_PATH = process.platform === "darwin" ? 103 : 107;
