/** Containers of a real Podman and what identities their processes get. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { podmanAttestor } from "../../src/attestors/workload/podman/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { workloadAttestorConformance } from "../attestors/workload-conformance.ts";
import { IMAGE, bindsOf } from "../support/container-engine.ts";
import { ContainerRig, idsOf } from "../support/container-rig.ts";
import { HIERARCHIES, makeCgroup, removeCgroup, removeEmpty } from "../support/hierarchies.ts";
import { PATIENCE_MS } from "../support/patience.ts";
import { PodmanEngine } from "../support/podman-engine.ts";
import { id } from "../support/running.ts";

const podman = await PodmanEngine.start();
const { socket } = podman;
// One socket, as where Podman stands in for Docker at its usual place.
const rig = await ContainerRig.beside(podman, { docker: { socket }, podman: { socket } });
t.teardown(() => rig[Symbol.asyncDispose]());
const { domain } = rig;

workloadAttestorConformance(t, async (t) => {
  const attestor = podmanAttestor({
    clock: systemClock,
    socket,
    containers: new ContainerLookup({ clock: systemClock }),
    patienceMs: PATIENCE_MS,
  });
  t.teardown(() => attestor[Symbol.dispose]());
  const { pid } = await podman.run({ labels: { app: "conformance" }, env: ["A=b"] });
  return { attestor, subject: { pid, uid: 0, gid: 0, groups: [] } };
});

t.test("each container has the identities of its own settings and no others", async (t) => {
  const web = await podman.run(rig.reaching({ name: "web1", labels: { app: "web", tier: "1" } }));
  const web2 = await podman.run(rig.reaching({ name: "web2", labels: { app: "web" } }));
  const db = await podman.run(rig.reaching({ labels: { app: "db" }, env: ["MODE=fast"] }));
  const plain = await podman.run(rig.reaching());
  const { Image } = await podman.inspect(web.id);
  await domain.entry({ path: "/web", selectors: ["podman:label:app:web"] });
  await domain.entry({ path: "/web-one", selectors: ["podman:label:tier:1", "podman:name:web1"] });
  await domain.entry({
    path: "/db",
    selectors: ["podman:label:app:db", "podman:env:MODE=fast", "unix:uid:0"],
  });
  await domain.entry({
    path: "/image",
    selectors: [
      `podman:image_id:${IMAGE}`,
      `podman:image_config_digest:${Image}`,
      "podman:label:app:web",
    ],
  });
  await domain.entry({ path: "/docker", selectors: ["docker:label:app:web"] });
  await domain.entry({ path: "/user", selectors: ["podman:user:0:label:app:web"] });
  const webs = [id("/image"), id("/web")];
  t.same(await rig.fetchIn(web.id), [id("/image"), id("/web"), id("/web-one")]);
  t.same(await rig.fetchIn(web2.id), webs, "it is Podman's: neither Docker's nor a user's");
  t.same(await rig.fetchIn(db.id), [id("/db")]);
  t.match(await rig.fetchIn(plain.id), /no identity issued/, "no label");
  t.match(await rig.fetchIn(db.id, "1000"), /no identity issued/, "another user in the container");
  t.same(await rig.fetchIn(web2.id, "1000"), webs, "another user, where none is asked for");
  t.same(await rig.fetchOnce({ labels: { app: "web" } }), webs, "its first process");
  t.same(
    await rig.fetchOnce({ labels: { app: "web" }, cgroupNamespace: "private" }),
    webs,
    "in a cgroup namespace of its own",
  );
  t.match(await rig.explain(plain.pid), /podman:name:/);
});

t.test("the service ends and comes back, as systemd's socket unit has it", async (t) => {
  await domain.entry({ path: "/asker", selectors: ["podman:label:app:asker"] });
  const asker = await rig.asker({ labels: { app: "asker" } });
  t.same(await asker.askUntilKnown(), [id("/asker")]);
  await podman.stopDaemon("SIGTERM");
  // What Podman said before still serves for two seconds.
  let said = await asker.ask();
  while (Array.isArray(said)) said = await asker.ask();
  t.match(said, /not fully known yet; retry/, "told to come back");
  t.match(await rig.explain(asker.pid), /cannot be asked: there is no such socket; start/);
  await podman.startDaemon();
  t.same(await asker.askUntilKnown(), [id("/asker")], "containers need no service to go on");
});

t.test("a container in a pod", async (t) => {
  await domain.entry({ path: "/pod", selectors: ["podman:label:app:pod"] });
  await podman.podman("pod", "create", "--infra=false", "--name=pod");
  t.teardown(() => podman.podman("pod", "rm", "--force", "--time=0", "pod"));
  const container = await podman.podman(...runDetached("--pod=pod", "--label=app=pod"));
  t.same(idsOf(await podman.exec(container, rig.fetchCommand())), [id("/pod")]);
});

t.test("a container in its service's cgroup (--cgroups=split)", async (t) => {
  await domain.entry({ path: "/split", selectors: ["podman:label:app:split"] });
  const unit = `system.slice/assay-podman-${process.pid}.service`;
  const folders = HIERARCHIES.map((mount) => join(mount, unit));
  for (const folder of folders) {
    const above = makeCgroup(folder);
    t.teardown(async () => {
      await removeCgroup(folder);
      removeEmpty(above);
    });
  }
  const enter = folders.map((folder) => `echo $$ > ${folder}/cgroup.procs`).join("\n");
  const run = runDetached("--cgroups=split", "--label=app=split");
  const container = await podman.podmanAfter(enter, ...run);
  t.teardown(() => podman.remove(container));
  const { State } = await podman.inspect(container);
  t.match(
    readFileSync(`/proc/${State.Pid}/cgroup`, "utf8"),
    `/${unit}/libpod-payload-${container}`,
  );
  t.same(idsOf(await podman.exec(container, rig.fetchCommand())), [id("/split")]);
});

/** `podman run` of a container that can reach the agent, for options that the Docker Engine API does not have. */
function runDetached(...options: readonly string[]): string[] {
  const volumes = bindsOf(rig.reaching()).map((bind) => `--volume=${bind}`);
  const command = [IMAGE, "/bin/sleep", "100000"];
  return [
    "run",
    "--detach",
    "--stop-timeout=0",
    "--cgroupns=host",
    ...options,
    ...volumes,
    ...command,
  ];
}
