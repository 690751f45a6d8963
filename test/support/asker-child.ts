/** Fetches at the Workload API socket (first argument) for each connection to another one (second), and says what it got. */
import { createServer } from "node:net";
import { WorkloadClient } from "./workload-client.ts";

const [, , api = "", own = ""] = process.argv;
const server = createServer(async (socket) => {
  using client = new WorkloadClient(api);
  const said = await client.fetchX509().then(
    ({ svids }) => svids.map((svid) => svid.spiffe_id).sort(),
    (error: unknown) => String(error),
  );
  socket.end(JSON.stringify(said));
});
server.listen({ path: own, readableAll: true, writableAll: true });
