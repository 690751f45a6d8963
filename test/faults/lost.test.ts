/** A server that is away, folders that are lost, and one that comes back from an older copy. */
import { cpSync, rmSync } from "node:fs";
import t from "tap";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { FaultRig, OWN_SELECTOR, pause, within } from "../support/fault-rig.ts";
import { untilDone } from "../support/patience.ts";
import { StreamWatch } from "../support/stream-watch.ts";

const id = (path: string): string => `spiffe://example.org${path}`;

/** Until a stream shows exactly these. */
function shows(watch: StreamWatch, ...paths: string[]): Promise<void> {
  const wanted = paths.map(id).sort().join(" ");
  return untilDone(`a stream shows ${wanted}`, () => {
    const shown = watch.ids.join(" ");
    return shown === wanted ? Promise.resolve() : Promise.reject(new Error(`it shows ${shown}`));
  });
}

t.test("the server is away for longer than an SVID lives", async (t) => {
  await using rig = await FaultRig.start({
    server: { options: ["--ca-ttl=300s", "--x509-ttl=10s", "--jwt-ttl=10s", "--agent-ttl=120s"] },
  });
  await rig.entry("/one");
  await using watch = new StreamWatch(rig.socket);
  await shows(watch, "/one");
  await rig.server.end();
  for (const { leaf } of watch.latest) await pause(leaf.notAfter * 1000 + 4000 - Date.now());
  const before = watch.serials.size;
  await rig.startServer();
  await untilDone("a new SVID", () =>
    watch.serials.size > before ? Promise.resolve() : Promise.reject(new Error("none yet")),
  );
  t.ok(rig.agent.running, "the agent has waited");
  t.same(watch.fatal, []);
  t.same(watch.expired, []);
});

t.test("the server is away for longer than the agent's own SVID lives", async (t) => {
  await using rig = await FaultRig.start({
    server: { options: ["--ca-ttl=120s", "--x509-ttl=10s", "--jwt-ttl=10s", "--agent-ttl=30s"] },
  });
  await rig.entry("/one");
  await using watch = new StreamWatch(rig.socket);
  await shows(watch, "/one");
  await rig.server.end();
  await within("the end of an agent that has no identity", rig.agent.gone);
  t.match(rig.agent.log, /SVID has expired; .*assay token generate/, "and it says what to do");
  await rig.startServer();
  await rig.giveToken();
  await rig.startAgent();
  await rig.entry("/two");
  await shows(watch, "/one", "/two");
  t.same(watch.fatal, []);
  t.same(watch.expired, []);
});

t.test("the server is away while its next authority is due", async (t) => {
  await using rig = await FaultRig.start({
    server: { options: ["--ca-ttl=120s", "--x509-ttl=15s", "--jwt-ttl=15s", "--agent-ttl=60s"] },
  });
  await rig.entry("/one");
  await using watch = new StreamWatch(rig.socket);
  await shows(watch, "/one");
  await rig.server.end();
  await untilDone("the agent waits longer than an authority is published before it signs", () =>
    /retryMs=1\d{4} failures=/.test(rig.agent.log)
      ? Promise.resolve()
      : Promise.reject(new Error(rig.agent.log.slice(-300))),
  );
  await rig.startServer();
  await rig.entry("/two");
  await shows(watch, "/one", "/two");
  const before = (await rig.bundle()).x509_authorities.length;
  await untilDone("two authorities later", async () => {
    const { x509_authorities } = await rig.bundle();
    if (x509_authorities.length < before + 2) throw new Error("not yet");
  });
  await rig.entry("/three");
  await shows(watch, "/one", "/two", "/three");
  t.match(rig.agent.log, /sync with the server works again/);
  t.notMatch(rig.agent.log, /unable to get local issuer/, "it knew each of them in time");
  t.same(watch.fatal, []);
  t.same(watch.expired, []);
});

