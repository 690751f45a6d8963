/** A server and an agent as real processes on temporary folders, and client programs that talk to them. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { ClientProgram } from "../interop/toolchains.ts";
import { freePort } from "./free-port.ts";
import { PATIENCE_MS, untilDone } from "./patience.ts";

const exec = promisify(execFile);
const ASSAY = join(import.meta.dirname, "../../bin/assay");

export interface Event {
  readonly event: string;
  readonly [field: string]: unknown;
}

export class Stack implements AsyncDisposable {
  /** `unix:///...` of the Workload API. */
  readonly endpoint: string;
  readonly dir: string;
  readonly adminSocket: string;
  readonly #address: string;
  #server: ChildProcess | undefined;
  #agent: ChildProcess | undefined;
  readonly #clients = new Set<ChildProcess>();

  readonly #logLevel: string;
  readonly #serverOptions: readonly string[];
  readonly #agentOptions: readonly string[];

  private constructor(
    dir: string,
    port: number,
    logLevel: string,
    serverOptions: readonly string[],
    agentOptions: readonly string[],
  ) {
    this.dir = dir;
    this.#agentOptions = agentOptions;
    this.#serverOptions = serverOptions;
    this.#logLevel = `--log-level=${logLevel}`;
    this.endpoint = `unix://${dir}/agent/api.sock`;
    this.adminSocket = `${dir}/server.sock`;
    this.#address = `127.0.0.1:${port}`;
  }

  /** @param serverOptions more of `assay server`'s own, as `agentOptions` are of `assay agent`'s */
  static async start(
    logLevel = "warn",
    serverOptions: readonly string[] = [],
    agentOptions: readonly string[] = [],
  ): Promise<Stack> {
    const dir = mkdtempSync("/tmp/assay-interop-");
    chmodSync(dir, 0o755);
    const stack = new Stack(dir, await freePort(), logLevel, serverOptions, agentOptions);
    await stack.startServer();
    writeFileSync(`${dir}/bundle.pem`, await stack.assay("bundle", "show", "--format", "pem"));
    const token = JSON.parse(
      await stack.assay(
        "token",
        "generate",
        "--spiffe-id",
        "spiffe://example.org/host",
        "--output",
        "json",
      ),
    ) as { token: string };
    writeFileSync(`${dir}/token`, token.token, { mode: 0o600 });
    await stack.startAgent();
    return stack;
  }

  get agentPid(): number {
    return this.#agent?.pid ?? 0;
  }

  get serverPid(): number {
    return this.#server?.pid ?? 0;
  }

  async startServer(): Promise<void> {
    this.#server = spawn(
      ASSAY,
      [
        "server",
        "--trust-domain=example.org",
        `--data-dir=${this.dir}/server`,
        `--listen=${this.#address}`,
        `--socket=${this.adminSocket}`,
        this.#logLevel,
        ...this.#serverOptions,
      ],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    await untilDone("the server answers", () => this.assay("health", "--socket", this.adminSocket));
  }

  async startAgent(): Promise<void> {
    this.#agent = spawn(
      ASSAY,
      [
        "agent",
        "--trust-domain=example.org",
        `--server=${this.#address}`,
        `--data-dir=${this.dir}/agent-data`,
        `--socket=${this.dir}/agent/api.sock`,
        `--trust-bundle=${this.dir}/bundle.pem`,
        `--join-token-file=${this.dir}/token`,
        "--sync-interval=500ms",
        this.#logLevel,
        ...this.#agentOptions,
      ],
      { stdio: ["ignore", "inherit", "inherit"] },
    );
    await untilDone("the agent answers", () =>
      exec(ASSAY, ["health", "--socket", `${this.dir}/agent/api.sock`]),
    );
  }

  async restartAgent(): Promise<void> {
    await end(this.#agent);
    await this.startAgent();
  }

  /** Runs a client command of the program against the admin socket. */
  async assay(...args: string[]): Promise<string> {
    const { stdout } = await exec(ASSAY, args, {
      env: { ...process.env, ASSAY_SERVER_SOCKET: this.adminSocket },
    });
    return stdout;
  }

  async entry(path: string, selector: string, ...more: string[]): Promise<string> {
    const id = `spiffe://example.org${path}`;
    await this.assay(
      "entry",
      "create",
      "--spiffe-id",
      id,
      "--parent-id",
      "spiffe://example.org/host",
      "--selector",
      selector,
      ...more,
    );
    return id;
  }

  client(program: ClientProgram, args: readonly string[], uid?: number): Client {
    const child = spawn(program.command, [...program.args, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: this.endpoint },
      ...(uid === undefined ? {} : { uid, gid: uid, cwd: "/" }),
    });
    this.#clients.add(child);
    child.on("close", () => this.#clients.delete(child));
    child.on("error", () => child.stdout?.destroy()); // the reader then says that the client ended
    return new Client(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.kill("SIGKILL");
    await end(this.#agent);
    await end(this.#server);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A running client program: its JSON lines, one by one. */
export class Client {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(child: ChildProcess) {
    this.#child = child;
    if (child.stdout === null) throw new TypeError("the client's output is not a pipe");
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** The next event of this name; others are passed over, an `error` is thrown. */
  async next(event: string, withinMs = PATIENCE_MS): Promise<Event> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no '${event}' within ${withinMs} ms`)), withinMs);
    });
    try {
      for (;;) {
        const line = await Promise.race([this.#lines.next(), late]);
        if (line.done === true) throw new Error(`the client ended before '${event}'`);
        const said = JSON.parse(line.value) as Event;
        if (said.event === "error") throw new Error(String(said["message"]));
        if (said.event === event) return said;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes the client's standard input, which ends a watch. */
  finish(): Promise<number | null> {
    this.#child.stdin?.end();
    return new Promise((resolve) => {
      if (this.#child.exitCode !== null) resolve(this.#child.exitCode);
      else this.#child.on("close", resolve);
    });
  }

  stop(): void {
    this.#child.kill("SIGTERM");
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null) return;
  const closed = new Promise((resolve) => child.on("close", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 15_000);
  await closed;
  clearTimeout(timer);
}
