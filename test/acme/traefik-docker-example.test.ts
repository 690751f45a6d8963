/**
 * The example of deploy/examples/traefik-docker, as a newcomer runs it: everything in containers (T4), replicas whose init
 * containers give them certificates for their own addresses (T5, T6, T7, T11), verified by Traefik (T3, T8).
 */
import { networkInterfaces } from "node:os";
import t from "tap";
import { needPip, needPrograms } from "../support/debian.ts";
import { needDocker } from "../support/docker-engine.ts";
import { runExample } from "../support/example.ts";

t.test("T4 T5 T6 T7 T8 T11 deploy/examples/traefik-docker/run proves what it says", async (t) => {
  await needDocker();
  await needPrograms({ curl: "curl" });
  await needPip();
  const { stdout, proved } = await runExample("traefik-docker");
  t.match(proved, [
    /three replicas, each with a certificate for the address that it was given: 10\./,
    /certificate of ours by ACME/,
    /each replica by its address and the chain/,
    /another one's certificate is refused/,
    /its own key, no token, and nothing that signs/,
    /in 11 containers, and no port of the host is taken/,
    /one more replica: its own address, its own certificate/,
  ]);
  const network = /was given: (10\.\d+\.\d+\.)/.exec(stdout)?.[1] ?? "none";
  const left = Object.values(networkInterfaces()).flat();
  t.notOk(
    left.some((at) => at?.address.startsWith(network)),
    "its network is gone",
  );
});
