/** Real processes at the other end of a Unix socket, under other users where the test runs as root. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type Server, type Socket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new folder that goes away with the test. */
export function temporaryFolder(t: { teardown(fn: () => void): void }): string {
  const dir = mkdtempSync(join(tmpdir(), "assay-test-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** Listens on a fresh socket and hands out each accepted connection. */
export class Acceptor implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #accepted: Socket[] = [];
  readonly #waiting: ((socket: Socket) => void)[] = [];

  private constructor(path: string) {
    this.path = path;
    this.#server = createServer((socket) => {
      socket.on("error", () => undefined);
      const next = this.#waiting.shift();
      if (next === undefined) this.#accepted.push(socket);
      else next(socket);
    });
  }

  static async listen(path: string): Promise<Acceptor> {
    const acceptor = new Acceptor(path);
    acceptor.#server.listen({ path, readableAll: true, writableAll: true });
    await once(acceptor.#server, "listening");
    return acceptor;
  }

  accept(): Promise<Socket> {
    const socket = this.#accepted.shift();
    if (socket !== undefined) return Promise.resolve(socket);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A process that connects to `path` and stays until its standard input closes. */
export function connectingProcess(
  path: string,
  ids: { uid?: number; gid?: number } = {},
): ChildProcess {
  const script = `require("node:net").connect(process.argv[1]).on("error",()=>{}).resume();
    process.stdin.resume().on("end",()=>process.exit());`;
  return spawn(process.execPath, ["-e", script, path], {
    stdio: ["pipe", "inherit", "inherit"],
    ...ids,
  });
}

/** Ends a process and waits until the kernel has collected it. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}
