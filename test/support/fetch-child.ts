/** Prints the SPIFFE IDs that the calling process gets at the socket given. */
import { WorkloadClient } from "./workload-client.ts";

using client = new WorkloadClient(process.argv[2] ?? "");
const { svids } = await client.fetchX509();
process.stdout.write(JSON.stringify(svids.map((svid) => svid.spiffe_id)));
