/** `assay explain` against a real server and a real agent: each cause of a missing identity is told from the others. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import t from "tap";
import { Attestation } from "../../src/agent/attestation/attestation.ts";
import { Cache } from "../../src/agent/cache/cache.ts";
import type { Entry } from "../../src/agent/cache/entry.ts";
import { explainHandlers } from "../../src/agent/explain/explain.ts";
import { encodeView } from "../../src/agent/workload-api/view-messages.ts";
import { unixAttestor } from "../../src/attestors/workload/unix/attest.ts";
import { fail } from "../../src/base/errors.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { type Selector, parseSelector } from "../../src/spiffe/selector.ts";
import { runProgram } from "../../src/cli/program/program.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { connectingProcess, end } from "../support/caller.ts";
import { untilEnded } from "../support/broker-scene.ts";
import { refused } from "../support/refused.ts";
import { Domain, OWN_SELECTOR, TRUST_DOMAIN, id } from "../support/running.ts";
import { WorkloadClient } from "../support/workload-client.ts";
import { S, bundle, entry as cachedEntry } from "./cache-bench.ts";

const UID = process.geteuid?.() ?? 0;

interface Shown {
  readonly verdict: string;
  readonly attestors: readonly { selectors: string[]; gaps: unknown[] }[];
  readonly matching: readonly { spiffeId: string }[];
  readonly nearest: readonly { id: string; spiffeId: string; obstacles: string[] }[];
  readonly parentIds: readonly string[];
  readonly sync: { inSync: boolean; mode: string; revision: number; failures: number };
  readonly serverError?: string;
}

class Explainer {
  readonly domain: Domain;
  readonly path: string;

  constructor(domain: Domain) {
    this.domain = domain;
    this.path = join(domain.dir, "admin", "admin.sock");
  }

  async say(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const out: string[] = [];
    const err: string[] = [];
    const code = await runProgram({
      args: ["explain", ...args],
      env: { HOME: "/nowhere", ASSAY_AGENT_ADMIN_SOCKET: this.path },
      stdout: (text) => out.push(text),
      stderr: (text) => err.push(text),
    });
    return { code, out: out.join(""), err: err.join("") };
  }

  async json(pid = process.pid): Promise<Shown> {
    const { code, out, err } = await this.say("--pid", String(pid), "--output", "json");
    if (code !== 0) throw new Error(err);
    return JSON.parse(out) as Shown;
  }

  async text(pid = process.pid): Promise<string> {
    return (await this.say(String(pid))).out;
  }

  /** Until the agent has what the server has. */
  async until(done: (shown: Shown) => boolean): Promise<Shown> {
    for (;;) {
      const shown = await this.json();
      if (done(shown)) return shown;
      await setImmediate();
    }
  }
}

t.test("a mistyped name that an older registry holds", async (t) => {
  await using domain = await Domain.start();
  const explainer = new Explainer(domain);
  const selectors = (name: string) =>
    JSON.stringify([OWN_SELECTOR, name].map(parseSelector).flatMap((s) => [s.type, s.value]));
  await domain.entry({ path: "/name", selectors: [OWN_SELECTOR, "unix:user:x"] });
  await domain.stopServer();
  const file = new DatabaseSync(join(domain.dir, "server", "datastore.db"));
  const { changes } = file
    .prepare("UPDATE entries SET selectors = ? WHERE selectors = ?")
    .run(selectors("unix:usr:x"), selectors("unix:user:x"));
  file.close();
  t.equal(changes, 1);
  await domain.startServer();
  await domain.startAgent({ adminSocket: explainer.path });
  const shown = await explainer.until(({ nearest }) => nearest.length === 1);
  t.match(shown.nearest[0], {
    spiffeId: id("/name"),
    selectorsPresent: 1,
    missing: [{ selector: "unix:usr:x", reason: "unknown_name" }],
  });
  t.match(
    await explainer.text(),
    /the attestor unix has no selector usr, did you mean user\? there are uid, user/,
  );
});

