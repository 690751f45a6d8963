/** A server and an agent as processes that a test kills, starves or starts elsewhere in time. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  mkdtempSync,
  openSync,
  closeSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { type Channel, connectTls, connectUnix } from "../../src/rpc/channel.ts";
import type { BatchCreateEntryResponse__Output } from "../../src/rpc/gen/spire/api/server/entry/v1/BatchCreateEntryResponse.ts";
import type { Bundle__Output } from "../../src/rpc/gen/spire/api/types/Bundle.ts";
import type { JoinToken__Output } from "../../src/rpc/gen/spire/api/types/JoinToken.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { parseSelector } from "../../src/spiffe/selector.ts";
import { createCsr } from "../../src/x509/csr.ts";
import type { Signer } from "../../src/keys/contract.ts";
import type { AttestAgentRequest } from "../../src/rpc/gen/spire/api/server/agent/v1/AttestAgentRequest.ts";
import type { AttestAgentResponse__Output } from "../../src/rpc/gen/spire/api/server/agent/v1/AttestAgentResponse.ts";
import { PATIENCE_MS } from "./patience.ts";
import { freePort } from "./free-port.ts";

const ASSAY = join(import.meta.dirname, "../../bin/assay");
const DOMAIN = "example.org";

/** How a process is started, beside its own options. */
export interface Launch {
  readonly options?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Goes before the program: `["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh"]`. */
  readonly wrapper?: readonly string[];
}

export interface RigOptions {
  readonly server?: Launch;
  readonly agent?: Launch;
}

/** A process of the program, its log in a file. */
export class Daemon {
  readonly child: ChildProcess;
  /** What it says on `--ready-fd`; `undefined` when it ended before. */
  readonly ready: Promise<Record<string, unknown> | undefined>;
  readonly gone: Promise<void>;
  readonly #log: string;
  #over = false;

  constructor(log: string, args: readonly string[], { env = {}, wrapper = [] }: Launch) {
    this.#log = log;
    const [command, ...rest] = [...wrapper, ASSAY, ...args, "--ready-fd=3"];
    const file = openSync(log, "a");
    this.child = spawn(command, rest, {
      stdio: ["ignore", file, file, "pipe"],
      env: { ...process.env, ...env },
    });
    closeSync(file);
    this.gone = once(this.child, "exit").then(() => {
      this.#over = true;
    });
    const lines = createInterface({ input: this.child.stdio[3] as Readable });
    this.ready = Promise.race([
      once(lines, "line").then(([line]) => JSON.parse(String(line)) as Record<string, unknown>),
      this.gone.then(() => undefined),
    ]);
  }

  get running(): boolean {
    return !this.#over;
  }

  /** Everything it and its predecessors have logged. */
  get log(): string {
    return readFileSync(this.#log, "utf8");
  }

  async end(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.#over) return;
    this.child.kill(signal);
    await this.gone;
  }
}

export class FaultRig implements AsyncDisposable {
  readonly dir: string;
  readonly serverData: string;
  readonly agentData: string;
  readonly socket: string;
  readonly adminSocket: string;
  readonly #options: RigOptions;
  #listen = "";
  #server: Daemon | undefined;
  #agent: Daemon | undefined;
  #admin: Channel | undefined;
  #roots = "";

  constructor(options: RigOptions = {}) {
    this.dir = mkdtempSync(join(tmpdir(), "assay-faults-"));
    chmodSync(this.dir, 0o755);
    this.serverData = join(this.dir, "server-data");
    this.agentData = join(this.dir, "agent-data");
    this.socket = join(this.dir, "agent/api.sock");
    this.adminSocket = join(this.dir, "server.sock");
    this.#options = options;
  }

