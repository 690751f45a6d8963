import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundlePem } from "../bundle/bundle-message.ts";
import { fetchBundle } from "../bundle/show.ts";
import { replaceFile } from "../files/replace-file.ts";
import { type RpcClient, connectTo } from "../connection/rpc-clients.ts";
import { callingUser } from "./caller.ts";
import { Child } from "./child.ts";
import { hasLiveAgent, newHostToken, registerCaller } from "./registration.ts";

export interface DevSettings {
  readonly trustDomain: string;
  readonly state: string;
  /** Of the Workload API. */
  readonly socket: string;
  readonly adminSocket: string;
  /** For questions to the agent. */
  readonly agentAdminSocket: string | undefined;
  readonly x509TtlSeconds: number | undefined;
  readonly env: NodeJS.ProcessEnv;
}

/** The two processes of `assay dev`, and what a person would type between starting the one and the other. */
export class DevProcesses implements AsyncDisposable {
  /** Rejects when one of the processes ends by itself. */
  readonly died: Promise<never>;
  readonly #server: Child;
  readonly #agent: Child;

  private constructor(server: Child, agent: Child) {
    this.#server = server;
    this.#agent = agent;
    this.died = Promise.race([server.died, agent.died]);
    this.died.catch(() => undefined);
  }

  /** Resolves when the Workload API listens. @throws when a process fails, with the last line of its log */
  static async start(dev: DevSettings, signal: AbortSignal): Promise<DevProcesses> {
    await using started = new AsyncDisposableStack();
    const server = started.use(startServer(dev));
    // The client library loads while the server starts.
    const [ready] = await Promise.all([untilReady(server, signal), import("../../rpc/channel.ts")]);
    const { listen } = ready as { listen: { port: number } };
    using admin = await connectTo("server", dev.adminSocket, signal);
    await replaceFile(bundleFile(dev), bundlePem(await fetchBundle(admin)), 0o644);
    await registerCaller(admin, dev.trustDomain, callingUser());
    const agent = started.use(await joinAgent(dev, admin, listen.port, signal));
    started.move();
    return new DevProcesses(server, agent);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

/** Goes on with the identity of last time while that works; otherwise joins anew, with a token. */
async function joinAgent(
  dev: DevSettings,
  admin: RpcClient,
  port: number,
  signal: AbortSignal,
): Promise<Child> {
  if (hasFiles(agentData(dev)) && (await hasLiveAgent(admin))) {
    const agent = startAgent(dev, port, undefined);
    try {
      await untilReady(agent, signal);
      return agent;
    } catch (thrown) {
      await agent[Symbol.asyncDispose]();
      if (signal.aborted) throw thrown;
    }
  }
  rmSync(agentData(dev), { recursive: true, force: true });
  const agent = startAgent(dev, port, await newHostToken(admin, dev.trustDomain));
  try {
    await untilReady(agent, signal);
    return agent;
  } catch (thrown) {
    await agent[Symbol.asyncDispose]();
    throw thrown;
  }
}

function startServer(dev: DevSettings): Child {
  return new Child({
    role: "server",
    logFile: join(dev.state, "server.log"),
    env: childEnv(dev),
    args: [
      "server",
      `--trust-domain=${dev.trustDomain}`,
      `--data-dir=${join(dev.state, "server")}`,
      "--listen=127.0.0.1:0",
      `--socket=${dev.adminSocket}`,
      ...(dev.x509TtlSeconds === undefined ? [] : [`--x509-ttl=${dev.x509TtlSeconds}s`]),
    ],
  });
}

function startAgent(dev: DevSettings, port: number, token: string | undefined): Child {
  return new Child({
    role: "agent",
    logFile: join(dev.state, "agent.log"),
    env: { ...childEnv(dev), ...(token === undefined ? {} : { ASSAY_JOIN_TOKEN: token }) },
    args: [
      "agent",
      `--trust-domain=${dev.trustDomain}`,
      `--data-dir=${agentData(dev)}`,
      `--server=127.0.0.1:${port}`,
      `--socket=${dev.socket}`,
      `--trust-bundle=${bundleFile(dev)}`,
      "--sync-interval=250ms",
      ...(dev.agentAdminSocket === undefined ? [] : [`--admin-socket=${dev.agentAdminSocket}`]),
    ],
  });
}

async function untilReady(
  child: Child,
  signal: AbortSignal,
): Promise<Readonly<Record<string, unknown>>> {
  signal.throwIfAborted();
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
  return Promise.race([child.ready, stopped]);
}

/** Settings of the person's own agents and servers are not meant for these two. */
function childEnv(dev: DevSettings): NodeJS.ProcessEnv {
  const kept = Object.entries(dev.env).filter(([name]) => !OWN_VARIABLES.test(name));
  // Where this process has no place to keep the compiled program (bin/compile-cache.sh), it is kept with the state.
  return { NODE_COMPILE_CACHE: join(dev.state, "cache"), ...Object.fromEntries(kept) };
}

function agentData(dev: DevSettings): string {
  return join(dev.state, "agent");
}

function bundleFile(dev: DevSettings): string {
  return join(dev.state, "bundle.pem");
}

function hasFiles(folder: string): boolean {
  return existsSync(folder) && readdirSync(folder).length > 0;
}

const OWN_VARIABLES = /^(ASSAY_|CREDENTIALS_DIRECTORY$|SPIFFE_ENDPOINT_SOCKET$)/;
