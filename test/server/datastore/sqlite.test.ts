import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { silentLogger } from "../../../src/observe/logger.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import { datastoreConformance } from "./conformance.ts";

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
