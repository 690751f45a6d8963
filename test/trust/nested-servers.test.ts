/** Workloads of three servers, one below the other, as go-spiffe sees them: mutual TLS from the bottom to the top. */
import { spawn } from "node:child_process";
import t from "tap";
import { goClient } from "../interop/toolchains.ts";
import { Domain } from "../support/running.ts";
import { Client } from "../support/stack.ts";

t.test("a workload at the bottom and one at the top trust each other", async (t) => {
  const go = await goClient();
  const levels: { domain: Domain; socket: string }[] = [];
  for (let level = 0; level < 3; level++) {
    const above = levels.at(-1);
    const domain = await Domain.start(
      above === undefined
        ? {}
        : {
            upstreamAuthority: {
              nested: {
                server: `127.0.0.1:${above.domain.server.tcpAddress.port}`,
                workloadApiSocket: above.socket,
              },
            },
          },
    );
    t.teardown(() => domain[Symbol.asyncDispose]());
    const agent = await domain.startAgent();
    // For the next server and for the programs of this test, which run as the same user.
    await domain.entry({ path: `/level-${level}`, more: { downstream: true } });
    levels.push({ domain, socket: agent.socket });
  }
  const children = new Set<ReturnType<typeof spawn>>();
  t.teardown(() => {
    for (const child of children) child.kill("SIGKILL");
  });
  const client = (level: number, args: readonly string[]): Client => {
    const child = spawn(go.command, [...go.args, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${levels[level]?.socket}` },
    });
    children.add(child);
    return new Client(child);
  };
  const idOf = (level: number): string => `spiffe://example.org/level-${level}`;

  for (const [from, to] of [
    [2, 0],
    [0, 2],
    [1, 2],
  ] as const) {
    const server = client(to, ["serve", idOf(from)]);
    const { address } = await server.next("listening");
    const answer = await client(from, ["dial", String(address), idOf(to)]).next("answer");
    t.match(answer, { line: `${idOf(from)} to hello\n`, peer: idOf(to) }, `${from} to ${to}`);
    server.stop();
  }
  const said = await client(2, ["watch"]).next("update");
  t.match(said, { spiffeId: idOf(2), verified: true });
});
