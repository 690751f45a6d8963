/** The log on disk: groups, order, torn lines, files, full disks; and reading it. */
import { appendFile, mkdtemp, readFile, readdir, rm, writeFile, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { isKind } from "../../../src/base/errors.ts";
import type { AuditEvent, AuditRecord } from "../../../src/observe/audit.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import {
  type AuditFile,
  AuditLog,
  type AuditLogOptions,
} from "../../../src/server/audit/audit-log.ts";
import { AuditTrail } from "../../../src/server/audit/audit-trail.ts";
import { CallScope } from "../../../src/server/audit/call-scope.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { type AuditFilter, readAudit } from "../../../src/server/audit/audit-reader.ts";
import { DenialBudget } from "../../../src/server/audit/denial-budget.ts";
import { refused } from "../../support/refused.ts";
import { VirtualClock, settle } from "../../support/virtual-clock.ts";

const clock = new VirtualClock();
const event = (action: string, more: Partial<AuditEvent> = {}): AuditEvent => ({
  kind: "issuance",
  action,
  outcome: "ok",
  ...more,
});

async function folder(t: Test): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "assay-audit-"));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

const openLog = (dir: string, more: Partial<AuditLogOptions> = {}) =>
  AuditLog.open({ dir, clock, logger: silentLogger, ...more });

async function records(dir: string): Promise<AuditRecord[]> {
  const names = (await readdir(dir)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(dir, name), "utf8")));
  return texts
    .join("")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as AuditRecord);
}

const EVERYTHING: AuditFilter = { kinds: [], since: 0 };

async function found(log: AuditLog, filter: Partial<AuditFilter>, last = 0): Promise<number[]> {
  const { signal } = new AbortController();
  const seqs: number[] = [];
  const options = { filter: { ...EVERYTHING, ...filter }, signal, follow: false, last };
  for await (const lines of readAudit(log, options)) seqs.push(...lines.map(({ seq }) => seq));
  return seqs;
}

/** A disk that counts writes and can be full. */
class Disk {
  writes = 0;
  /** How many bytes still fit; a write beyond that is cut short, the next one fails. */
  room = Number.POSITIVE_INFINITY;

  open = async (path: string): Promise<AuditFile> => {
    const handle = await open(path, "a+").then(async (made) => {
      await made.close();
      return open(path, "r+");
    });
    return {
      write: (async (bytes: Buffer, from: number, length: number, at: number) => {
        if (this.room <= 0)
          throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
        const fits = Math.min(length, this.room);
        this.room -= fits;
        this.writes += 1;
        return handle.write(bytes, from, fits, at);
      }) as AuditFile["write"],
      truncate: (length) => handle.truncate(length),
      close: () => handle.close(),
    };
  };
}

t.test("lines have numbers without a gap, and a promise kept is a line on disk", async (t) => {
  const dir = await folder(t);
  const disk = new Disk();
  const log = await openLog(dir, { openFile: disk.open });
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      await log.append(event(`x509.${index}`));
      order.push(index);
      if (index === 0) t.match(await records(dir), [{ seq: 1, v: 1, action: "x509.0" }]);
    }),
  );
  t.same(
    order,
    [...order].sort((a, b) => a - b),
    "in the order in which they were asked for",
  );
  t.ok(disk.writes < 20, `${disk.writes} writes for 200 lines`);
  const written = await records(dir);
  t.same(
    written.map(({ seq }) => seq),
    Array.from({ length: 200 }, (_, index) => index + 1),
  );
  t.same(
    written.map(({ action }) => action),
    Array.from({ length: 200 }, (_, i) => `x509.${i}`),
  );
  await log[Symbol.asyncDispose]();
  await refused(t, log.append(event("late")), { kind: "unavailable" });

  const again = await openLog(dir);
  await again.append(event("next"));
  t.match((await records(dir)).at(-1), { seq: 201, action: "next" });
  await again[Symbol.asyncDispose]();
});

t.test(
  "half of the lines that are about to come are waited for, a millisecond at most",
  async (t) => {
    const dir = await folder(t);
    const disk = new Disk();
    const own = new VirtualClock();
    const log = await openLog(dir, { openFile: disk.open, clock: own });
    const alone = log.expect();
    await log.append(event("alone"));
    alone[Symbol.dispose]();
    t.equal(disk.writes, 1, "who is alone waits for nobody");

    const four = [log.expect(), log.expect(), log.expect(), log.expect()];
    const first = log.append(event("first"));
    await settle();
    t.equal(disk.writes, 1);
    await Promise.all([first, log.append(event("second"))]);
    t.equal(disk.writes, 2, "two of four in one group");
    for (const each of four) each[Symbol.dispose]();

    const [failed] = [log.expect(), log.expect(), log.expect()];
    const left = log.append(event("left"));
    await settle();
    t.equal(disk.writes, 2);
    failed?.[Symbol.dispose]();
    await left;
    t.equal(disk.writes, 3, "one that was not signed after all is not waited for");

    log.expect();
    const patient = log.append(event("patient"));
    await settle();
    t.equal(disk.writes, 3);
    await own.advance(1);
    await patient;
    t.equal(disk.writes, 4, "nor one that takes its time");

    const last = log.append(event("last"));
    await settle();
    await log[Symbol.asyncDispose]();
    await last;
    t.equal(disk.writes, 5, "and at the end nobody");
  },
);