t.test("each cause is told from the others", async (t) => {
  await using domain = await Domain.start();
  const explainer = new Explainer(domain);
  const agent = await domain.startAgent({ adminSocket: explainer.path });

  await t.test("no entry at all", async (t) => {
    const shown = await explainer.until(({ sync }) => sync.inSync);
    t.match(shown, {
      verdict: "no_entry",
      matching: { length: 0 },
      nearest: { length: 0 },
      sync: { mode: "push" },
    });
    t.ok(shown.attestors[0]?.selectors.includes(OWN_SELECTOR));
    t.same(shown.parentIds, [agent.spiffeId.toString(), id("/host")]);
    t.match(
      await explainer.text(),
      new RegExp(
        `no entry comes near;.*\n  assay entry create --spiffe-id ${id("/NAME")} --parent-id ${id("/host")} --selector ${OWN_SELECTOR}\n[^]* 1 entry held\n`,
      ),
    );
  });

  await t.test("a selector that differs", async (t) => {
    const wanted = `unix:uid:${UID + 1000}`;
    const entry = await domain.entry({ path: "/differs", selectors: [wanted] });
    await domain.entry({
      path: "/further",
      selectors: [wanted, "unix:user:nobody-here", "unix:gid:4294967290"],
    });
    const shown = await explainer.until(({ nearest }) => nearest.length === 2);
    t.equal(shown.verdict, "no_entry");
    t.match(shown.nearest[0], {
      id: entry,
      obstacles: ["selectors"],
      missing: [{ selector: wanted, reason: "different_value", found: [OWN_SELECTOR] }],
    });
    t.equal(shown.nearest[1]?.spiffeId, id("/further"), "nearest first");
    t.match(await explainer.text(), `wants ${wanted}; the process has ${OWN_SELECTOR}`);
  });

  await t.test("a type that nobody here attests", async (t) => {
    await domain.entry({ path: "/type", selectors: [OWN_SELECTOR, "k8s:pod-name:web"] });
    const shown = await explainer.until(({ nearest }) => nearest.length === 3);
    t.match(shown.nearest, [{ spiffeId: id("/type"), missing: [{ reason: "unknown_type" }] }]);
    t.match(await explainer.text(), /no attestor of this agent has the type k8s; there are unix/);
  });

  await t.test("the wrong parent: nobody's, another agent's, another group's", async (t) => {
    const other = await domain.startAgent({
      dataDir: join(domain.dir, "other"),
      socket: join(domain.dir, "other.sock"),
      joinToken: await domain.token(),
    });
    const parent = (path: string) => ({ parent_id: { trust_domain: TRUST_DOMAIN, path } });
    const node = { type: "x509pop", value: "subject:cn:db" };
    await domain.call("entry.v1.Entry", "BatchCreateEntry", {
      entries: [
        {
          spiffe_id: { trust_domain: TRUST_DOMAIN, path: "/databases" },
          ...parent("/spire/server"),
          selectors: [node],
        },
      ],
    });
    await domain.entry({ path: "/typo", more: parent("/hots") });
    await domain.entry({ path: "/elsewhere", more: parent(other.spiffeId.path) });
    await domain.entry({ path: "/grouped", more: parent("/databases") });
    await domain.entry({ path: "/group-itself", more: parent("/spire/server") });
    const shown = await explainer.json();
    t.equal(shown.verdict, "no_entry");
    const of = (path: string) => shown.nearest.find(({ spiffeId }) => spiffeId === id(path));
    t.match(of("/typo"), { obstacles: ["parent"], parentId: id("/hots"), parentKind: "nobody" });
    t.match(of("/elsewhere"), {
      obstacles: ["parent"],
      parentKind: "other_agent",
      missing: { length: 0 },
    });
    t.match(of("/grouped"), { obstacles: ["parent"], parentKind: "other_alias" });
    t.match(of("/group-itself"), { obstacles: ["node_alias"] });
    t.ok(shown.nearest.length <= 10);
    const text = await explainer.text();
    t.match(
      text,
      `its parent is ${id("/hots")} (neither an agent nor an entry has this ID), did you mean ${id("/host")}?`,
    );
    t.notMatch(text, /another agent\), did you mean/);
    t.match(text, `this agent is ${agent.spiffeId.toString()} and ${id("/host")}`);
    await other[Symbol.asyncDispose]();
  });

  await t.test("expired", async (t) => {
    using client = new WorkloadClient(agent.socket);
    const entry = await domain.entry({ path: "/short" });
    t.match(await explainer.until(({ verdict }) => verdict === "served"), {
      matching: [{ spiffeId: id("/short"), obstacles: [] }],
    });
    t.match(await explainer.text(), /: 1 entry gives it an identity\n[^]*entries that match\n/);
    using watch = client.x509();
    await watch.next();
    // Whoever is slow has seen it before.
    await domain.call("entry.v1.Entry", "BatchUpdateEntry", {
      entries: [{ id: entry, expires_at: Math.floor(Date.now() / 1000) + 6 }],
      input_mask: { expires_at: true },
    });
    await refused(t, untilEnded(watch), { kind: "denied" });
    const [first] = (await explainer.json()).nearest;
    t.match(first, { id: entry, obstacles: ["expired"], missing: { length: 0 } });
    t.match(await explainer.text(), /short [^]* expired 20\d\d-\S+ \(.* ago\)|short[^]*\(now\)/);
    await domain.deleteEntry(entry);
    const [after] = (await explainer.json()).nearest;
    t.match(after, { id: entry, obstacles: ["expired"] }, "also when the server has dropped it");
  });

  await t.test("taken away", async (t) => {
    const entry = await domain.entry({ path: "/gone" });
    await explainer.until(({ verdict }) => verdict === "served");
    await domain.deleteEntry(entry);
    const shown = await explainer.until(({ verdict }) => verdict !== "served");
    t.ok(shown.nearest.some((near) => near.id === entry && near.obstacles[0] === "removed"));
  });

  await t.test("no such process", async (t) => {
    const child = connectingProcess("/nonexistent");
    const pid = child.pid ?? 0;
    t.equal((await explainer.json(pid)).verdict, "no_entry", "one that never called");
    await end(child);
    t.match(await explainer.say(String(pid)), {
      code: 1,
      out: "",
      err: new RegExp(`there is no process ${pid}`),
    });
    t.match(await explainer.say("0"), { code: 1, err: /no caller without a process id here/ });
    t.match(await explainer.say("self"), { code: 2 });
  });

  await t.test("an attestor that could not look", async (t) => {
    const child = await processWithoutMainThread();
    const path = await domain.entry({
      path: "/program",
      selectors: [OWN_SELECTOR, "unix:path:/usr/bin/program"],
    });
    await explainer.until(({ nearest }) => nearest.some((near) => near.id === path));
    const shown = await explainer.json(child.pid);
    t.match(shown.attestors[0]?.gaps, [{ names: ["path", "sha256"], reason: /cannot be read/ }]);
    t.match(
      shown.nearest.find((near) => near.id === path),
      { missing: [{ reason: "unreadable", detail: /cannot be read/ }] },
    );
    t.match(await explainer.text(child.pid), /without unix:path, unix:sha256: the executable/);
    await end(child);
  });

  await t.test("out of sync: the server is away", async (t) => {
    await domain.stopServer();
    const shown = await explainer.until(({ sync }) => sync.failures > 0);
    t.match(shown, { verdict: "no_entry", sync: { inSync: false, synced: true } });
    t.match(shown.serverError, /./);
    t.match(
      await explainer.text(),
      /that the agent knew of matches; it does not hear its server now\n[^]*out of sync with its server: last heard 20[^]* in a row/,
    );
    await agent[Symbol.asyncDispose]();
    await domain.startAgent({
      adminSocket: explainer.path,
      joinToken: undefined,
      bootstrap: { kind: "stored" },
    });
    t.match(await explainer.json(), {
      verdict: "not_synced",
      sync: { inSync: false, synced: false, mode: "" },
    });
    t.match(await explainer.text(), /as the agent lacks what the server has\n[^]*never heard/);
  });
});

