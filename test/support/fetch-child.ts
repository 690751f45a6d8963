/** Prints the SPIFFE IDs that the calling process gets at the socket given; it comes back when it is told to. */
import { isKind } from "../../src/base/errors.ts";
import { WorkloadClient } from "./workload-client.ts";

using client = new WorkloadClient(process.argv[2] ?? "");
for (;;) {
  try {
    const { svids } = await client.fetchX509();
    process.stdout.write(JSON.stringify(svids.map((svid) => svid.spiffe_id)));
    break;
  } catch (error) {
    if (!isKind(error, "unavailable") || !/retry/.test(String(error))) throw error;
  }
}
