/** What a server says of entries and bundles, in the agent's words: fetched by list or by revision, and checked once. */
import { join } from "node:path";
import t from "tap";
import type { Entry } from "../../src/agent/cache/entry.ts";
import { fetchEntries } from "../../src/agent/server-client/entry-sync.ts";
import { bundleFromMessage, entryFromMessage } from "../../src/agent/server-client/messages.ts";
import { fail } from "../../src/base/errors.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import type { SyncAuthorizedEntriesRequest__Output } from "../../src/rpc/gen/spire/api/server/entry/v1/SyncAuthorizedEntriesRequest.ts";
import type { Bundle__Output } from "../../src/rpc/gen/spire/api/types/Bundle.ts";
import type { Entry__Output } from "../../src/rpc/gen/spire/api/types/Entry.ts";
import { GrpcServer } from "../../src/rpc/server.ts";
import type { ServiceImplementation, StreamContext } from "../../src/rpc/service.ts";
import { temporaryFolder } from "../support/caller.ts";
import { entryMessage } from "./entry-message.ts";

const never = new AbortController().signal;

/** The server's side of the sync as SPIRE's works: few entries at once, many as revisions and pages. */
function entryService(
  entries: () => Entry__Output[],
  pageSize: number,
  asked: string[][],
): ServiceImplementation {
  return {
    async SyncAuthorizedEntries(call: StreamContext<SyncAuthorizedEntriesRequest__Output, object>) {
      const all = entries();
      let first = true;
      for await (const request of call.requests) {
        if (first) {
          first = false;
          if (request.output_mask?.revision_number !== true) throw fail("invalid", "no revision");
          if (all.length <= pageSize) return call.send({ entries: all });
          for (let at = 0; at < all.length; at += pageSize) {
            const page = all.slice(at, at + pageSize);
            await call.send({
              entry_revisions: page.map(({ id, revision_number, created_at }) => ({
                id,
                revision_number,
                created_at,
              })),
              more: at + pageSize < all.length,
            });
          }
          continue;
        }
        asked.push(request.ids);
        const wanted = all.filter(({ id }) => request.ids.includes(id));
        for (let at = 0; at === 0 || at < wanted.length; at += pageSize) {
          await call.send({
            entries: wanted.slice(at, at + pageSize),
            more: at + pageSize < wanted.length,
          });
        }
      }
    },
  };
}

t.test("entries: the whole list at once, or revisions first and then what is new", async (t) => {
  let entries: Entry__Output[] = [];
  const asked: string[][] = [];
  await using server = new GrpcServer({ logger: silentLogger });
  server.setGate(() => Promise.resolve());
  server.addService(
    "spire.api.server.entry.v1.Entry",
    entryService(() => entries, 3, asked),
  );
  const path = join(temporaryFolder(t), "s");
  await server.listenUnix(path, { mode: 0o600 });
  using channel = connectUnix(path);
  const bad: string[] = [];
  let known: ReadonlyMap<string, Entry> = new Map();
  const fetch = async (): Promise<string> => {
    known = await fetchEntries({ channel, known, onBadEntry: (id) => bad.push(id), signal: never });
    return [...known.keys()].sort().join("");
  };
  t.equal(await fetch(), "");
  entries = ["a", "b"].map((id) => entryMessage(id));
  t.equal(await fetch(), "ab");
  const before = known.get("a");
  t.equal(await fetch(), "ab");
  t.equal(known.get("a"), before, "unchanged entries are the same objects");
  entries = "abcdefgh".split("").map((id) => entryMessage(id));
  t.equal(await fetch(), "abcdefgh");
  t.same(asked.splice(0), ["cdefgh".split("")], "only what is new");
  t.equal(known.get("a"), before);
  t.equal(await fetch(), "abcdefgh");
  t.same(asked.splice(0), []);
  entries = entries
    .filter(({ id }) => id !== "b")
    .map((one) => (one.id === "c" ? entryMessage("c", { revision_number: "1", hint: "x" }) : one));
  entries = entries.map((one) => (one.id === "d" ? entryMessage("d", { created_at: "9" }) : one));
  t.equal(await fetch(), "acdefgh");
  t.same(asked.splice(0), [["c", "d"]], "a raised revision, and an id used again");
  t.equal(known.get("c")?.hint, "x");
  entries = [
    entryMessage("a"),
    entryMessage("", {}),
    entryMessage("n", { selectors: [] }),
    entryMessage("o", { spiffe_id: null }),
  ].slice(0, 3);
  t.equal(await fetch(), "a");
  t.same(bad, ["", "n"], "what makes no sense is left out and told");
});

t.test("entries: a server without that method is asked for the list", async (t) => {
  await using server = new GrpcServer({ logger: silentLogger });
  server.setGate(() => Promise.resolve());
  server.addService("spire.api.server.entry.v1.Entry", {
    GetAuthorizedEntries: () => Promise.resolve({ entries: [entryMessage("a")] }),
  });
  const path = join(temporaryFolder(t), "s");
  await server.listenUnix(path, { mode: 0o600 });
  using channel = connectUnix(path);
  const found = await fetchEntries({
    channel,
    known: new Map(),
    onBadEntry: () => undefined,
    signal: never,
  });
  t.same([...found.keys()], ["a"]);
});

t.test("messages: each field that makes no sense is refused", (t) => {
  t.equal(
    entryFromMessage(
      entryMessage("a", {
        additional_attributes: { disable_x509_svid_prefetch: true, jwt_svid_include_jti: true },
      }),
    ).disableX509SvidPrefetch,
    true,
  );
  const bad: Partial<Entry__Output>[] = [
    { id: "" },
    { spiffe_id: null },
    { spiffe_id: { trust_domain: "Example.org", path: "/a" } },
    { spiffe_id: { trust_domain: "example.org", path: "a" } },
    { selectors: [] },
    { selectors: [{ type: "", value: "x" }] },
    { selectors: [{ type: "a:b", value: "x" }] },
    { federates_with: ["not a domain"] },
  ];
  for (const change of bad) {
    t.throws(
      () => entryFromMessage(entryMessage("a", change)),
      { name: "AssayError", kind: "invalid" },
      JSON.stringify(change),
    );
  }
  const bundle: Bundle__Output = {
    trust_domain: "example.org",
    x509_authorities: [{ asn1: Buffer.from("junk"), tainted: false }],
    jwt_authorities: [
      { public_key: Buffer.from("junk"), key_id: "a", expires_at: "0", tainted: false },
      { public_key: Buffer.alloc(0), key_id: "", expires_at: "0", tainted: false },
    ],
    refresh_hint: "60",
    sequence_number: "7",
    wit_authorities: [],
  };
  const { bundle: kept, skipped } = bundleFromMessage(bundle, "example.org");
  t.equal(skipped.length, 3, "one bad authority spoils nothing else");
  t.match(kept, {
    x509Authorities: { length: 0 },
    jwtAuthorities: { length: 0 },
    refreshHint: 60,
    sequence: 7,
  });
  t.throws(() => bundleFromMessage(bundle, "other.org"), { name: "AssayError", kind: "invalid" });
  t.end();
});

t.test("messages: which entries are other names of agents", (t) => {
  const of = (change: object): boolean => entryFromMessage(entryMessage("a", change)).isNodeAlias;
  const parent = (path: string) => ({ parent_id: { trust_domain: "example.org", path } });
  t.equal(of({}), false);
  t.equal(of(parent("/spire/server")), true);
  t.equal(of(parent("/spire/serverx")), false);
  t.equal(of({ selectors: [{ type: "spiffe_id", value: "spiffe://example.org/a" }] }), true);
  t.end();
});
