/** A real agent with a Broker API, a workload, and this process as a broker. */
import { type ChildProcess, spawn } from "node:child_process";
import { realpathSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import type { Test } from "tap";
import type { AgentConfig } from "../../src/config/agent/agent-config.ts";
import type { BrokerConfig } from "../../src/config/sections/broker-section.ts";
import type { ServerConfig } from "../../src/config/server/server-config.ts";
import { type ClientStream, connectTls } from "../../src/rpc/channel.ts";
import type { FetchJWTSVIDResponse__Output } from "../../src/rpc/gen/spiffe/broker/FetchJWTSVIDResponse.ts";
import type { SubscribeToX509SVIDResponse__Output } from "../../src/rpc/gen/spiffe/broker/SubscribeToX509SVIDResponse.ts";
import type { X509SVIDResponse__Output } from "../../src/rpc/gen/X509SVIDResponse.ts";
import { messageType } from "../../src/rpc/protos.ts";
import { checkLeaf } from "../../src/spiffe/x509-svid.ts";
import { parseCertificate, parseCertificates } from "../../src/x509/certificate.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { Domain, OWN_SELECTOR, id } from "./running.ts";
import { Watch, WorkloadClient } from "./workload-client.ts";
import { freePort } from "./free-port.ts";

const SERVICE = "spiffe.broker.API";
export const PID_TYPE = "type.googleapis.com/spiffe.broker.WorkloadPIDReference";
export const SLEEP = realpathSync("/bin/sleep");
const HEADER = { "broker.spiffe.io": "true" };

export interface Identity {
  readonly certPem: string;
  readonly keyPem: string;
}

/** A broker's connection. */
export class BrokerClient implements Disposable {
  readonly #channel;
  readonly #metadata: Record<string, string>;
  server: string | undefined;

  constructor(target: string, identity?: Identity, metadata: Record<string, string> = HEADER) {
    this.#metadata = metadata;
    this.#channel = connectTls({
      target,
      rootsPem: undefined,
      ...(identity === undefined ? {} : { identity }),
      checkServer: (leaf) => {
        this.server = checkLeaf(parseCertificate(leaf)).toString();
        return undefined;
      },
    });
  }

  watch<T extends object>(method: string, request: object): Watch<T> {
    const stream: ClientStream<object, T> = this.#channel.stream(SERVICE, method, {
      metadata: this.#metadata,
    });
    stream.send(request).then(
      () => stream.end(),
      () => undefined,
    );
    return new Watch(stream);
  }

  x509(request: object): Watch<SubscribeToX509SVIDResponse__Output> {
    return this.watch("SubscribeToX509SVID", request);
  }

  jwt(request: object): Promise<FetchJWTSVIDResponse__Output> {
    return this.#channel.unary(SERVICE, "FetchJWTSVID", request, { metadata: this.#metadata });
  }

  [Symbol.dispose](): void {
    this.#channel.close();
  }
}

export function process(pid: number | undefined): object {
  const value = messageType("spiffe.broker.WorkloadPIDReference").encode({ pid });
  return { reference: { reference: { type_url: PID_TYPE, value } } };
}

/** A port that leads to the Unix socket: the clients here know TLS over TCP. */
async function bridge(t: Test, path: string): Promise<string> {
  const server = createServer((socket) => {
    const other = connect(path);
    socket.pipe(other).pipe(socket);
    for (const one of [socket, other]) one.on("error", () => undefined);
    socket.on("close", () => other.destroy());
    other.on("close", () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Scene {
  readonly domain: Domain;
  readonly agentId: string;
  readonly workloadApi: string;
  /** Of the Unix socket. */
  readonly local: string;
  readonly remote: string;
  /** This process's own: it is a broker. */
  readonly identity: Identity;
  readonly child: ChildProcess;
  readonly entryId: string;
}

/** A workload `/sleep`, and this process as `/broker`. */
export async function scene(
  t: Test,
  brokers?: BrokerConfig["brokers"],
  server: Partial<ServerConfig> = {},
  workloadAttestors: AgentConfig["workloadAttestors"] = {},
): Promise<Scene> {
  const domain = await Domain.start(server);
  t.teardown(() => domain[Symbol.asyncDispose]());
  await domain.entry({ path: "/broker", selectors: [OWN_SELECTOR, `unix:path:${self()}`] });
  const entryId = await domain.entry({ path: "/sleep", selectors: [`unix:path:${SLEEP}`] });
  const socket = join(domain.dir, "broker", "broker.sock");
  const remote = `127.0.0.1:${await freePort()}`;
  const agent = await domain.startAgent({
    workloadAttestors,
    broker: {
      socket,
      listen: remote,
      brokers: brokers ?? [{ id: id("/broker"), pidOverTcp: false, pods: false }],
    },
  });
  using client = new WorkloadClient(agent.socket);
  const identity = identityOf(await client.fetchX509());
  const child = spawn(SLEEP, ["1000"]);
  t.teardown(() => child.kill("SIGKILL"));
  const local = await bridge(t, socket);
  return {
    domain,
    agentId: agent.spiffeId.toString(),
    workloadApi: agent.socket,
    local,
    remote,
    identity,
    child,
    entryId,
  };
}

export function identityOf({ svids: [svid] }: X509SVIDResponse__Output): Identity {
  const chain = parseCertificates(svid?.x509_svid ?? new Uint8Array());
  return {
    certPem: chain.map(({ raw }) => encodePem("CERTIFICATE", raw)).join(""),
    keyPem: encodePem("PRIVATE KEY", svid?.x509_svid_key ?? new Uint8Array()),
  };
}

/** What is on its way when a call is to end may still come. */
export async function untilEnded(watch: Watch<object>): Promise<never> {
  for (;;) await watch.next();
}

function self(): string {
  return realpathSync("/proc/self/exe");
}
