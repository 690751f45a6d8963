/** Fetches at the Workload API socket (first argument) for each connection to another one (second), and says what it got. */
import { createServer } from "node:net";
import { WorkloadClient } from "./workload-client.ts";

const [, , api = "", own = ""] = process.argv;
const server = createServer((socket) => {
  const client = new WorkloadClient(api);
  void client
    .fetchX509()
    .then(
      ({ svids }) => svids.map((svid) => svid.spiffe_id).sort(),
      (error: unknown) => String(error),
    )
    .then((said) => socket.end(JSON.stringify(said)))
    .finally(() => client[Symbol.dispose]());
});
server.listen({ path: own, readableAll: true, writableAll: true });
