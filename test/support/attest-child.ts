/** Asks the engine at the socket given about processes, as an agent here would: prints the labels of each container. */
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { dockerAttestor } from "../../src/attestors/workload/docker/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { attestCall } from "./attest-call.ts";
import { PATIENCE_MS } from "./patience.ts";

const [, , socket = "", ...pids] = process.argv;
using attestor = dockerAttestor({
  clock: systemClock,
  socket,
  containers: new ContainerLookup({ clock: systemClock }),
  patienceMs: PATIENCE_MS,
});
const found: string[][] = [];
for (const pid of [...pids.map(Number), process.pid]) {
  const selectors = await attestor.attest({ pid, uid: 0, gid: 0, groups: [] }, attestCall());
  found.push(selectors.map(({ value }) => value).filter((value) => value.startsWith("label:")));
}
process.stdout.write(JSON.stringify(found));