  /** A server, an agent known as `/host`, both ready. */
  static async start(options: RigOptions = {}): Promise<FaultRig> {
    const rig = new FaultRig(options);
    try {
      await rig.startServer();
      await rig.giveToken();
      await rig.startAgent();
      return rig;
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
  }

  get server(): Daemon {
    if (this.#server === undefined) throw new Error("there was no server yet");
    return this.#server;
  }

  get agent(): Daemon {
    if (this.#agent === undefined) throw new Error("there was no agent yet");
    return this.#agent;
  }

  /** Of the server, for agents. */
  get port(): number {
    return Number(this.#listen.slice(this.#listen.lastIndexOf(":") + 1));
  }

  /** To the server that was started last. */
  get admin(): Channel {
    if (this.#admin === undefined) throw new Error("there was no server yet");
    return this.#admin;
  }

  /** Does not wait. */
  spawnServer(launch: Launch = this.#options.server ?? {}): Daemon {
    this.#admin?.close();
    this.#admin = connectUnix(this.adminSocket);
    this.#server = new Daemon(
      join(this.dir, "server.log"),
      [
        "server",
        `--trust-domain=${DOMAIN}`,
        `--data-dir=${this.serverData}`,
        `--listen=${this.#listen}`,
        `--socket=${this.adminSocket}`,
        "--attest-limit=1000",
        ...(launch.options ?? this.#options.server?.options ?? []),
      ],
      launch,
    );
    return this.#server;
  }

  async startServer(launch?: Launch): Promise<void> {
    // It comes back to the same one, which must not be a connection's by then.
    if (this.#listen === "") this.#listen = `127.0.0.1:${await freePort()}`;
    const server = this.spawnServer(launch);
    const ready = await started(server);
    // The one made before has met the closed door and waits until it tries again.
    this.#admin?.close();
    this.#admin = connectUnix(this.adminSocket);
    const { host, port } = ready["listen"] as { host: string; port: number };
    this.#listen = `${host}:${port}`;
  }

  spawnAgent(launch: Launch = this.#options.agent ?? {}): Daemon {
    this.#agent = new Daemon(
      join(this.dir, "agent.log"),
      [
        "agent",
        `--trust-domain=${DOMAIN}`,
        `--server=${this.#listen}`,
        `--data-dir=${this.agentData}`,
        `--socket=${this.socket}`,
        `--trust-bundle=${this.dir}/bundle.pem`,
        `--join-token-file=${this.dir}/token`,
        "--sync-interval=500ms",
        ...(launch.options ?? this.#options.agent?.options ?? []),
      ],
      launch,
    );
    return this.#agent;
  }

  async startAgent(launch?: Launch): Promise<void> {
    const agent = this.spawnAgent(launch);
    await started(agent, `server:\n${this.#server?.log.slice(-3000)}`);
  }

  /** Writes bundle and a new join token to where the agent reads them at its start. */
  async giveToken(): Promise<void> {
    writeFileSync(join(this.dir, "bundle.pem"), await this.roots());
    writeFileSync(join(this.dir, "token"), await this.token("/host"), { mode: 0o600 });
  }

  async roots(): Promise<string> {
    const { x509_authorities } = await this.bundle();
    this.#roots = x509_authorities.map(({ asn1 }) => encodePem("CERTIFICATE", asn1)).join("");
    return this.#roots;
  }

  bundle(): Promise<Bundle__Output> {
    return this.call("bundle.v1.Bundle", "GetBundle", {});
  }

  async token(alias?: string): Promise<string> {
    const { value } = await this.call<JoinToken__Output>("agent.v1.Agent", "CreateJoinToken", {
      ttl: 600,
      ...(alias === undefined ? {} : { agent_id: { trust_domain: DOMAIN, path: alias } }),
    });
    return value;
  }

  call<Res extends object>(service: string, method: string, request: object): Promise<Res> {
    return this.admin.unary<Res>(`spire.api.server.${service}`, method, request, {
      deadlineMs: PATIENCE_MS,
    });
  }

  /** @returns the entry's id, once the server has acknowledged it */
  async entry(path: string, selector = OWN_SELECTOR, more: object = {}): Promise<string> {
    const { results } = await this.call<BatchCreateEntryResponse__Output>(
      "entry.v1.Entry",
      "BatchCreateEntry",
      { entries: [entryDraft(path, selector, more)] },
    );
    const [result] = results;
    if (result?.status?.code !== 0) throw new Error(result?.status?.message ?? "no result");
    return result.entry?.id ?? "";
  }

  /** Attests with the token and the key as an agent would. @returns the leaf, DER */
  async attest(token: string, signer: Signer): Promise<Uint8Array> {
    using channel = connectTls({
      target: this.#listen,
      rootsPem: this.#roots,
      checkServer: () => undefined,
    });
    using stream = channel.stream<AttestAgentRequest, AttestAgentResponse__Output>(
      "spire.api.server.agent.v1.Agent",
      "AttestAgent",
      { deadlineMs: PATIENCE_MS },
    );
    const csr = await createCsr({ uris: [], signer });
    const data = { type: "join_token", payload: Buffer.from(token) };
    await stream.send({ params: { data, params: { csr } } });
    for await (const { result } of stream) {
      const leaf = result?.svid?.cert_chain[0];
      if (leaf !== undefined) return new Uint8Array(leaf);
    }
    throw new Error("no answer to the attestation");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#admin?.close();
    await this.#agent?.end();
    await this.#server?.end();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** What it said when it was ready. @throws with the end of its log */
async function started(daemon: Daemon, more = ""): Promise<Record<string, unknown>> {
  const ready = await within("a start", daemon.ready).catch(() => undefined);
  if (ready === undefined)
    throw new Error(`not ready (${usage(daemon)}); its log:\n${daemon.log.slice(-3000)}\n${more}`);
  return ready;
}

/** Whether it waits or was kept waiting: state and processor time, as proc(5) has them. */
function usage({ child: { pid = 0 } }: Daemon): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return `state ${fields[0]}, ${fields[11]} + ${fields[12]} ticks`;
  } catch {
    return "it has ended";
  }
}

export function entryDraft(path: string, selector: string, more: object = {}): object {
  return {
    spiffe_id: { trust_domain: DOMAIN, path },
    parent_id: { trust_domain: DOMAIN, path: "/host" },
    selectors: [parseSelector(selector)],
    ...more,
  };
}

export async function within<T>(what: string, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = (): void => reject(new Error(`${what}: not within ${PATIENCE_MS} ms`));
  const timer = setTimeout(late, PATIENCE_MS);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Matches this very process. */
export const OWN_SELECTOR = `unix:uid:${process.geteuid?.()}`;
