import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import t, { type Test } from "tap";
import { isKind } from "../../../src/base/errors.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { KEPT_CHANGES, startFeedPruner } from "../../../src/server/datastore/feed-pruner.ts";
import { CommitGroup } from "../../../src/server/datastore/sqlite/commit-group.ts";
import { Connection } from "../../../src/server/datastore/sqlite/connection.ts";
import {
  type Migration,
  checkSchema,
  migrate,
} from "../../../src/server/datastore/sqlite/migrate.ts";
import { MIGRATIONS } from "../../../src/server/datastore/sqlite/migrations/list.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { fromSqliteError } from "../../../src/server/datastore/sqlite/sqlite-error.ts";
import { Transaction } from "../../../src/server/datastore/sqlite/transaction.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { datastoreConformance } from "./conformance.ts";
import { holding, match, sampleEntry } from "./samples.ts";

const folder = mkdtempSync(join(tmpdir(), "assay-test-"));
t.teardown(() => rmSync(folder, { recursive: true }));
let count = 0;

function newPath(): string {
  count += 1;
  return join(folder, String(count), "server.db");
}

const open = (path: string) =>
  openSqliteDatastore({ path, clock: new VirtualClock(), logger: silentLogger });

await datastoreConformance(t, "memory", async () => ({ store: await open(":memory:") }));

await datastoreConformance(t, "file", async () => {
  const path = newPath();
  const store = await open(path);
  return {
    store,
    reopen: async () => {
      await store[Symbol.asyncDispose]();
      return open(path);
    },
  };
});

t.test("the file and its folder belong to their owner alone", async (t) => {
  const path = newPath();
  await using store = await open(path);
  await store.transaction((w) => w.entries.create(sampleEntry("e")));
  t.equal(statSync(dirname(path)).mode & 0o777, 0o700);
  for (const end of ["", "-wal", "-shm"]) {
    t.equal(statSync(path + end).mode & 0o777, 0o600, `database${end}`);
  }
});

t.test("a memory store leaves nothing behind", async (t) => {
  await using store = await open(":memory:");
  await store.transaction((w) => w.entries.create(sampleEntry("e")));
  await using other = await open(":memory:");
  t.equal(await other.entries.count({}), 0, "each is its own");
  t.notOk(existsSync(":memory:"));
});

t.test("a second server on the folder is refused", async (t) => {
  const path = newPath();
  const store = await open(path);
  await store.transaction((w) => w.entries.create(sampleEntry("e")));
  const refused = await refusal(t, path);
  t.ok(isKind(refused, "conflict"));
  t.match(refused.message, /in use by another server; stop that one or give this one a folder/);
  await store.transaction((w) => w.entries.create(sampleEntry("f")));
  const child = startChild(path, 0);
  t.notSame(await once(child, "exit"), [0, null], "from another process, too");
  await store[Symbol.asyncDispose]();
  await holding(await open(path), async () => void t.pass("free again"));
});

t.test("databases that are refused, with the way out", async (t) => {
  const good = newPath();
  await holding(await open(good), async () => undefined);
  const bad = async (
    title: string,
    kind: "precondition" | "internal",
    says: RegExp,
    make: Make,
  ) => {
    const path = newPath();
    mkdirSync(dirname(path));
    copyFileSync(good, path);
    make(path);
    const before = readFileSync(path);
    const refused = await refusal(t, path);
    t.ok(isKind(refused, kind), title);
    t.match(refused.message, says, title);
    t.same(readFileSync(path), before, `${title}: untouched`);
    t.ok(isKind(await refusal(t, path), kind), `${title}: the folder is not left locked`);
  };
  type Make = (path: string) => void;
  const sql =
    (text: string): Make =>
    (path) => {
      const database = new DatabaseSync(path);
      database.exec(text);
      database.close();
    };
  await bad(
    "newer",
    "precondition",
    new RegExp(
      `schema 700 is newer than this program knows \\(${MIGRATIONS.length}\\); run the newer version or restore a backup`,
    ),
    sql("PRAGMA user_version = 700"),
  );
  await bad("foreign", "precondition", /another program/, sql("PRAGMA application_id = 5"));
  await bad("foreign, unmarked", "precondition", /another program/, (path) => {
    rmSync(path);
    sql("CREATE TABLE theirs (x)")(path);
  });
  await bad("no database", "internal", /damaged.*restore a backup/, (path) =>
    writeFileSync(path, "this is no database ".repeat(500)),
  );
  await bad("overwritten pages", "internal", /damaged.*restore a backup/, (path) => {
    const bytes = readFileSync(path);
    bytes.fill(0xa5, 4096, bytes.length - 4096);
    writeFileSync(path, bytes);
  });
  await bad("a spoilt page header", "internal", /damaged.*restore a backup/, (path) => {
    const bytes = readFileSync(path);
    // The count of fragmented bytes of page 2: nothing that plain reading would stumble over.
    bytes[4096 + 7] = 9;
    writeFileSync(path, bytes);
  });
  await bad("cut short", "internal", /damaged.*restore a backup/, (path) =>
    writeFileSync(path, readFileSync(path).subarray(0, 3 * 4096)),
  );
});

