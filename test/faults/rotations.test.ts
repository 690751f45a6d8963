/**
 * Short-lived SVIDs, an agent's own and authorities that rotate, under load: no client ever holds an expired SVID.
 * FAULTS_MINUTES=30 is the long form, with SVIDs of a minute.
 */
import t from "tap";
import type { BatchCreateEntryResponse__Output } from "../../src/rpc/gen/spire/api/server/entry/v1/BatchCreateEntryResponse.ts";
import { FaultRig, OWN_SELECTOR, entryDraft, pause } from "../support/fault-rig.ts";
import { PATIENCE_MS, untilDone } from "../support/patience.ts";
import { StreamWatch } from "../support/stream-watch.ts";
import { WorkloadClient } from "../support/workload-client.ts";

const MINUTES = Number(process.env["FAULTS_MINUTES"] ?? 1);
const CLIENTS = 50;
const ENTRY = "entry.v1.Entry";
/** Seconds. */
const LIFE = MINUTES >= 10 ? 60 : 30;

/** Entries come, change and go; some of them are the clients' own. */
async function changeEntries(rig: FaultRig, seen: { changes: number }): Promise<void> {
  const own = seen.changes % 10 === 0;
  const { results } = await rig.call<BatchCreateEntryResponse__Output>(ENTRY, "BatchCreateEntry", {
    entries: Array.from({ length: 5 }, (_, index) =>
      entryDraft(
        `/load/${seen.changes}/${index}`,
        own && index === 0 ? OWN_SELECTOR : "unix:uid:4242421",
      ),
    ),
  });
  const ids = results.map(({ entry }) => entry?.id ?? "");
  await rig.call(ENTRY, "BatchUpdateEntry", {
    entries: ids.map((id) => ({ id, hint: String(seen.changes) })),
    input_mask: { hint: true },
  });
  await pause(own ? 3000 : 50);
  await rig.call(ENTRY, "BatchDeleteEntry", { ids });
  seen.changes += 1;
}

t.test(`${MINUTES} min of SVIDs of ${LIFE} s, ${CLIENTS} clients`, async (t) => {
  await using rig = await FaultRig.start({
    server: {
      options: [
        `--ca-ttl=${Math.max(60, LIFE * 3)}s`,
        `--x509-ttl=${LIFE}s`,
        `--jwt-ttl=${LIFE}s`,
        `--agent-ttl=${LIFE}s`,
        "--log-level=warn",
      ],
    },
    agent: { options: ["--log-level=warn"] },
  });
  const fixed = ["/one", "/two", "/three"].map((path) => `spiffe://example.org${path}`);
  for (const path of ["/one", "/two", "/three"]) await rig.entry(path);
  await using stack = new AsyncDisposableStack();
  const watches = Array.from({ length: CLIENTS }, () => stack.use(new StreamWatch(rig.socket)));
  await untilDone("all clients are served", async () => {
    if (watches.some(({ ids }) => ids.length < fixed.length)) throw new Error("not yet");
  });

  const problems: string[] = [];
  const seen = { changes: 0, jwts: 0, looks: 0 };
  const end = Date.now() + MINUTES * 60_000;
  const seenByEach = (): number[] =>
    watches.map(({ serials }) => [...serials.values()].filter((id) => id === fixed[0]).length);
  // Renewed at half of their life, give or take a tenth and a look every five seconds.
  const expected = Math.max(3, Math.floor((MINUTES * 60) / (LIFE * 0.55 + 5) - 1));
  const isLate = (): boolean => Date.now() > end + PATIENCE_MS;
  const isOver = (): boolean =>
    Date.now() > end && (isLate() || Math.min(...seenByEach()) >= expected);
  const repeat = async (everyMs: number, work: () => Promise<void>): Promise<void> => {
    while (!isOver()) {
      await work().catch((error: unknown) => problems.push(String(error)));
      await pause(everyMs);
    }
  };
  using client = new WorkloadClient(rig.socket);
  await Promise.all([
    repeat(200, () => changeEntries(rig, seen)),
    repeat(1000, async () => {
      const { svids } = await client.fetchJwt(["api"], fixed[0]);
      await client.validate("api", svids[0]?.svid ?? "");
      seen.jwts += 1;
    }),
    repeat(250, async () => {
      const now = Date.now() / 1000;
      seen.looks += 1;
      for (const [index, { latest }] of watches.entries()) {
        const held = latest.filter(({ leaf }) => leaf.notAfter <= now);
        for (const { id } of held) problems.push(`client ${index} holds ${id} expired at ${now}`);
        const ids = new Set(latest.map(({ id }) => id));
        if (!fixed.every((id) => ids.has(id))) problems.push(`client ${index} lost an SVID`);
      }
    }),
  ]);

  const rotations = seenByEach();
  t.comment({
    ...seen,
    messages: watches.reduce((sum, { messages }) => sum + messages, 0),
    rotationsOfOneEntry: { least: Math.min(...rotations), most: Math.max(...rotations) },
    bundle: (await rig.bundle()).sequence_number,
  });
  t.same([...new Set(problems)].slice(0, 10), [], "no client held an expired SVID, none lost one");
  for (const name of ["expired", "unpublished", "fatal"] as const) {
    t.same([...new Set(watches.flatMap((watch) => watch[name]))].slice(0, 10), [], name);
  }
  t.same([...new Set(watches.flatMap(({ ends }) => Object.keys(ends)))], [], "no stream ended");
  t.ok(Math.min(...rotations) >= expected, `at least ${expected} SVIDs of each entry`);
  t.ok(rig.server.running && rig.agent.running, "both live on");
});
