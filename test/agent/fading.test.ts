import t from "tap";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { runProgram } from "../../src/cli/program/program.ts";
import { createLogger } from "../../src/observe/logger.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { quiet } from "../support/quiet.ts";
import { Domain } from "../support/running.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { WorkloadClient } from "../support/workload-client.ts";

t.test("an agent whose own SVID ended serves what it holds until that ends, too", async (t) => {
  await using domain = await Domain.start({
    ttl: { x509SvidSeconds: 150, jwtSvidSeconds: 300, agentSvidSeconds: 60 },
  });
  await domain.entry({ path: "/one" });
  const lines: string[] = [];
  const clock = new VirtualClock(systemClock.nowMs());
  const logger = createLogger({
    level: "info",
    format: "text",
    write: (line) => void lines.push(line),
    nowMs: () => clock.nowMs(),
  });
  const agent = await domain.startAgent({}, { clock, logger });
  using client = new WorkloadClient(agent.socket);
  t.equal((await client.fetchX509()).svids.length, 1);
  await domain.stopServer();
  const faded = (): boolean => lines.some((line) => line.includes("gets nothing new"));
  const toNextTimer = async (): Promise<void> => {
    await clock.advance((clock.nextMs ?? clock.nowMs()) - clock.nowMs());
    await quiet();
  };
  while (!faded()) await toNextTimer();
  t.equal((await client.fetchX509()).svids.length, 1, "still served");
  using channel = connectUnix(agent.socket);
  const { status } = await channel.unary<{ status: string }>(
    "grpc.health.v1.Health",
    "Check",
    {},
    { metadata: { "workload.spiffe.io": "true" } },
  );
  t.equal(status, "NOT_SERVING");
  const out: string[] = [];
  const code = await runProgram({
    args: ["health", "agent", "--socket", agent.socket],
    env: { HOME: "/nowhere" },
    stdout: (text) => out.push(text),
    stderr: (text) => out.push(text),
  });
  t.equal(code, 1);
  t.match(out.join(""), /does not serve: identity: the agent's SVID has expired\n$/);
  const over = new AbortController();
  const stopped = agent.stopped.finally(() => over.abort());
  while (!over.signal.aborted) await toNextTimer();
  const reason = await stopped;
  t.match(reason?.message, /SVID has expired.*assay token generate/);
  t.equal(lines.filter((line) => line.includes("gets nothing new")).length, 1);
  const endMs = Date.parse(/node attested .*expiresAt=(\S+)/.exec(lines.join(""))?.[1] ?? "");
  const retries = lines.flatMap((line) => {
    const [, time = "", retryMs] = /^(\S+) .*was not renewed .*retryMs=(\d+)/.exec(line) ?? [];
    return retryMs === undefined ? [] : [{ leftMs: endMs - Date.parse(time), ms: Number(retryMs) }];
  });
  t.ok(retries.length > 8, `${retries.length} attempts`);
  t.same(
    retries.filter(({ leftMs, ms }) => leftMs > 0 && ms > Math.max(1001, leftMs / 8 + 500)),
    [],
    "it is tried again the sooner the less is left",
  );
  const last = lines.findIndex((line) => line.includes("the agent stops"));
  t.ok(last > 0);
  t.same(
    lines.slice(last + 1).filter((line) => /WARN|ERROR/i.test(line)),
    [],
    "nothing is complained of after the end",
  );
});

t.test("what has expired by the server's clock alone is not given up", async (t) => {
  let aheadMs = 0;
  const clock: Clock = { ...systemClock, nowMs: () => systemClock.nowMs() + aheadMs };
  await using domain = await Domain.start({}, undefined, { clock, random: systemRandom });
  await domain.entry({ path: "/one" });
  const differ = Promise.withResolvers<void>();
  const logger = createLogger({
    level: "warn",
    format: "text",
    write: (line) => {
      if (/has expired by the server's clock.*compare them/.test(line)) differ.resolve();
    },
    nowMs: () => systemClock.nowMs(),
  });
  const agent = await domain.startAgent({}, { clock: systemClock, logger });
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  t.equal((await watch.next()).svids.length, 1);
  aheadMs = 2 * 3600_000;
  agent.wake();
  await differ.promise;
  aheadMs = 0;
  await domain.entry({ path: "/two" });
  t.equal((await watch.next()).svids.length, 2, "the same agent goes on, without a new token");
});
