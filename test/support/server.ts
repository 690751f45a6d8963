/** A real server in this process, on a temporary folder, with real sockets and an injected clock. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Test } from "tap";
import type { Clock } from "../../src/base/clock.ts";
import { type Random, systemRandom } from "../../src/base/random.ts";
import type { ServerConfig } from "../../src/config/server/server-config.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { type Logger, silentLogger } from "../../src/observe/logger.ts";
import { type Channel, connectTls, connectUnix } from "../../src/rpc/channel.ts";
import { type RunningServer, startServer } from "../../src/server/main.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { VirtualClock } from "./virtual-clock.ts";
import { PATIENCE_MS } from "./patience.ts";

export interface TestServerOverrides<C extends Clock = VirtualClock> {
  readonly config?: Partial<ServerConfig>;
  readonly logger?: Logger;
  /** A virtual clock that starts at the real time unless given: TLS clients look at the real one. */
  readonly clock?: C;
  readonly random?: Random;
}

export interface TlsIdentity {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface TestServer<C extends Clock = VirtualClock> {
  readonly server: RunningServer;
  readonly config: ServerConfig;
  /** Over the admin Unix socket. */
  readonly admin: Channel;
  readonly tcpAddress: { readonly host: string; readonly port: number };
  /** `host:port`. */
  readonly target: string;
  /** Path of the admin Unix socket. */
  readonly socket: string;
  readonly dataDir: string;
  readonly clock: C;
  /** A channel to the TLS door, without looking at the server's certificate; closed with the test. */
  readonly connect: (identity?: TlsIdentity) => Channel;
  /** PEM of the server's own X.509 authorities. */
  readonly rootsPem: () => Promise<string>;
  readonly createToken: (fields?: object) => Promise<string>;
  readonly attest: (token?: string) => Promise<TestAgent>;
  /** Creates one entry and returns its ID. */
  readonly createEntry: (entry: object) => Promise<string>;
  /** Stops it before the test ends; the folder stays until then. */
  readonly stop: () => Promise<void>;
}

export interface TestAgent {
  readonly id: { readonly trust_domain: string; readonly path: string };
  readonly spiffeId: string;
  readonly identity: TlsIdentity;
  readonly key: Awaited<ReturnType<typeof generateKey>>;
  readonly channel: Channel;
}

export const AGENT_SERVICE = "spire.api.server.agent.v1.Agent";
export const ENTRY_SERVICE = "spire.api.server.entry.v1.Entry";
export const SVID_SERVICE = "spire.api.server.svid.v1.SVID";
export const BUNDLE_SERVICE = "spire.api.server.bundle.v1.Bundle";

/** Starts a server that ends with the test. */
export async function startTestServer<C extends Clock = VirtualClock>(
  t: Test,
  overrides: TestServerOverrides<C> = {},
): Promise<TestServer<C>> {
  const dir = await mkdtemp(join(tmpdir(), "assay-server-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const config = testServerConfig(dir, overrides.config);
  // Without a clock of its own, C is VirtualClock.
  const clock = overrides.clock ?? (new VirtualClock(Date.now()) as Clock as C);
  const { logger = silentLogger, random = systemRandom } = overrides;
  const server = await startServer(config, { logger, clock, random });
  const channels = new Set<Channel>();
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      for (const channel of channels) channel.close();
      await server[Symbol.asyncDispose]();
    })();
    return stopped;
  };
  t.teardown(stop);
  const { host, port } = server.tcpAddress;
  const target = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const keep = (channel: Channel): Channel => {
    channels.add(channel);
    return channel;
  };
  const admin = keep(connectUnix(server.socket));
  const connect = (identity?: TlsIdentity): Channel =>
    keep(
      connectTls({
        target,
        rootsPem: undefined,
        checkServer: () => undefined,
        ...(identity === undefined ? {} : { identity }),
      }),
    );
  const createToken = async (fields: object = {}): Promise<string> => {
    const request = { ttl: 600, ...fields };
    const token = await admin.unary<{ value: string }>(AGENT_SERVICE, "CreateJoinToken", request);
    return token.value;
  };
  return {
    server,
    config,
    admin,
    tcpAddress: server.tcpAddress,
    target,
    socket: server.socket,
    dataDir: config.dataDir,
    clock,
    connect,
    createToken,
    stop,
    attest: async (token) => attestAgent(connect, token ?? (await createToken())),
    async rootsPem() {
      const bundle = await admin.unary<BundleMessage>(BUNDLE_SERVICE, "GetBundle", {});
      return bundle.x509_authorities.map(({ asn1 }) => encodePem("CERTIFICATE", asn1)).join("");
    },
    async createEntry(entry) {
      const { results } = await admin.unary<CreateResponse>(ENTRY_SERVICE, "BatchCreateEntry", {
        entries: [entry],
      });
      const [result] = results;
      if (result?.entry === null || result?.status.code !== 0) {
        throw new Error(`entry was not created: ${result?.status.message}`);
      }
      return result.entry.id;
    },
  };
}

