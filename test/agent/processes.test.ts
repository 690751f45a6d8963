import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type Socket, connect, createServer } from "node:net";
import { join } from "node:path";
import t from "tap";
import { end } from "../support/caller.ts";
import { Domain, id } from "../support/running.ts";
import { WorkloadClient } from "../support/workload-client.ts";

/** An agent as a process of its own, so that it can be killed. */
async function agentProcess(config: object): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "../support/agent-child.ts")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin?.end(JSON.stringify(config));
  const ended = once(child, "exit").then(() => {
    throw new Error("the agent did not start");
  });
  await Promise.race([once(child.stdout ?? child, "data"), ended]);
  ended.catch(() => undefined); // it will end some day
  return child;
}

t.test(
  "killed at any moment: the identity is there after the restart, the folder is free",
  async (t) => {
    await using domain = await Domain.start({
      ttl: { x509SvidSeconds: 60, jwtSvidSeconds: 60, agentSvidSeconds: 40 },
    });
    await domain.entry({ path: "/one" });
    const config = await domain.agentConfig({ joinToken: await domain.token() });
    let child = await agentProcess(config);
    const { joinToken: _, ...restart } = config;
    for (const ms of [0, 19_600, 20_000]) {
      // The agent renews its SVID every twenty seconds or so: some of these moments fall into a write.
      const { promise, resolve } = Promise.withResolvers<void>();
      setTimeout(resolve, ms);
      await promise;
      await end(child, "SIGKILL");
      child = await agentProcess(restart);
      using client = new WorkloadClient(config.socket);
      t.equal((await client.fetchX509()).svids[0]?.spiffe_id, id("/one"), `after ${ms} ms`);
    }
    await end(child, "SIGTERM");
  },
);

t.test(
  "the answer to the attestation is lost: the same agent gets it with the same token",
  async (t) => {
    await using domain = await Domain.start();
    await domain.entry({ path: "/one" });
    const token = await domain.token();
    const config = await domain.agentConfig({ joinToken: token });
    await using proxy = await LossyProxy.listen(config.server);
    const lossy = await domain.startAgent({ joinToken: token, server: proxy.address });
    t.ok(proxy.lost > 0, "an answer was lost on the way");
    using client = new WorkloadClient(lossy.socket);
    t.equal((await client.fetchX509()).svids[0]?.spiffe_id, id("/one"));
    await t.rejects(
      domain.startAgent({
        joinToken: token,
        dataDir: join(domain.dir, "thief"),
        socket: join(domain.dir, "thief.sock"),
      }),
      { name: "AssayError", kind: "precondition", message: /refused/ },
      "and nobody else",
    );
  },
);

/** Passes bytes on, and cuts the first connection when the server answers the attestation. */
class LossyProxy implements AsyncDisposable {
  readonly address: string;
  lost = 0;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets = new Set<Socket>();
  /** Pieces that each client got from the server so far. */
  readonly #pieces = new Map<Socket, number>();

  private constructor(server: ReturnType<typeof createServer>, port: number) {
    this.#server = server;
    this.address = `127.0.0.1:${port}`;
  }

  static async listen(target: string): Promise<LossyProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const proxy = new LossyProxy(server, port);
    const [host = "", targetPort = "0"] = target.split(":");
    server.on("connection", (client) => {
      const upstream = connect(Number(targetPort), host);
      for (const socket of [client, upstream]) {
        proxy.#sockets.add(socket);
        socket.on("error", () => undefined);
        socket.on("close", () => {
          client.destroy();
          upstream.destroy();
        });
      }
      client.pipe(upstream);
      upstream.on("data", (chunk: Buffer) => proxy.#answer(client, chunk));
    });
    return proxy;
  }

  /** The first long piece after the handshake carries the certificate: it never arrives. */
  #answer(client: Socket, chunk: Buffer): void {
    const seen = (this.#pieces.get(client) ?? 0) + 1;
    this.#pieces.set(client, seen);
    const isCertificate = seen > 1 && chunk.length > 500;
    if (this.lost < 1 && isCertificate) {
      this.lost += 1;
      client.destroy();
      return;
    }
    client.write(chunk);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