t.test("what a crash left of a last line is cut off, and nothing else", async (t) => {
  const line = (seq: number) =>
    `${JSON.stringify({ v: 1, seq, time: "2026-01-01T00:00:00.000Z", kind: "issuance" })}\n`;
  const cases: readonly [string, string, number][] = [
    ["nothing torn", "", 4],
    ["half a line", '{"v":1,"seq":4,"ti', 4],
    ["a whole line without its break", line(4).trimEnd(), 4],
    ["zeros of a block that was never written", "\0".repeat(4096), 4],
    ["zeros and then a line", `\0\0\0\n${line(5)}`, 4],
    ["a number that does not follow", line(9), 4],
    ["another version of nothing", '{"v":0,"seq":4,"time":""}\n', 4],
    ["a line that does follow", line(4), 5],
  ];
  for (const [name, tail, next] of cases) {
    const dir = await folder(t);
    const path = join(dir, "audit-000000000000001.jsonl");
    await writeFile(path, line(1) + line(2) + line(3) + tail);
    const log = await openLog(dir);
    t.equal(log.lastSeq, next - 1, name);
    t.equal((await records(dir)).length, next - 1, `${name}: cut at once`);
    await log.append(event("after"));
    t.same(
      (await records(dir)).map(({ seq }) => seq),
      Array.from({ length: next }, (_, i) => i + 1),
      name,
    );
    await log[Symbol.asyncDispose]();
  }
  const dir = await folder(t);
  await writeFile(join(dir, "audit-000000000000007.jsonl"), '{"v":1');
  const log = await openLog(dir);
  await log.append(event("first of its file"));
  t.match(
    await records(dir),
    [{ seq: 7 }],
    "a file with no whole line says its number by its name",
  );
  await log[Symbol.asyncDispose]();
});

t.test("the last line is found at the end of a long file", async (t) => {
  const dir = await folder(t);
  const log = await openLog(dir);
  const reason = "x".repeat(500);
  await Promise.all(Array.from({ length: 4000 }, () => log.append(event("long", { reason }))));
  await log[Symbol.asyncDispose]();
  await appendFile(join(dir, "audit-000000000000001.jsonl"), '{"v":1,"seq":4001');
  const again = await openLog(dir);
  t.equal(again.lastSeq, 4000);
  await again[Symbol.asyncDispose]();
});

