/**
 * A container engine of a test's own, Docker's or Podman's, on its own folder and socket, with one image: busybox.
 * Programs of the host run in its containers through read-only mounts. Needs root.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "./patience.ts";

export const CHECKOUT = join(import.meta.dirname, "../..");
export const IMAGE = "localhost/assay-test:latest";

export interface ContainerOptions {
  readonly name?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly env?: readonly string[];
  readonly user?: string;
  /** `HOST:CONTAINER[:ro]`, beside the host's programs. */
  readonly mounts?: readonly string[];
  /** May mount, and is confined by nothing else. */
  readonly mayMount?: boolean;
  readonly cgroupNamespace?: "host" | "private";
  /** Sees the processes of the host, as an agent in a container has to. */
  readonly hostPids?: boolean;
}

export interface Container {
  readonly id: string;
  /** Of its first process, on the host. */
  readonly pid: number;
}

interface Inspected {
  readonly State: { readonly Pid: number; readonly ExitCode: number };
  readonly Image: string;
}

/** Speaks the Docker Engine API, in Docker's own dialect and in Podman's. */
export abstract class ContainerEngine implements AsyncDisposable {
  readonly socket: string;
  protected readonly dir: string;
  #daemon: ChildProcess | undefined;

  protected constructor(name: string) {
    this.dir = mkdtempSync(join(tmpdir(), `assay-${name}-`));
    this.socket = join(this.dir, `${name}.sock`);
  }

  /** What answers on the socket, as a command, with its environment. */
  protected abstract daemon(): {
    readonly command: readonly string[];
    readonly env?: NodeJS.ProcessEnv;
  };

  /** Ends what the daemon has left running. */
  protected endHelpers(): void {}

  get daemonPid(): number {
    return this.#daemon?.pid ?? 0;
  }

  /** @throws with the end of its log when it does not start */
  protected async begin(): Promise<void> {
    try {
      await this.startDaemon();
      await this.#importImage();
    } catch (error) {
      const log = readFileSync(join(this.dir, "log"), "utf8").slice(-2000);
      await this[Symbol.asyncDispose]();
      throw new Error(`the engine did not start: ${log}`, { cause: error });
    }
  }

  async startDaemon(): Promise<void> {
    const log = openSync(join(this.dir, "log"), "a");
    const { command, env = process.env } = this.daemon();
    // A test that is killed takes its daemon along.
    const daemon = spawn("setpriv", ["--pdeathsig=TERM", ...command], {
      stdio: ["ignore", log, log],
      env,
    });
    this.#daemon = daemon;
    await until("the daemon answers", async () => {
      if (daemon.exitCode !== null) throw new Error(`it ended with ${daemon.exitCode}`);
      const version = await this.#call("GET", "/version").catch(() => undefined);
      return version?.status === 200;
    });
  }