t.test("the agent's folder is lost", async (t) => {
  await using rig = await FaultRig.start();
  await rig.entry("/one");
  await using watch = new StreamWatch(rig.socket);
  await shows(watch, "/one");
  await rig.agent.end();
  rmSync(rig.agentData, { recursive: true });
  const agent = rig.spawnAgent();
  await within("the refusal of a token that was spent", agent.gone);
  t.match(agent.log, /already been used; .*assay token generate/, "and it says what to do");
  await rig.giveToken();
  await rig.startAgent();
  const known = watch.serials.size;
  await untilDone("an SVID of the new agent", () =>
    watch.serials.size > known ? Promise.resolve() : Promise.reject(new Error("none yet")),
  );
  await shows(watch, "/one");
  t.same(watch.fatal, []);
});

t.test("the server's folder comes back from an older copy", async (t) => {
  await using rig = await FaultRig.start();
  const copy = `${rig.dir}/copy`;
  await rig.entry("/kept");
  const changed = await rig.entry("/as-copied");
  const renamed = (path: string): Promise<unknown> =>
    rig.call("entry.v1.Entry", "BatchUpdateEntry", {
      entries: [{ id: changed, spiffe_id: { trust_domain: "example.org", path } }],
      input_mask: { spiffe_id: true },
    });
  const removed = await rig.entry("/removed");
  await using watch = new StreamWatch(rig.socket);
  await shows(watch, "/kept", "/as-copied", "/removed");
  await rig.server.end("SIGTERM");
  cpSync(rig.serverData, copy, { recursive: true });
  await rig.startServer();
  const lost = await rig.entry("/lost");
  await rig.call("entry.v1.Entry", "BatchDeleteEntry", { ids: [removed] });
  await renamed("/changed-once");
  await rig.call("localauthority.v1.LocalAuthority", "PrepareJWTAuthority", {});
  await rig.call("localauthority.v1.LocalAuthority", "PrepareX509Authority", {});
  await shows(watch, "/kept", "/changed-once", "/lost");
  const sequence = Number((await rig.bundle()).sequence_number);

  await rig.server.end("SIGTERM");
  rmSync(rig.serverData, { recursive: true });
  cpSync(copy, rig.serverData, { recursive: true });
  await rig.startServer();
  // Another history: the same revision of the same entry, and it says something else.
  await renamed("/changed-otherwise");
  await rig.entry("/new", OWN_SELECTOR);
  await shows(watch, "/kept", "/changed-otherwise", "/removed", "/new");
  for (const { id: shown, leaf } of watch.latest)
    t.same(leaf.uris, [shown], "each SVID is its own");
  t.not(lost, "", "the entry made after the copy is gone with the folder");
  const { sequence_number, x509_authorities } = await rig.bundle();
  t.ok(Number(sequence_number) < sequence, "the bundle's sequence went back with the folder");
  t.same(
    [...watch.x509Authorities].sort(),
    x509_authorities
      .map(({ asn1 }) => parseCertificate(new Uint8Array(asn1)).subjectKeyId ?? "")
      .sort(),
    "and is followed all the same: its authorities, not those that are lost",
  );
  t.ok(rig.agent.running, "the agent goes on without a new token");
  t.same(watch.fatal, []);
});

t.test("the server's folder comes back from before the agent's time", async (t) => {
  await using rig = new FaultRig();
  await rig.startServer();
  const copy = `${rig.dir}/copy`;
  await rig.server.end("SIGTERM");
  cpSync(rig.serverData, copy, { recursive: true });
  await rig.startServer();
  await rig.giveToken();
  await rig.startAgent();
  await rig.server.end("SIGTERM");
  rmSync(rig.serverData, { recursive: true });
  cpSync(copy, rig.serverData, { recursive: true });
  await rig.startServer();
  await within("the end of an agent that nobody knows", rig.agent.gone);
  t.match(rig.agent.log, /does not accept this agent's SVID any more; .*assay token generate/);
  await rig.giveToken();
  await rig.startAgent();
  await rig.entry("/one");
  await using watch = new StreamWatch(rig.socket);
  await shows(watch, "/one");
});