t.test("migrations go forward one by one, each whole or not at all", async (t) => {
  using database = new DatabaseSync(":memory:");
  const table = (name: string): Migration["sql"] =>
    `CREATE TABLE ${name} (x); INSERT INTO ${name} VALUES (1)`;
  const steps: Migration[] = [
    { number: 1, name: "one", sql: table("one") },
    { number: 2, name: "two", sql: table("two") },
  ];
  migrate(database, steps, checkSchema(database, steps, "db"));
  t.equal(checkSchema(database, steps, "db"), 2);
  migrate(database, steps, 2);
  const broken = { number: 3, name: "broken", sql: `${table("three")}; NONSENSE` };
  t.throws(() => migrate(database, [...steps, broken], 2));
  t.equal(checkSchema(database, steps, "db"), 2);
  const mended = { ...broken, sql: table("three") };
  migrate(database, [...steps, mended], 2);
  t.equal(checkSchema(database, [...steps, mended], "db"), 3);
  t.same(
    MIGRATIONS.map(({ number }) => number),
    MIGRATIONS.map((_, i) => i + 1),
    "numbered without gaps",
  );
});

/** As an older server left it. */
function databaseOfSchema(last: number): { path: string; database: DatabaseSync } {
  const path = newPath();
  mkdirSync(dirname(path));
  const migrations = MIGRATIONS.slice(0, last);
  const database = new DatabaseSync(path);
  migrate(database, migrations, checkSchema(database, migrations, path));
  return { path, database };
}

t.test("certificates that lay among one-time tokens are found again", async (t) => {
  const { path, database } = databaseOfSchema(15);
  const rows = `('cd', 'e', 100), ('certificate ab', 'e', 200)`;
  database.exec(`INSERT INTO one_time_tokens (hash, entry_id, expires_at) VALUES ${rows}`);
  database.close();
  await using store = await openSqliteDatastore({
    path,
    clock: new VirtualClock(),
    logger: silentLogger,
  });
  t.match(await store.renewableCertificates.get("ab"), { entryId: "e", expiresAt: 200 });
  t.equal(await store.renewableCertificates.count(), 1);
  t.equal(await store.oneTimeTokens.count(), 1);
});

t.test("authorizations that were kept by their token's hash are found again", async (t) => {
  const { path, database } = databaseOfSchema(19);
  const [later, earlier] = ["aa", "bb"];
  const insert = database.prepare(`INSERT INTO provision_grants VALUES
    (?, 'web', '["web"]', '["192.0.2.1"]', 60, 'spiffe://example.org/web', 'e1', 'local', ?, 9000, 2, 1, ?, ?, ?, ?, ?)`);
  insert.run(later, 2000, "k", "5e", "5d", '["Y2VydA=="]', 8000);
  insert.run(earlier, 1000, "", "", "", "[]", 0);
  database.close();
  await using store = await open(path);
  const { provisionGrants } = store;
  const common = {
    commonName: "web",
    dnsNames: ["web"],
    ipAddresses: ["192.0.2.1"],
    lifeSeconds: 60,
    spiffeId: "spiffe://example.org/web",
    entryId: "e1",
    grantedBy: "local",
    expiresAt: 9000,
    failures: 2,
    withdrawn: true,
  };
  const certificate = {
    keyHash: "k",
    serial: "5e",
    previousSerial: "5d",
    chain: ["Y2VydA=="],
    notAfter: 8000,
  };
  const used = { hash: later, ...common, createdAt: 2000, certificate };
  t.same((await provisionGrants.list()).items, [
    used,
    { hash: earlier, ...common, createdAt: 1000 },
  ]);
  t.same(await provisionGrants.findBySerial("5e"), used);
  t.same(await provisionGrants.findBySerial("5d"), used);
});

