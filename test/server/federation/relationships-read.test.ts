/** Relationships as the store has them, also where it could not be read once. */
import t from "tap";
import { silentLogger } from "../../../src/observe/logger.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { BundleRefreshes } from "../../../src/server/federation/bundle-refreshes.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { VirtualClock, settle } from "../../support/virtual-clock.ts";

t.test("what could not be read is read with the next commit", async (t) => {
  const clock = new VirtualClock();
  await using datastore = await openSqliteDatastore({
    path: ":memory:",
    clock,
    logger: silentLogger,
  });
  const { changes } = datastore;
  let failures = 0;
  const failed = Promise.withResolvers<void>();
  const list = async () => {
    if (failures-- > 0) throw new Error("disk I/O error");
    return datastore.relationships.list();
  };
  await using refreshes = await BundleRefreshes.open({
    configured: new Map(),
    datastore: {
      relationships: { ...datastore.relationships, list },
      changes,
      onCommit: (listener) => datastore.onCommit(listener),
    },
    bundles: {
      find: () => undefined,
      set: () => Promise.reject(new Error("nothing is fetched here")),
      onChange: () => () => undefined,
    },
    clock,
    random: new SeededRandom(),
    logger: { ...silentLogger, error: () => failed.resolve() },
    metrics: new Metrics(),
  });
  const record = {
    trustDomain: "partner.org",
    endpointUrl: "https://127.0.0.1:1/",
    endpointProfile: "https_web",
    endpointSpiffeId: "",
    createdAt: 1,
  } as const;
  failures = 1;
  await datastore.transaction(({ relationships }) => relationships.put(record));
  await failed.promise;
  t.same(refreshes.statuses(), []);
  // Of something else.
  await datastore.transaction(({ bundles }) => bundles.put("other.org", "{}"));
  await settle();
  t.match(refreshes.statuses(), [{ source: { trustDomain: "partner.org" } }]);
});