t.test("a file that is large enough is followed by another", async (t) => {
  const dir = await folder(t);
  const log = await openLog(dir, { maxFileBytes: 400 });
  for (let n = 0; n < 20; n++) await log.append(event(`n${n}`));
  const names = (await readdir(dir)).sort();
  t.ok(names.length > 3, `${names.length} files`);
  t.same(
    (await records(dir)).map(({ seq }) => seq),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  t.same(
    await found(log, {}),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  t.same(await found(log, {}, 3), [18, 19, 20]);
  await log[Symbol.asyncDispose]();
});

t.test("full disk: refused, never forgotten, and as before when there is room", async (t) => {
  const dir = await folder(t);
  const disk = new Disk();
  const log = await openLog(dir, { openFile: disk.open });
  await log.append(event("before"));
  // A whole line and a part of the next one fit, and stay behind.
  disk.room = 700;
  const refusals = await Promise.allSettled([
    log.append(event("issuance", { reason: "x".repeat(500) })),
    log.append(event("issuance", { reason: "x".repeat(500) })),
    log.append(event("change", { kind: "admin" }), { done: true }),
  ]);
  for (const refusal of refusals) {
    t.equal(refusal.status, "rejected");
    if (refusal.status !== "rejected") continue;
    t.ok(isKind(refusal.reason, "unavailable"));
    t.match(String(refusal.reason), /audit log cannot be written.*free space/);
  }
  t.ok(log.failing);
  t.same(await found(log, {}), [1], "a reader never sees what is not on disk");
  await refused(t, log.append(event("still")), { kind: "unavailable" });
  t.equal(log.lastSeq, 1);

  disk.room = Number.POSITIVE_INFINITY;
  await log.append(event("after"));
  await log.append(event("later"));
  t.notOk(log.failing);
  t.same(
    (await records(dir)).map(({ seq, action }) => [seq, action]),
    [
      [1, "before"],
      [2, "change"],
      [3, "after"],
      [4, "later"],
    ],
    "what was done is written later; what was not handed out is not",
  );
  await log[Symbol.asyncDispose]();
});

t.test("full disk: authorities rotate by the clock, and their records come later", async (t) => {
  const dir = await folder(t);
  const disk = new Disk();
  const log = await openLog(dir, { openFile: disk.open });
  const trail = await AuditTrail.open({
    log,
    scope: new CallScope(),
    clock,
    random: new SeededRandom("rotation"),
    logger: silentLogger,
    metrics: new Metrics(),
  });
  disk.room = 0;
  const rotation = { kind: "x509", authorityId: "aa", expiresAt: 7, byHand: false } as const;
  await trail.rotated({ ...rotation, step: "prepare" });
  await trail.rotated({ ...rotation, step: "activate", reason: "bb: its key is gone" });
  await trail.rotated({ ...rotation, step: "activate", byHand: true });
  t.ok(log.failing);
  disk.room = Number.POSITIVE_INFINITY;
  await trail[Symbol.asyncDispose]();
  await log[Symbol.asyncDispose]();
  t.match(await records(dir), [
    { action: "server.start" },
    { action: "x509.authority.prepare", subject: { authorityId: "aa", expiresAt: 7 } },
    { action: "x509.authority.activate", reason: "bb: its key is gone" },
    { action: "server.stop" },
  ]);
});

t.test("find: by what a record says, what its call was, and its time", async (t) => {
  const dir = await folder(t);
  const time = new VirtualClock(Date.UTC(2026, 0, 1));
  const log = await openLog(dir, { clock: time });
  const agent = { role: "agent", id: "spiffe://example.org/spire/agent/a" };
  await log.append(
    event("a", { subject: { spiffeId: "spiffe://example.org/web", serial: "ab1" }, caller: agent }),
  );
  const names = ["Web.example.org", "10.0.0.7"];
  await log.append(
    event("b", {
      subject: { spiffeId: "spiffe://example.org/web2", entryId: "e1", authorityId: "aa", names },
      method: "/assay.x.v1.Xs/MakeX",
      requestId: "r-1",
    }),
  );
  time.step(60_000);
  await log.append(event("c", { kind: "denial", caller: agent }));
  const now = Date.UTC(2026, 0, 1) / 1000;
  const cases: readonly [Partial<AuditFilter>, number[]][] = [
    [{}, [1, 2, 3]],
    [{ spiffeId: "spiffe://example.org/web" }, [1]],
    [{ spiffeId: agent.id }, [1, 3]],
    [{ serial: "ab1" }, [1]],
    [{ serial: "ab" }, []],
    [{ kinds: ["denial"] }, [3]],
    [{ kinds: ["denial", "issuance"] }, [1, 2, 3]],
    [{ since: now + 1 }, [3]],
    [{ until: now }, [1, 2]],
    [{ until: now + 60 }, [1, 2, 3]],
    [{ since: now + 1, until: now + 59 }, []],
    [{ requestId: "r-1" }, [2]],
    [{ requestId: "r-" }, []],
    [{ entryId: "e1" }, [2]],
    [{ entryId: "e2" }, []],
    [{ authorityId: "aa" }, [2]],
    [{ authorityId: "a" }, []],
    [{ name: "web.EXAMPLE.org" }, [2]],
    [{ name: "10.0.0.7" }, [2]],
    [{ name: "example.org" }, []],
    [{ actions: ["a", "c"] }, [1, 3]],
    [{ actions: ["MakeX"] }, [2]],
    [{ actions: ["/assay.x.v1.Xs/MakeX"] }, [2]],
    [{ actions: ["akeX"] }, []],
    [{ spiffeId: agent.id, kinds: ["issuance"] }, [1]],
  ];
  for (const [filter, seqs] of cases)
    t.same(await found(log, filter), seqs, JSON.stringify(filter));
  await log[Symbol.asyncDispose]();
});

t.test("following sees each record once, over files, and ends with its signal", async (t) => {
  const dir = await folder(t);
  const log = await openLog(dir, { maxFileBytes: 1000 });
  await log.append(event("there"));
  const over = new AbortController();
  const seen: number[] = [];
  const following = (async () => {
    const options = { filter: EVERYTHING, signal: over.signal, follow: true, last: 0 };
    for await (const lines of readAudit(log, options)) {
      seen.push(...lines.map(({ seq }) => seq));
      if (seen.at(-1) === 101) over.abort();
    }
  })();
  for (let n = 0; n < 100; n += 10) {
    await Promise.all(Array.from({ length: 10 }, () => log.append(event("new"))));
  }
  await following;
  t.same(
    seen,
    Array.from({ length: 101 }, (_, index) => index + 1),
  );
  await log[Symbol.asyncDispose]();
});

t.test("denials beyond the budget are counted", async (t) => {
  const time = new VirtualClock();
  const budget = new DenialBudget(time);
  const taken = (caller: string | undefined, times: number) =>
    Array.from({ length: times }, () => budget.take(caller, "/a.B/C", "denied")).filter(Boolean)
      .length;
  t.equal(taken(undefined, 1000), 50);
  t.equal(
    taken("spiffe://example.org/spire/agent/a", 10),
    10,
    "a flood of strangers hides no agent",
  );
  t.same(budget.drain(), [{ action: "/a.B/C", outcome: "denied", count: 950 }]);
  t.same(budget.drain(), []);
  time.step(1000);
  t.equal(taken(undefined, 100), 5);
  time.step(-3_600_000);
  t.equal(taken(undefined, 100), 0, "a clock set back refills nothing");
});