  async stopDaemon(signal: NodeJS.Signals): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const exited = once(daemon, "exit");
    daemon.kill(signal);
    await exited;
  }

  /** Starts a container that runs until it is removed. */
  async run(
    options: ContainerOptions = {},
    command: readonly string[] = ["/bin/sleep", "100000"],
  ): Promise<Container> {
    const id = await this.create(command, options);
    await this.#ok("POST", `/containers/${id}/start`);
    const { State } = await this.inspect(id);
    return { id, pid: State.Pid };
  }

  async create(command: readonly string[], options: ContainerOptions = {}): Promise<string> {
    const query = options.name === undefined ? "" : `?name=${options.name}`;
    const { Id } = await this.#ok<{ Id: string }>("POST", `/containers/create${query}`, {
      Image: IMAGE,
      Cmd: command,
      Labels: options.labels ?? {},
      Env: options.env ?? [],
      User: options.user ?? "",
      HostConfig: {
        NetworkMode: "none",
        ...(options.mayMount === true
          ? {
              CapAdd: ["SYS_ADMIN"],
              SecurityOpt: ["seccomp=unconfined", "apparmor=unconfined"],
            }
          : {}),
        PidMode: options.hostPids === true ? "host" : "",
        CgroupnsMode: options.cgroupNamespace ?? "host",
        Binds: bindsOf(options),
      },
    });
    return Id;
  }

  /** Runs a command as a container's first process, to its end. */
  async runOnce(command: readonly string[], options: ContainerOptions = {}): Promise<Output> {
    const id = await this.create(command, options);
    await this.#ok("POST", `/containers/${id}/start`);
    const { StatusCode } = await this.#ok<{ StatusCode: number }>("POST", `/containers/${id}/wait`);
    const logs = await this.#call("GET", `/containers/${id}/logs?stdout=1&stderr=1`);
    await this.remove(id);
    return { code: StatusCode, text: unframed(logs.body) };
  }

  /** `docker exec`, to its end. */
  async exec(id: string, command: readonly string[], user = ""): Promise<Output> {
    const { Id } = await this.#ok<{ Id: string }>("POST", `/containers/${id}/exec`, {
      AttachStdout: true,
      AttachStderr: true,
      Cmd: command,
      User: user,
    });
    const { body } = await this.#call("POST", `/exec/${Id}/start`, { Detach: false, Tty: false });
    const { ExitCode } = await this.#ok<{ ExitCode: number }>("GET", `/exec/${Id}/json`);
    return { code: ExitCode, text: unframed(body) };
  }

  inspect(id: string): Promise<Inspected> {
    return this.#ok("GET", `/containers/${id}/json`);
  }

  async rename(id: string, name: string): Promise<void> {
    await this.#ok("POST", `/containers/${id}/rename?name=${name}`);
  }

  async remove(id: string): Promise<void> {
    await this.#ok("DELETE", `/containers/${id}?force=1`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#daemon !== undefined) {
      const all = await this.#ok<{ Id: string }[]>("GET", "/containers/json?all=1").catch(() => []);
      await Promise.all(all.map(({ Id }) => this.remove(Id).catch(() => undefined)));
      await this.stopDaemon("SIGTERM");
    }
    this.endHelpers();
    const mounts = readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[4] ?? "")
      .filter((path) => path.startsWith(`${this.dir}/`));
    for (const path of mounts.reverse()) execFileSync("umount", ["-l", path]);
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #importImage(): Promise<void> {
    const root = join(this.dir, "root");
    for (const folder of ["bin", "proc", "sys", "dev", "etc", "tmp", "usr", "lib", "lib64"]) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    cpSync("/bin/busybox", join(root, "bin/busybox"));
    for (const applet of ["sh", "sleep", "cat", "mkdir", "mount", "unshare", "ls", "true"]) {
      symlinkSync("busybox", join(root, "bin", applet));
    }
    const tar = spawn("tar", ["-C", root, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
    // Podman reads no tag here: both engines call it `latest`.
    const path = `/images/create?fromSrc=-&repo=${IMAGE.slice(0, IMAGE.lastIndexOf(":"))}`;
    const { status, body } = await this.#send("POST", path, tar.stdout);
    if (status !== 200) throw new Error(body.toString());
  }

  async #ok<T>(method: string, path: string, payload?: object): Promise<T> {
    const { status, body } = await this.#call(method, path, payload);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${body.toString()}`);
    // What the engine of this test says is not checked.
    return (body.length === 0 ? {} : JSON.parse(body.toString())) as T;
  }

  #call(method: string, path: string, payload?: object): Promise<Reply> {
    return this.#send(method, path, payload === undefined ? undefined : JSON.stringify(payload));
  }

  #send(
    method: string,
    path: string,
    payload: string | NodeJS.ReadableStream | undefined,
  ): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const headers = { "content-type": "application/json", host: "docker" };
      const sent = request({ socketPath: this.socket, method, path, headers }, (answer) => {
        whole(answer).then((body) => resolve({ status: answer.statusCode ?? 0, body }), reject);
      });
      sent.on("error", reject);
      if (typeof payload === "object") payload.pipe(sent);
      else sent.end(payload);
    });
  }
}

export interface Output {
  readonly code: number;
  readonly text: string;
}

interface Reply {
  readonly status: number;
  readonly body: Buffer;
}

async function whole(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Standard output and error, which the engine frames: a type, three zeros, a length. */
function unframed(body: Buffer): string {
  let text = "";
  for (let at = 0; at + 8 <= body.length; ) {
    const end = at + 8 + body.readUInt32BE(at + 4);
    text += body.toString("utf8", at + 8, end);
    at = end;
  }
  return text;
}

/** `HOST:CONTAINER[:ro]` of all that is mounted into a container. */
export function bindsOf(options: ContainerOptions): string[] {
  return [...PROGRAMS, ...(options.mounts ?? [])];
}

/** Node and what it needs, at the places where they are. */
const PROGRAMS = ["/usr:/usr:ro", "/lib:/lib:ro", "/lib64:/lib64:ro", `${CHECKOUT}:${CHECKOUT}:ro`];
