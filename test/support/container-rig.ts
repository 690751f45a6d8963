/** A server and an agent beside a container engine, and a way to ask from inside of its containers. */
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import type { AgentConfig } from "../../src/config/agent/agent-config.ts";
import type { RunningAgent } from "../../src/agent/running-agent.ts";
import { runProgram } from "../../src/cli/program/program.ts";
import {
  CHECKOUT,
  type ContainerEngine,
  type ContainerOptions,
  type Output,
} from "./container-engine.ts";
import { DockerEngine } from "./docker-engine.ts";
import { until } from "./patience.ts";
import { Domain } from "./running.ts";

const SOCKET_IN_CONTAINER = "/run/spiffe/api.sock";
const ASKER = join(CHECKOUT, "test/support/asker-child.ts");
const FETCH = join(CHECKOUT, "test/support/fetch-child.ts");

export interface Asker {
  readonly pid: number;
  /** The SPIFFE IDs, or the error's text. */
  ask(): Promise<string[] | string>;
  /** The same, and again as long as it is told to come back, as a client does. */
  askUntilKnown(): Promise<string[] | string>;
}

export class ContainerRig<E extends ContainerEngine> implements AsyncDisposable {
  readonly engine: E;
  readonly domain: Domain;
  readonly agent: RunningAgent;
  readonly #adminSocket: string;
  #askers = 0;

  private constructor(engine: E, domain: Domain, agent: RunningAgent, admin: string) {
    this.engine = engine;
    this.domain = domain;
    this.agent = agent;
    this.#adminSocket = admin;
  }

  static async start(): Promise<ContainerRig<DockerEngine>> {
    const docker = await DockerEngine.start();
    return ContainerRig.beside(docker, { docker: { socket: docker.socket } });
  }

  /** Takes the engine over, and ends it. */
  static async beside<E extends ContainerEngine>(
    engine: E,
    workloadAttestors: AgentConfig["workloadAttestors"],
  ): Promise<ContainerRig<E>> {
    const domain = await Domain.start();
    // Processes of any user in a container may reach the socket.
    chmodSync(domain.dir, 0o755);
    const folder = join(domain.dir, "workload");
    mkdirSync(folder);
    mkdirSync(join(domain.dir, "admin"), { mode: 0o700 });
    const adminSocket = join(domain.dir, "admin", "admin.sock");
    const agent = await domain.startAgent({
      socket: join(folder, "api.sock"),
      adminSocket,
      workloadAttestors,
    });
    return new ContainerRig(engine, domain, agent, adminSocket);
  }

  /** Options of a container that can reach the agent. */
  reaching(options: ContainerOptions = {}): ContainerOptions {
    const folder = join(this.domain.dir, "workload");
    return { ...options, mounts: [`${folder}:/run/spiffe:ro`, ...(options.mounts ?? [])] };
  }

  /** What fetches, as a command for a container, with another Node than the test's if wished. */
  fetchCommand(node: string = process.execPath): string[] {
    return [node, FETCH, SOCKET_IN_CONTAINER];
  }

  /** The SPIFFE IDs that `docker exec` in a container gets; the error's text when there are none. */
  async fetchIn(container: string, user = ""): Promise<string[] | string> {
    return idsOf(await this.engine.exec(container, this.fetchCommand(), user));
  }

  /** The same for the first process of a new container. */
  async fetchOnce(options: ContainerOptions): Promise<string[] | string> {
    return idsOf(await this.engine.runOnce(this.fetchCommand(), this.reaching(options)));
  }

  /** A container whose first process fetches whenever it is asked to, without the engine's help. */
  async asker(options: ContainerOptions): Promise<Asker> {
    this.#askers += 1;
    const folder = join(this.domain.dir, `asker-${this.#askers}`);
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    const mounts = [`${folder}:/asker`];
    const command = [process.execPath, ASKER, SOCKET_IN_CONTAINER, "/asker/own.sock"];
    const { pid } = await this.engine.run(this.reaching({ ...options, mounts }), command);
    const own = join(folder, "own.sock");
    await until("the asker's socket", () => existsSync(own));
    const ask = async (): Promise<string[] | string> =>
      JSON.parse(await said(own)) as string[] | string;
    return {
      pid,
      ask,
      askUntilKnown: async () => {
        let told = await ask();
        while (!Array.isArray(told) && told.includes("retry")) told = await ask();
        return told;
      },
    };
  }

  async explain(pid: number): Promise<string> {
    const out: string[] = [];
    const code = await runProgram({
      args: ["explain", "--pid", String(pid), "--socket", this.#adminSocket],
      env: { HOME: "/nowhere" },
      stdout: (text) => out.push(text),
      stderr: (text) => out.push(text),
    });
    return `${code}: ${out.join("")}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.domain[Symbol.asyncDispose]();
    await this.engine[Symbol.asyncDispose]();
  }
}

async function said(path: string): Promise<string> {
  let text = "";
  for await (const chunk of connect(path)) text += String(chunk);
  return text;
}

export function idsOf({ code, text }: Output): string[] | string {
  return code === 0 ? (JSON.parse(text) as string[]).sort() : text;
}
