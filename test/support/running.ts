/** A real server and a real agent in this process, on temporary folders and sockets. */
import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startAgent } from "../../src/agent/main.ts";
import type { AgentDependencies, RunningAgent } from "../../src/agent/running-agent.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { type Random, systemRandom } from "../../src/base/random.ts";
import type { AgentConfig } from "../../src/config/agent/agent-config.ts";
import { SDS_DEFAULTS } from "../../src/config/sections/sds-section.ts";
import type { ServerConfig } from "../../src/config/server/server-config.ts";
import { type Logger, createLogger, silentLogger } from "../../src/observe/logger.ts";
import { type Channel, connectUnix } from "../../src/rpc/channel.ts";
import type { BatchCreateEntryResponse__Output } from "../../src/rpc/gen/spire/api/server/entry/v1/BatchCreateEntryResponse.ts";
import type { Bundle__Output } from "../../src/rpc/gen/spire/api/types/Bundle.ts";
import type { Entry } from "../../src/rpc/gen/spire/api/types/Entry.ts";
import type { JoinToken__Output } from "../../src/rpc/gen/spire/api/types/JoinToken.ts";
import { type RunningServer, startServer } from "../../src/server/main.ts";
import { parseSelector } from "../../src/spiffe/selector.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { freePort } from "./free-port.ts";
import { PATIENCE_MS } from "./patience.ts";

export const TRUST_DOMAIN = "example.org";
export interface EntryParams {
  readonly path: string;
  readonly selectors?: readonly string[];
  readonly more?: Partial<Entry>;
}

/** An agent gets a fresh token unless this says otherwise; `undefined` gives it none. */
export type AgentChange = Partial<Omit<AgentConfig, "joinToken">> & {
  readonly joinToken?: string | undefined;
};

/** Of the server, and of agents that are given nothing else. */
export interface DomainTools {
  readonly clock: Clock;
  readonly random: Random;
}

/** One trust domain on this machine. */
export class Domain implements AsyncDisposable {
  readonly dir: string;
  readonly logger: Logger;
  readonly #serverConfig: ServerConfig;
  readonly #tools: DomainTools;
  #listen = "";
  #server: RunningServer | undefined;
  #admin: Channel | undefined;
  readonly #agents = new Set<RunningAgent>();

