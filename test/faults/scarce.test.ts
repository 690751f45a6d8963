/** A disk that is full and file descriptors that run out: what cannot be done is refused, and all is well afterwards. */
import { statSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { join } from "node:path";
import t from "tap";
import { errorFrom } from "../../src/base/errors.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import type { MintX509SVIDResponse__Output } from "../../src/rpc/gen/spire/api/server/svid/v1/MintX509SVIDResponse.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { auditRecords } from "../support/fault-history.ts";
import { FaultRig, pause } from "../support/fault-rig.ts";
import { until, untilDone } from "../support/patience.ts";
import { fill, smallDisk } from "../support/small-disk.ts";
import { StreamWatch } from "../support/stream-watch.ts";
import { WorkloadClient } from "../support/workload-client.ts";

const id = (path: string): string => `spiffe://example.org${path}`;

async function mint(rig: FaultRig): Promise<string> {
  const { signer } = await generateKey("ec-p256");
  const csr = await createCsr({ uris: [id("/minted")], signer });
  const { svid } = await rig.call<MintX509SVIDResponse__Output>("svid.v1.SVID", "MintX509SVID", {
    csr,
    ttl: 10,
  });
  return parseCertificate(new Uint8Array(svid?.cert_chain[0] ?? [])).serial;
}

function shows(watch: StreamWatch, path: string): Promise<void> {
  return untilDone(`a stream shows ${path}`, () =>
    watch.ids.includes(id(path))
      ? Promise.resolve()
      : Promise.reject(new Error(`it shows ${watch.ids.join(", ")}`)),
  );
}

t.test("the server's disk is full for a while", async (t) => {
  await using rig = new FaultRig({ server: { options: ["--log-level=warn"] } });
  using _ = smallDisk(rig.serverData, 8);
  await rig.startServer();
  await rig.giveToken();
  await rig.startAgent();
  await rig.entry("/before");
  await using watch = new StreamWatch(rig.socket);
  await shows(watch, "/before");

  const acknowledged = new Map<string, string>();
  const serials: string[] = [];
  const refusals = new Set<string>();
  const room = fill(rig.serverData);
  for (let round = 0; round < 40; round += 1) {
    const path = `/full/${round}`;
    await rig.entry(path).then(
      (entryId) => acknowledged.set(path, entryId),
      (thrown: unknown) => refusals.add(errorFrom(thrown).kind),
    );
    await mint(rig).then(
      (serial) => serials.push(serial),
      (thrown: unknown) => refusals.add(errorFrom(thrown).kind),
    );
  }
  t.same([...refusals], ["unavailable"], "callers are told to come again");
  t.ok(rig.server.running && rig.agent.running, "both live on");
  room();
  const free = performance.now();
  await untilDone("an entry can be made again", async () => {
    acknowledged.set("/after", await rig.entry("/after"));
  });
  serials.push(await untilDone("a certificate can be minted again", () => mint(rig)));
  t.comment(`writes again after ${Math.round(performance.now() - free)} ms`);
  await shows(watch, "/after");
  await rig.server.end();
  await rig.startServer();
  for (const entryId of acknowledged.values()) {
    t.match(await rig.call("entry.v1.Entry", "GetEntry", { id: entryId }), { id: entryId });
  }
  const recorded = new Set(auditRecords(rig.serverData).map(({ subject }) => subject?.serial));
  t.same(
    [...serials, ...watch.serials.keys()].filter((serial) => !recorded.has(serial)),
    [],
    "nothing was handed out without its record",
  );
  t.same(watch.fatal, []);
});

t.test("the agent's disk is full while its SVID is renewed and authorities change", async (t) => {
  await using rig = new FaultRig({
    server: { options: ["--ca-ttl=180s", "--x509-ttl=10s", "--jwt-ttl=10s", "--agent-ttl=60s"] },
  });
  using _ = smallDisk(rig.agentData, 1);
  await rig.startServer();
  await rig.giveToken();
  await rig.startAgent();
  await rig.entry("/before");
  await using watch = new StreamWatch(rig.socket);
  await shows(watch, "/before");
  const room = fill(rig.agentData);
  await rig.call("localauthority.v1.LocalAuthority", "PrepareJWTAuthority", {});
  await rig.entry("/meanwhile");
  await shows(watch, "/meanwhile");
  // It tries at half of the SVID's life.
  await until("its SVID cannot be renewed", () =>
    rig.agent.log.includes("the agent's SVID was not renewed"),
  );
  room();
  const freed = Date.now();
  await rig.entry("/after");
  await shows(watch, "/after");
  t.ok(rig.agent.running, "the agent lives on");
  await untilDone("its identity is written again", () =>
    statSync(join(rig.agentData, "identity.json")).mtimeMs > freed
      ? Promise.resolve()
      : Promise.reject(new Error("it is the old one")),
  );
  await rig.agent.end();
  await rig.startAgent();
  await shows(watch, "/after");
  t.same(watch.fatal, []);
  t.same(watch.expired, []);
});

for (const starved of ["server", "agent"] as const) {
  t.test(`file descriptors of the ${starved} run out`, async (t) => {
    const wrapper = ["sh", "-c", 'ulimit -n 100; exec "$@"', "sh"];
    await using rig = await FaultRig.start({ [starved]: { wrapper } });
    await rig.entry("/before");
    await using watch = new StreamWatch(rig.socket);
    await shows(watch, "/before");
    const sockets: Socket[] = Array.from({ length: 200 }, () => {
      const socket = starved === "server" ? connect(rig.port, "127.0.0.1") : connect(rig.socket);
      return socket.on("error", () => undefined);
    });
    t.teardown(() => sockets.forEach((socket) => socket.destroy()));
    await pause(3000);
    t.ok(rig.server.running && rig.agent.running, "both live on");
    t.ok(watch.ids.includes(id("/before")), "who was served is served");
    for (const socket of sockets) socket.destroy();
    await untilDone("the server answers", () => rig.entry("/after"));
    await shows(watch, "/after");
    await untilDone("a new caller is served", async () => {
      using client = new WorkloadClient(rig.socket);
      await client.fetchX509();
    });
    t.same(watch.fatal, []);
  });
}