t.test("the feed pruner", async (t) => {
  const clock = new VirtualClock();
  const kept: number[] = [];
  const store = { pruneChanges: async (keep: number) => void kept.push(keep) };
  const random = { bytes: (length: number) => new Uint8Array(length), unit: () => 0 };
  const pruner = startFeedPruner({ store, clock, random, logger: silentLogger });
  await clock.advance(20 * 60 * 1000);
  t.same(kept, [KEPT_CHANGES, KEPT_CHANGES, KEPT_CHANGES]);
  await pruner[Symbol.asyncDispose]();
  t.equal(clock.timers, 0);
});

t.test("a folder that cannot be made is a clear error", async (t) => {
  const path = newPath();
  mkdirSync(dirname(path));
  writeFileSync(path, "");
  const refused = await refusal(t, join(path, "server.db"));
  t.ok(isKind(refused, "unavailable"));
});

t.test("a full disk is told to the caller and, once a minute, to the log", async (t) => {
  const lines: string[] = [];
  const clock = new VirtualClock();
  const logger = { ...silentLogger, error: (line: string) => void lines.push(line) };
  await using store = await openSqliteDatastore({ path: newPath(), clock, logger });
  const full = fromSqliteError(Object.assign(new Error("full"), { errcode: 13 }), "server.db");
  const write = (what: unknown): Promise<unknown> =>
    store.transaction(() => Promise.reject(what)).catch((thrown: unknown) => thrown);
  for (let i = 0; i < 3; i++) t.equal(await write(full), full);
  await write(new TypeError("none of the disk's business"));
  t.same(lines, ["the database takes no writes"]);
  await clock.advance(60_000);
  await write(full);
  t.equal(lines.length, 2);
});

t.test("an empty file becomes a database, which is said, and is no migration", async (t) => {
  const path = newPath();
  mkdirSync(dirname(path));
  writeFileSync(path, "");
  const lines: unknown[] = [];
  const logger = { ...silentLogger, info: (...line: unknown[]) => void lines.push(line) };
  for (let time = 0; time < 2; time += 1) {
    const store = await openSqliteDatastore({ path, clock: new VirtualClock(), logger });
    await holding(store, async () => void t.pass("opened"));
  }
  t.same(lines, [["database made", { schema: MIGRATIONS.length }]]);
});

t.test("transactions that wait for each other share a commit and nothing else", async (t) => {
  await using store = await open(newPath());
  const announced: number[] = [];
  store.onCommit((revision) => announced.push(revision));
  const write = async (name: string, failing = false): Promise<string> => {
    await store.transaction(async ({ entries }) => {
      await entries.create(sampleEntry(name));
      if (failing) throw new Error(`${name} fails`);
    });
    // Acknowledged is committed: the reading connection has it.
    return (await store.entries.get(name))?.id ?? "missing";
  };
  const results = await Promise.allSettled([
    write("a"),
    write("b", true),
    write("a"),
    write("c"),
    write("d", true),
  ]);
  t.same(
    results.map((each) => (each.status === "fulfilled" ? each.value : "failed")),
    ["a", "failed", "failed", "c", "failed"],
  );
  const names = async (): Promise<string[]> =>
    (await store.entries.list({})).items.map(({ id }) => id).sort();
  t.same(await names(), ["a", "c"], "who fails takes nobody along and leaves nothing");
  t.same(announced, [await store.changes.current()], "one commit");
  t.same(
    (await store.changes.since(0, 10)).map(({ key }) => key),
    ["a", "c"],
  );

  announced.length = 0;
  await Promise.all(Array.from({ length: 40 }, (_, i) => write(`e${i}`)));
  t.equal(announced.length, 3, "a group has an end");
  const pruned = Promise.all([write("x"), store.pruneChanges(1), write("y")]);
  await pruned;
  t.equal((await store.changes.since(0, 10)).length, 2, "pruning stands between two of them");
});