  private constructor(
    dir: string,
    change: Partial<ServerConfig>,
    logger: Logger | undefined,
    tools: DomainTools,
  ) {
    this.dir = dir;
    this.#tools = tools;
    this.logger =
      logger ??
      (process.env["ASSAY_TEST_LOG"] === undefined
        ? silentLogger
        : createLogger({
            level: "debug",
            format: "text",
            write: (line) => process.stderr.write(line),
            nowMs: () => systemClock.nowMs(),
          }));
    this.#serverConfig = {
      trustDomain: TRUST_DOMAIN,
      dataDir: join(dir, "server"),
      listen: this.#listen,
      socket: join(dir, "server.sock"),
      logLevel: "debug",
      logFormat: "text",
      keyManager: { kind: "disk", keyFile: join(dir, "key") },
      ca: {
        keyType: "ec-p256",
        ttlSeconds: 24 * 3600,
        jwtKeyType: "ec-p256",
        jwtIssuer: "",
      },
      ttl: {
        x509SvidSeconds: 3600,
        jwtSvidSeconds: 300,
        agentSvidSeconds: 3600,
      },
      nodeAttestors: {},
      bundlePublishers: {},
      upstreamAuthority: {},
      limits: { attestPerSecond: 100, signPerSecond: 10_000 },
      ...change,
    };
  }

  static async start(
    change: Partial<ServerConfig> = {},
    logger?: Logger,
    tools: DomainTools = { clock: systemClock, random: systemRandom },
  ): Promise<Domain> {
    const dir = mkdtempSync(join(tmpdir(), "assay-test-"));
    // Tests run workloads under other users, too.
    chmodSync(dir, 0o755);
    const domain = new Domain(dir, change, logger, tools);
    await domain.startServer();
    return domain;
  }

  get server(): RunningServer {
    if (this.#server === undefined) throw new Error("the server is down");
    return this.#server;
  }

  async startServer(): Promise<void> {
    // It comes back to the same one, which must not be a connection's by then.
    if (this.#listen === "") this.#listen = `127.0.0.1:${await freePort()}`;
    this.#server = await startServer(
      { ...this.#serverConfig, listen: this.#listen },
      {
        logger: this.logger.child({ process: "server" }),
        ...this.#tools,
      },
    );
    const { host, port } = this.#server.tcpAddress;
    this.#listen = `${host}:${port}`;
    this.#admin = connectUnix(this.#server.socket);
  }

  async stopServer(): Promise<void> {
    this.#admin?.close();
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = undefined;
  }

  call<Res extends object>(service: string, method: string, request: object): Promise<Res> {
    if (this.#admin === undefined) throw new Error("the server is down");
    return this.#admin.unary<Res>(`spire.api.server.${service}`, method, request);
  }

  async token(): Promise<string> {
    const { value } = await this.call<JoinToken__Output>("agent.v1.Agent", "CreateJoinToken", {
      ttl: 600,
      agent_id: { trust_domain: TRUST_DOMAIN, path: "/host" },
    });
    return value;
  }

  /** The server's bundle in a PEM file, as an operator would hand it to an agent. */
  async bundleFile(): Promise<string> {
    const file = join(this.dir, `bundle-${randomBytes(4).toString("hex")}.pem`);
    writeFileSync(file, await this.bundlePem());
    return file;
  }

  async bundlePem(): Promise<string> {
    const bundle = await this.call<Bundle__Output>("bundle.v1.Bundle", "GetBundle", {});
    return bundle.x509_authorities.map(({ asn1 }) => encodePem("CERTIFICATE", asn1)).join("");
  }

  async agentConfig(change: Partial<AgentConfig> = {}): Promise<AgentConfig> {
    return {
      trustDomain: TRUST_DOMAIN,
      dataDir: join(this.dir, "agent"),
      server: this.#listen,
      socket: join(this.dir, "api.sock"),
      logLevel: "debug",
      logFormat: "text",
      bootstrap: change.bootstrap ?? { kind: "bundle", file: await this.bundleFile() },
      workloadKeyType: "ec-p256",
      nodeAttestors: {},
      workloadAttestors: {},
      svidStores: {},
      sds: SDS_DEFAULTS,
      syncIntervalMs: 100,
      x509CacheMax: 1000,
      jwtCacheMax: 1000,
      allowUnauthenticatedVerifiers: false,
      allowedForeignJwtClaims: [],
      authorizedDelegates: [],
      ...change,
    };
  }

  async startAgent(
    change: AgentChange = {},
    tools: Partial<AgentDependencies> = {},
  ): Promise<RunningAgent> {
    const { joinToken: given, ...rest } = change;
    const joinToken = "joinToken" in change ? given : await this.token();
    const config = await this.agentConfig({
      ...rest,
      ...(joinToken === undefined ? {} : { joinToken }),
    });
    const agent = await startAgent(config, {
      logger: this.logger.child({ process: "agent" }),
      // Whose program has to be read and hashed first, on a disk and a processor that may be slow.
      attestWithinMs: PATIENCE_MS,
      ...this.#tools,
      ...tools,
    });
    this.#agents.add(agent);
    return agent;
  }

  async entry({ path, selectors, more = {} }: EntryParams): Promise<string> {
    const { results } = await this.call<BatchCreateEntryResponse__Output>(
      "entry.v1.Entry",
      "BatchCreateEntry",
      {
        entries: [
          {
            spiffe_id: { trust_domain: TRUST_DOMAIN, path },
            parent_id: { trust_domain: TRUST_DOMAIN, path: "/host" },
            selectors: (selectors ?? [OWN_SELECTOR]).map(parseSelector),
            ...more,
          },
        ],
      },
    );
    const [result] = results;
    if (result?.status?.code !== 0) throw new Error(result?.status?.message ?? "no result");
    return result.entry?.id ?? "";
  }

  async deleteEntry(entryId: string): Promise<void> {
    await this.call("entry.v1.Entry", "BatchDeleteEntry", { ids: [entryId] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const agent of this.#agents) await agent[Symbol.asyncDispose]();
    await this.stopServer();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Matches this very process. */
export const OWN_SELECTOR = `unix:uid:${process.geteuid?.()}`;

export function id(path: string): string {
  return `spiffe://${TRUST_DOMAIN}${path}`;
}