/** A complete configuration below `dir`, quick and without rate limits unless told otherwise. */
export function testServerConfig(dir: string, overrides: Partial<ServerConfig> = {}): ServerConfig {
  return {
    trustDomain: "example.org",
    dataDir: join(dir, "data"),
    listen: "127.0.0.1:0",
    socket: join(dir, "server.sock"),
    logLevel: "info",
    logFormat: "text",
    keyManager: { kind: "memory" },
    ca: { keyType: "ec-p256", ttlSeconds: 86_400, jwtKeyType: "ec-p256", jwtIssuer: "" },
    ttl: { x509SvidSeconds: 3600, jwtSvidSeconds: 300, agentSvidSeconds: 3600 },
    nodeAttestors: {},
    bundlePublishers: {},
    upstreamAuthority: {},
    limits: { attestPerSecond: 0, signPerSecond: 0 },
    ...overrides,
  };
}

/** One attestation by join token over TLS, without a client certificate. */
export async function attestAgent(
  connect: (identity?: TlsIdentity) => Channel,
  token: string,
  key?: TestAgent["key"],
): Promise<TestAgent> {
  const own = key ?? (await generateKey("ec-p256"));
  const svid = await attestWith(
    connect(),
    token,
    await createCsr({ uris: [], signer: own.signer }),
  );
  const identity = identityOf(svid.cert_chain, own.pkcs8);
  return {
    id: svid.id,
    spiffeId: `spiffe://${svid.id.trust_domain}${svid.id.path}`,
    identity,
    key: own,
    channel: connect(identity),
  };
}

/** The messages of AttestAgent alone. */
export async function attestWith(
  channel: Channel,
  token: string,
  csr: Uint8Array,
): Promise<SvidMessage> {
  using stream = channel.stream<object, { result: { svid: SvidMessage } }>(
    AGENT_SERVICE,
    "AttestAgent",
    { deadlineMs: PATIENCE_MS },
  );
  const data = { type: "join_token", payload: Buffer.from(token) };
  // The answer tells more about a call that ended than the failed send does.
  stream.send({ params: { data, params: { csr } } }).catch(() => undefined);
  for await (const { result } of stream) return result.svid;
  throw new Error("the stream ended without an answer");
}

/** What TLS takes, from what the API gives. */
export function identityOf(chain: readonly Uint8Array[], pkcs8: Uint8Array): TlsIdentity {
  return {
    certPem: chain.map((der) => encodePem("CERTIFICATE", der)).join(""),
    keyPem: encodePem("PRIVATE KEY", pkcs8),
  };
}

export interface SvidMessage {
  readonly id: { readonly trust_domain: string; readonly path: string };
  readonly cert_chain: readonly Uint8Array[];
  readonly expires_at: string;
}

interface BundleMessage {
  readonly x509_authorities: readonly { readonly asn1: Uint8Array }[];
}

interface CreateResponse {
  readonly results: readonly {
    readonly status: { readonly code: number; readonly message: string };
    readonly entry: { readonly id: string } | null;
  }[];
}
