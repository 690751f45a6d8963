/**
 * What a call on the Workload API's socket costs the agent outside of the transport: `node bench/own.ts [ROUNDS]`. The
 * handlers are called as the transport calls them, for a process that is connected; the same with nothing but the
 * call and its bytes is taken off. Least CPU time of the rounds, in microseconds; the ways take turns.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type Socket, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Attestation } from "../src/agent/attestation/attestation.ts";
import { Cache } from "../src/agent/cache/cache.ts";
import { JwtCache } from "../src/agent/cache/jwt-cache.ts";
import { type Peer, trackPeer } from "../src/agent/peer/peer.ts";
import { WorkloadListener } from "../src/agent/workload-api/listener.ts";
import { routeWorkloadApi } from "../src/agent/workload-api/service.ts";
import { encodeView } from "../src/agent/workload-api/view-messages.ts";
import type { WorkloadAttestor } from "../src/attestors/contract.ts";
import { KubernetesClient } from "../src/attestors/kubernetes/client.ts";
import { ContainerLookup } from "../src/attestors/workload/container/container-lookup.ts";
import { dockerAttestor } from "../src/attestors/workload/docker/attest.ts";
import { k8sAttestor } from "../src/attestors/workload/kubernetes/attest.ts";
import { podmanAttestor } from "../src/attestors/workload/podman/attest.ts";
import { systemdAttestor } from "../src/attestors/workload/systemd/attest.ts";
import { unixAttestor } from "../src/attestors/workload/unix/attest.ts";
import { systemClock as clock, epochSeconds } from "../src/base/clock.ts";
import { fail } from "../src/base/errors.ts";
import { systemRandom } from "../src/base/random.ts";
import { silentLogger as logger } from "../src/observe/logger.ts";
import { Metrics } from "../src/observe/metrics.ts";
import type { GrpcCall, GrpcHandler } from "../src/rpc/grpc/call.ts";
import { headerValues } from "../src/rpc/grpc/request-headers.ts";
import type { SocketGrpcServer } from "../src/rpc/grpc/server.ts";
import { messageType } from "../src/rpc/protos.ts";
import { S, bundle, entry as cachedEntry } from "../test/agent/cache-bench.ts";
import { dbusPeer, webUnit } from "../test/support/dbus-peer.ts";

const ROUNDS = Number(process.argv[2] ?? 9);
const CALLS = 4000;
const CONNECTIONS = 500;

await using ends = new AsyncDisposableStack();
const dir = mkdtempSync(join(tmpdir(), "assay-own-"));
ends.defer(() => rmSync(dir, { recursive: true }));

const cache = new Cache({ clock, encode: encodeView, maxIdleSvids: 100, allowUnregistered: false });
const entry = cachedEntry("web", { selectors: S(`unix:uid:${process.getuid?.() ?? 0}`) });
cache.apply({
  entries: new Map([["web", entry]]),
  own: bundle("example.org"),
  foreign: new Map(),
});
const expiresAt = epochSeconds(clock) + 3600;
const svid = {
  entryId: "web",
  version: "0.0",
  spiffeId: entry.spiffeId,
  chain: new Uint8Array(620),
  key: new Uint8Array(138),
  expiresAt,
  renewAtMs: expiresAt * 1000,
  authorityId: "",
};
cache.applySvids([svid], []);
const jwtCache = new JwtCache({
  clock,
  random: systemRandom,
  max: 100,
  sign: async () => ({
    spiffeId: entry.spiffeId,
    token: "j".repeat(400),
    keyId: "k",
    issuedAt: epochSeconds(clock),
    expiresAt,
  }),
});

const bus = await dbusPeer(
  { teardown: (end) => ends.defer(async () => void (await end())) },
  webUnit,
);
bus.pid = process.pid;
const containers = ends.use(new ContainerLookup({ clock }));
const unix = unixAttestor({ logger, clock });
const kubelet = new KubernetesClient({
  connection: { server: "https://127.0.0.1:1", authorities: undefined, token: undefined } as never,
  clock,
  deadlineMs: 1000,
});
const all: readonly WorkloadAttestor[] = [
  unix,
  k8sAttestor({ client: ends.use(kubelet), containers, clock }),
  ends.use(dockerAttestor({ socket: `${dir}/no`, clock, containers })),
  ends.use(podmanAttestor({ socket: `${dir}/no`, clock, containers })),
  ends.use(systemdAttestor({ bus: bus.socket, clock, containers })),
];

/** As the Go client sends them. */
const rawHeaders = [
  ":method",
  "POST",
  ":scheme",
  "http",
  ":path",
  "/SpiffeWorkloadAPI/FetchX509SVID",
  ":authority",
  "localhost",
  "content-type",
  "application/grpc",
  "user-agent",
  "grpc-go/1.70.0",
  "te",
  "trailers",
  "workload.spiffe.io",
  "true",
  "grpc-timeout",
  "9999m",
];
const x509 = new Uint8Array();
const jwt = messageType("JWTSVIDRequest").encode({ audience: ["bench"] });

class Call implements GrpcCall<Peer> {
  readonly context: Peer;
  readonly path: string;
  readonly deadline = undefined;
  readonly #request: Uint8Array;
  #onEnd: ((reason: never) => void)[] = [];
  #abort: AbortController | undefined;
  isSent = false;

  constructor(path: string, context: Peer, request: Uint8Array) {
    this.path = path;
    this.context = context;
    this.#request = request;
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    return this.#abort.signal;
  }

  onEnd(listener: (reason: never) => void): void {
    this.#onEnd.push(listener);
  }

  metadata(name: string): readonly string[] {
    return headerValues(rawHeaders, name);
  }