t.test("a group that SQLite rolled back fails with all its members", async (t) => {
  const path = newPath();
  await (await open(path))[Symbol.asyncDispose]();
  using connection = new Connection(path, { readOnly: false, durable: false });
  const group = new CommitGroup(connection, 0);
  const first = new Transaction(connection);
  await first.writers.entries.create(sampleEntry("a"));
  group.join(first.release(0));
  const second = new Transaction(connection);
  await second.writers.entries.create(sampleEntry("b"));
  connection.run("ROLLBACK");
  t.equal(second.rollback(), false);
  group.lose(new Error("disk full"));
  t.equal(group.over, true);
  await t.rejects(group.done, /disk full/);

  const failing = new CommitGroup(connection, 0);
  const member = new Transaction(connection);
  await member.writers.entries.create(sampleEntry("a"));
  failing.join(member.release(0));
  connection.run("ROLLBACK");
  t.equal(failing.commit(), undefined, "a commit that fails");
  await t.rejects(failing.done, { name: "AssayError" });
  t.equal(connection.get("SELECT count(*) AS n FROM entries")?.["n"], 0);
  const young = new CommitGroup(connection, 0);
  t.equal(young.isFull(9, false), false);
  t.equal(young.isFull(9, true), true, "the disk waits for nobody who works");
});

t.test("kill -9 at any moment loses nothing acknowledged and halves nothing", async (t) => {
  const path = newPath();
  // Seeded: a linear congruential generator is chance enough for moments.
  let seed = 20260101;
  const chance = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return seed % below;
  };
  let first = 0;
  for (let round = 0; round < 6; round++) {
    const child = startChild(path, first);
    let acknowledged = -1;
    const killAfter = 1 + chance(150);
    for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
      acknowledged = Number(line);
      if (acknowledged - first === killAfter) child.kill("SIGKILL");
    }
    t.ok(acknowledged - first >= killAfter, `round ${round}: killed while writing`);
    await holding(await open(path), async () => {
      const store = await open(path).catch(() => undefined);
      t.equal(store, undefined, "the lock is held again");
    });
    await using store = await open(path);
    const { items } = await store.entries.list({});
    const last = Math.max(...items.map(({ hint }) => Number(hint)));
    t.ok(last >= acknowledged, `round ${round}: ${acknowledged} acknowledged, ${last} there`);
    const want: string[] = [];
    for (let i = 0; i <= last; i++) {
      if (i % 3 !== 0 || i + 3 > last) want.push(`${i}-a`);
      want.push(`${i}-b`, `${i}-c`);
    }
    t.same(new Set(items.map(({ id }) => id)), new Set(want), "whole transactions only");
    t.equal((await store.nodes.list({})).items[0]?.agentVersion, String(last));
    t.equal((await store.bundles.get("td"))?.content, String(last));
    t.equal(await store.entries.count(match("any", "unix:uid:1000")), items.length);
    const told = (await store.changes.since(0, 1_000_000)).map(({ key }) => key);
    t.ok(
      want.every((id) => told.includes(id)),
      "the feed has them all",
    );
    first = last + 1;
  }
});

async function refusal(t: Test, path: string): Promise<Error> {
  try {
    await holding(await open(path), async () => undefined);
  } catch (thrown) {
    if (thrown instanceof Error) return thrown;
  }
  t.fail("the database was opened");
  return new Error("opened");
}

function startChild(path: string, first: number): ChildProcess {
  const script = join(import.meta.dirname, "writing-child.ts");
  return spawn(process.execPath, [script, path, String(first)], {
    stdio: ["ignore", "pipe", "ignore"],
  });
}