t.test("workloads can ask neither the agent nor, as agents do, the server", async (t) => {
  await using domain = await Domain.start();
  const agent = await domain.startAgent();
  const workload = connectUnix(agent.socket);
  t.teardown(() => workload.close());
  const ask = workload.unary("assay.explain.v1.Explain", "ExplainPid", { pid: process.pid });
  await refused(t, ask, { kind: "unsupported" });
  const admin = connectUnix(domain.server.socket);
  t.teardown(() => admin.close());
  await refused(t, admin.unary("assay.explain.v1.Registry", "Nearest", {}), { kind: "denied" });
});

t.test("an entry that the server has for the agent, which does not hold it", async (t) => {
  const clock = systemClock;
  const cache = new Cache({
    clock,
    encode: encodeView,
    maxIdleSvids: 1,
    allowUnregistered: false,
  });
  const asked: (readonly Selector[])[] = [];
  let trouble: Error | undefined;
  const { ExplainPid } = explainHandlers({
    attestation: new Attestation({
      attestors: [unixAttestor({ clock, logger: silentLogger })],
      clock,
      logger: silentLogger,
    }),
    cache,
    clock,
    syncState: () => undefined,
    whyNoIdentity: () => undefined,
    agentId: () => id("/agent"),
    askServer: async (selectors) => {
      asked.push(selectors);
      if (trouble !== undefined) throw trouble;
      return {
        entries: [
          {
            id: "late",
            spiffe_id: id("/late"),
            parent_id: id("/agent"),
            missing: [],
            selectors_present: 1,
            obstacles: [],
            expires_at: "0",
            revision_number: "3",
            parent_kind: "PARENT_KIND_UNSPECIFIED",
          },
        ],
        parent_ids: [id("/agent")],
        revision: "41",
      };
    },
    stopping: new AbortController().signal,
  });
  cache.apply({ entries: new Map(), own: bundle(TRUST_DOMAIN), foreign: new Map() });
  t.match(await ExplainPid({ pid: process.pid }), {
    verdict: "NOT_SYNCED",
    nearest: [{ id: "late", obstacles: ["NOT_HELD"], revision_number: "3" }],
    sync: { synced: true, server_revision: "41" },
  });
  t.equal(asked.length, 1);
  const held = { ...LATE, revisionNumber: 2, selectors: [parseSelector("unix:uid:4294967290")] };
  const sync = (entry: Entry) =>
    cache.apply({
      entries: new Map([["late", entry]]),
      own: bundle(TRUST_DOMAIN),
      foreign: new Map(),
    });
  sync(held);
  const stale = await ExplainPid({ pid: process.pid });
  t.match(stale, { verdict: "NOT_SYNCED", nearest: [{ obstacles: ["NOT_HELD"] }] });
  t.equal(stale.nearest?.length, 1, "and not once more as the agent has it");
  sync(LATE);
  t.match(await ExplainPid({ pid: process.pid }), {
    verdict: "SERVED",
    matching: [{ id: "late" }],
    nearest: { length: 0 },
  });
  for (const [error, said] of [
    [
      fail("deadline", "Deadline exceeded after 5.028s,LB pick: 0.001s"),
      "it did not answer in time",
    ],
    [fail("unsupported", "unknown service"), "it does not explain its entries"],
    [fail("unavailable", "nobody listens on a:1"), "nobody listens on a:1"],
  ] as const) {
    trouble = error;
    t.match(await ExplainPid({ pid: process.pid }), { server_error: said });
  }
  cache[Symbol.dispose]();
});

const LATE = cachedEntry("late", { selectors: S(OWN_SELECTOR), revisionNumber: 3, createdAt: 1 });

/** A living process that has no executable any more: its first thread has ended and others go on. */
async function processWithoutMainThread(): Promise<ChildProcess> {
  const exit = process.arch === "arm64" ? 93 : 60;
  const script = `const syscall = require("koffi").load(null).func("long syscall(long n, long a)");
    require("node:fs").writeSync(1, "x"); syscall(${exit}, 0);`;
  const child = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const hasEnded = () => / Z /.test(readFileSync(`/proc/${child.pid}/stat`, "latin1"));
  while (!hasEnded()) await setImmediate();
  return child;
}