  async request(): Promise<Uint8Array> {
    return this.#request;
  }

  get requests(): never {
    throw new Error("no stream of requests here");
  }

  send(): boolean {
    this.isSent = true;
    // The client has what it wanted, as soon as it reads.
    if (this.#onEnd.length > 0) queueMicrotask(() => this.end());
    return true;
  }

  async flushed(): Promise<void> {}

  end(): void {
    for (const listener of this.#onEnd) listener(CANCELLED as never);
  }
}
const CANCELLED = fail("cancelled", "the client has ended the call");

function routesOf(attestors: readonly WorkloadAttestor[]): ReadonlyMap<string, GrpcHandler<Peer>> {
  const routes = new Map<string, GrpcHandler<Peer>>();
  const server = {
    route: (path: string, handler: GrpcHandler<Peer>) => void routes.set(path, handler),
  };
  const metrics = new Metrics();
  const attestation = new Attestation({ attestors, clock, logger, metrics });
  const options = {
    attestation,
    cache,
    jwtCache,
    clock,
    logger,
    metrics,
    allowedForeignJwtClaims: () => [],
  };
  routeWorkloadApi(server as unknown as SocketGrpcServer<Peer>, options);
  return routes;
}

/** The least that any handler does. */
const bare: ReadonlyMap<string, GrpcHandler<Peer>> = new Map([
  [
    "/SpiffeWorkloadAPI/FetchX509SVID",
    async (call: GrpcCall<Peer>) => {
      await call.request();
      const { promise, reject } = Promise.withResolvers<never>();
      call.onEnd(reject);
      call.send(x509);
      await promise;
    },
  ],
  [
    "/SpiffeWorkloadAPI/FetchJWTSVID",
    async (call: GrpcCall<Peer>) => {
      await call.request();
      call.send(x509);
    },
  ],
]);

/** A client that reads until the end, eight at a time. */
const CONNECTING = `
const [socket, count] = process.argv.slice(1);
let left = Number(count);
const next = () => {
  if (left-- <= 0) return;
  require("node:net").connect(socket).resume().on("close", next);
};
for (let i = 0; i < 8; i += 1) next();
`;

const peer = await connectedPeer();
const ways = { none: bare, unix: routesOf([unix]), all: routesOf(all) };
for (const method of ["FetchX509SVID", "FetchJWTSVID"]) {
  const request = method === "FetchX509SVID" ? x509 : jwt;
  const least: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, routes] of Object.entries(ways)) {
      const took = await callsOf(routes, `/SpiffeWorkloadAPI/${method}`, request);
      least[name] = Math.min(least[name] ?? Infinity, took);
    }
  }
  const { none = 0, unix: alone = 0, all: together = 0 } = least;
  say(
    `${method}: unix ${us(alone - none)} us, all attestors ${us(together - none)} us (bare ${us(none)})`,
  );
}
await connections();

async function callsOf(
  routes: ReadonlyMap<string, GrpcHandler<Peer>>,
  path: string,
  request: Uint8Array,
): Promise<number> {
  const handle = routes.get(path);
  if (handle === undefined) throw new TypeError(`no route ${path}`);
  const before = process.cpuUsage();
  for (let i = 0; i < CALLS; i += 1) {
    const call = new Call(path, peer, request);
    try {
      await handle(call);
    } catch (thrown) {
      if (thrown !== CANCELLED) throw thrown;
    }
    if (!call.isSent) throw new Error("the call was not answered");
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CALLS;
}

/** A new connection with one call each, beside a listener that only accepts. */
async function connections(): Promise<void> {
  const path = "/SpiffeWorkloadAPI/FetchX509SVID";
  const handle = ways.unix.get(path);
  const open = { ours: `${dir}/ours.sock`, plain: `${dir}/plain.sock` };
  let done = 0;
  const attach = (socket: Socket, context: Peer): void => {
    const call = new Call(path, context, x509);
    handle?.(call).catch((thrown: unknown) => {
      if (thrown !== CANCELLED) throw thrown;
      done += 1;
      socket.end();
    });
  };
  const server = { attach } as unknown as SocketGrpcServer<Peer>;
  ends.use(await WorkloadListener.open({ path: open.ours, server, clock, logger }));
  const plain = createServer((socket) => {
    done += 1;
    socket.end();
  }).listen(open.plain);
  ends.defer(() => void plain.close());
  const least: Record<string, number> = {};
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, socket] of Object.entries(open)) {
      done = 0;
      const before = process.cpuUsage();
      const child = spawn(process.execPath, ["-e", CONNECTING, socket, `${CONNECTIONS}`], {
        stdio: "inherit",
      });
      const started = process.cpuUsage(before);
      await once(child, "exit");
      const { user, system } = process.cpuUsage(before);
      if (done !== CONNECTIONS)
        throw new Error(`${done} of ${CONNECTIONS} connections were answered`);
      const took = (user + system - started.user - started.system) / CONNECTIONS;
      least[name] = Math.min(least[name] ?? Infinity, took);
    }
  }
  const { ours = 0, plain: accepted = 0 } = least;
  say(
    `new connection with one fetch: ${us(ours - accepted)} us (accepting and closing ${us(accepted)})`,
  );
}

async function connectedPeer(): Promise<Peer> {
  const path = `${dir}/peer.sock`;
  const listener = createServer().listen(path);
  const holder = spawn(process.execPath, [
    "-e",
    `require("node:net").connect(process.argv[1])`,
    path,
  ]);
  const [socket] = (await once(listener, "connection")) as [Socket];
  ends.defer(async () => {
    holder.kill();
    socket.destroy();
    listener.close();
  });
  return trackPeer(socket);
}

function us(value: number): string {
  return value.toFixed(1);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
