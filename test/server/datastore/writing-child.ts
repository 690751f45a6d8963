/**
 * Writes transactions of several rows each until it is killed, and says on stdout which of them were acknowledged.
 * Arguments: database file, number of the first transaction.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../../src/base/clock.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { sampleEntry, sampleNode } from "./samples.ts";

const [path = "", first = "0"] = process.argv.slice(2);
const store = await openSqliteDatastore({ path, clock: systemClock, logger: silentLogger });
for (let i = Number(first); ; i++) {
  await store.transaction(async (writers) => {
    for (const part of ["a", "b", "c"]) {
      await writers.entries.create(sampleEntry(`${i}-${part}`, { hint: String(i) }));
    }
    await writers.nodes.put(sampleNode("n", { agentVersion: String(i) }));
    await writers.bundles.put("td", String(i));
    if (i % 3 === 0) await writers.entries.delete(`${i - 3}-a`);
  });
  writeSync(1, `${i}\n`);
}
