/** Commands and daemons at the wrong socket: whose it is, and that nothing is begun because of it. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { followX509 } from "../../src/cli/fetch/streams.ts";
import { runProgram } from "../../src/cli/program/program.ts";
import { connectTo } from "../../src/cli/connection/rpc-clients.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { startServer } from "../../src/server/main.ts";
import { refused } from "../support/refused.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { Domain } from "../support/running.ts";
import { startTestServer, testServerConfig } from "../support/server.ts";
import type { Ran } from "./program.ts";

async function run(...args: string[]): Promise<Ran> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runProgram({
    args,
    env: { HOME: "/nowhere" },
    stdout: (text) => out.push(text),
    stderr: (text) => err.push(text),
  });
  return { code, out: out.join(""), err: err.join("") };
}

t.test("a command at another's socket says whose that is, and so does health", async (t) => {
  await using domain = await Domain.start();
  const admin = join(domain.dir, "admin/agent.sock");
  const { socket: agent } = await domain.startAgent({ adminSocket: admin });
  const { socket: server } = domain.server;
  const meant = {
    agent: /this command is for the Workload API socket.* SPIFFE_ENDPOINT_SOCKET\n$/,
    admin: /this command is for the agent's admin socket.* ASSAY_AGENT_ADMIN_SOCKET\n$/,
    server: /this command is for the server's admin socket.* ASSAY_SERVER_SOCKET\n$/,
  };
  const cases: [string[], string, RegExp, RegExp][] = [
    [["fetch", "x509"], server, /server\.sock is the server's admin socket;/, meant.agent],
    [["fetch", "jwt", "--audience", "a"], server, /is the server's admin socket;/, meant.agent],
    [["fetch", "bundle"], admin, /agent\.sock is an agent's admin socket;/, meant.agent],
    [["watch"], server, /is the server's admin socket;/, meant.agent],
    [["entry", "list"], agent, /api\.sock is an agent's Workload API socket;/, meant.server],
    [["explain", "1"], agent, /is an agent's Workload API socket;/, meant.admin],
    [["debug", "--of", "agent"], server, /is the server's admin socket;/, meant.admin],
    [["agents", "count"], admin, /is an agent's admin socket;/, meant.server],
  ];
  for (const [words, socket, whose, next] of cases) {
    const ran = await run(...words, "--socket", socket);
    t.match(ran, { code: 1, out: "", err: whose }, words.join(" "));
    t.match(ran.err, next);
  }
  const nowhere: [string[], RegExp][] = [
    [["entry", "list"], /no server socket at .*'assay server',.* ASSAY_SERVER_SOCKET\n$/],
    [["fetch", "x509"], /no agent socket at .*'assay agent',.* SPIFFE_ENDPOINT_SOCKET\n$/],
    [
      ["debug", "agent"],
      /agent's admin socket at .* --admin-socket',.* ASSAY_AGENT_ADMIN_SOCKET\n$/,
    ],
    [["explain", "1"], /agent's admin socket at .* --admin-socket',.* ASSAY_AGENT_ADMIN_SOCKET\n$/],
  ];
  for (const [words, err] of nowhere) {
    t.match(await run(...words, "--socket", join(domain.dir, "none.sock")), { code: 1, err });
  }
  const sockets: [string, string[]][] = [
    [server, ["listeners", "datastore", "x509 authority", "jwt authority", "audit log"]],
    [agent, ["identity", "sync"]],
    [admin, ["identity", "sync"]],
  ];
  const serving: [string[], RegExp, RegExp][] = [
    [["health", "--socket", server], /^serving: the server's admin socket \(/, /^$/],
    [["health", "agent", "--socket", agent], /^serving: an agent's Workload API socket \(/, /^$/],
    [["health", "agent", "--socket", admin], /^serving: an agent's admin socket \(/, /^$/],
    [["health", "--socket", agent], /^serving: an agent's Workload API/, /server was asked for/],
    [["health", "agent", "--socket", server], /^serving: the server's/, /agent was asked for/],
  ];
  for (const [words, out, err] of serving) {
    t.match(await run(...words, "--wait", "5m"), { code: 0, out, err }, words.join(" "));
  }
  for (const [socket, names] of sockets) {
    using channel = connectUnix(socket);
    const { parts } = await channel.unary<{ parts: { name: string; serving: boolean }[] }>(
      "assay.health.v1.Health",
      "GetParts",
      {},
    );
    t.ok(
      parts.every((part) => part.serving),
      JSON.stringify(parts),
    );
    const told = new Set(parts.map(({ name }) => name));
    t.ok(
      names.every((name) => told.has(name)),
      socket,
    );
  }
});

t.test("an agent that ends while it is followed: the socket and the next step, once", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const agent = await domain.startAgent();
  const ended = new AbortController();
  const said: string[] = [];
  using client = await connectTo("agent", agent.socket, ended.signal);
  const [views, told] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const note = (text: string): void => {
    said.push(text);
    if (/nobody listens/.test(text)) told.resolve();
  };
  const following = (async () => {
    for await (const _ of followX509(client, ended.signal, note)) views.resolve();
  })();
  await views.promise;
  await agent[Symbol.asyncDispose]();
  await told.promise;
  ended.abort();
  await following;
  const last = said.at(-1) ?? "";
  t.match(
    last,
    /^assay: nobody listens on .*; the agent has stopped, start 'assay agent', or name/,
  );
  t.ok(last.includes(agent.socket));
  t.notMatch(said.join(), /No connection|ENOENT|ECONNREFUSED/);
});

t.test("a fresh folder is bound to nothing while the admin socket is another's", async (t) => {
  const { socket } = await startTestServer(t);
  const dir = mkdtempSync(join(tmpdir(), "assay-fresh-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const tools = { logger: silentLogger, clock: systemClock, random: systemRandom };
  await refused(
    t,
    startServer(testServerConfig(dir, { trustDomain: "wrong.org", socket }), tools),
    {
      kind: "precondition",
      message: /another process serves .*server\.sock, stop it or choose another path/,
    },
  );
  t.notOk(existsSync(join(dir, "data/audit/audit-000000000000001.jsonl")));
  const right = await startServer(testServerConfig(dir, { trustDomain: "right.org" }), tools);
  await right[Symbol.asyncDispose]();
});
