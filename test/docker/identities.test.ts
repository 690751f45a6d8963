/** Containers of a real Docker Engine and what identities their processes get. */
import { chmodSync, copyFileSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { dockerAttestor } from "../../src/attestors/workload/docker/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { workloadAttestorConformance } from "../attestors/workload-conformance.ts";
import { ContainerRig } from "../support/container-rig.ts";
import { CHECKOUT, IMAGE } from "../support/container-engine.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";
import { id } from "../support/running.ts";

const rig = await ContainerRig.start();
t.teardown(() => rig[Symbol.asyncDispose]());
const { engine: docker, domain } = rig;

workloadAttestorConformance(t, async (t) => {
  const attestor = dockerAttestor({
    clock: systemClock,
    socket: docker.socket,
    containers: new ContainerLookup({ clock: systemClock }),
    patienceMs: PATIENCE_MS,
  });
  t.teardown(() => attestor[Symbol.dispose]());
  const { pid } = await docker.run({ labels: { app: "conformance" }, env: ["A=b"] });
  return { attestor, subject: { pid, uid: 0, gid: 0, groups: [] } };
});

t.test("each container has the identities of its own settings and no others", async (t) => {
  const web = await docker.run(rig.reaching({ name: "web1", labels: { app: "web", tier: "1" } }));
  const web2 = await docker.run(rig.reaching({ name: "web2", labels: { app: "web" } }));
  const db = await docker.run(rig.reaching({ labels: { app: "db" }, env: ["MODE=fast"] }));
  const plain = await docker.run(rig.reaching());
  const { Image } = await docker.inspect(web.id);
  await domain.entry({ path: "/web", selectors: ["docker:label:app:web"] });
  await domain.entry({
    path: "/web-one",
    selectors: ["docker:label:app:web", "docker:label:tier:1", "docker:name:web1"],
  });
  await domain.entry({
    path: "/db",
    selectors: ["docker:label:app:db", "docker:env:MODE=fast", "unix:uid:0"],
  });
  await domain.entry({
    path: "/image",
    selectors: [
      `docker:image_id:${IMAGE}`,
      `docker:image_config_digest:${Image}`,
      "docker:label:app:web",
    ],
  });
  await domain.entry({ path: "/nobody", selectors: ["docker:label:app:we"] });
  const webs = [id("/image"), id("/web")];
  t.same(await rig.fetchIn(web.id), [id("/image"), id("/web"), id("/web-one")]);
  t.same(await rig.fetchIn(web2.id), webs, "two containers with one label");
  t.same(await rig.fetchIn(db.id), [id("/db")]);
  t.match(await rig.fetchIn(plain.id), /no identity issued/, "no label");
  t.match(await rig.fetchIn(db.id, "1000"), /no identity issued/, "another user in the container");
  t.same(await rig.fetchIn(web2.id, "1000"), webs, "another user, where none is asked for");

  await t.test("its first process", async (t) => {
    t.same(await rig.fetchOnce({ labels: { app: "web" } }), webs);
    t.match(await rig.fetchOnce({ labels: { app: "other" } }), /no identity issued/);
  });

  await t.test("in a cgroup namespace of its own", async (t) => {
    t.same(await rig.fetchOnce({ labels: { app: "web" }, cgroupNamespace: "private" }), webs);
  });

  await t.test("a thread", async (t) => {
    const [node = "", script = "", socket = ""] = rig.fetchCommand();
    const inThread = `new (require("node:worker_threads").Worker)(${JSON.stringify(script)},
      { argv: [${JSON.stringify(socket)}] })`;
    const { text } = await docker.exec(web2.id, [node, "-e", inThread]);
    t.same((JSON.parse(text) as string[]).sort(), webs);
  });

  await t.test("a set-user-ID program: its own user, its container's labels", async (t) => {
    const folder = join(domain.dir, "suid");
    mkdirSync(folder);
    copyFileSync(process.execPath, join(folder, "node"));
    chmodSync(join(folder, "node"), 0o4755);
    await domain.entry({ path: "/root", selectors: ["docker:label:app:suid", "unix:uid:0"] });
    await domain.entry({ path: "/user", selectors: ["docker:label:app:suid", "unix:uid:1000"] });
    const box = await docker.run(
      rig.reaching({ labels: { app: "suid" }, mounts: [`${folder}:/suid:ro`] }),
    );
    t.same(await rig.fetchIn(box.id, "1000"), [id("/user")]);
    const { text } = await docker.exec(box.id, rig.fetchCommand("/suid/node"), "1000");
    t.same(JSON.parse(text), [id("/root")]);
  });

  await t.test("a program that takes another's place, on the same connection", async (t) => {
    const folder = join(domain.dir, "exec");
    mkdirSync(folder);
    copyFileSync(process.execPath, join(folder, "node"));
    chmodSync(join(folder, "node"), 0o755);
    const both = "docker:label:app:exec";
    await domain.entry({
      path: "/before-exec",
      selectors: [both, `unix:path:${process.execPath}`],
    });
    await domain.entry({ path: "/after-exec", selectors: [both, "unix:path:/other/node"] });
    const box = await docker.run(
      rig.reaching({ labels: { app: "exec" }, mounts: [`${folder}:/other:ro`] }),
    );
    t.same(await rig.fetchIn(box.id), [id("/before-exec")]);
    const [node = "", , socket = ""] = rig.fetchCommand();
    const program = join(CHECKOUT, "test/support/exec-child.ts");
    const { text } = await docker.exec(box.id, [node, program, socket, "/other/node"]);
    t.match(text, /\["spiffe:[^\]]+"\]/);
    t.same(JSON.parse(text.slice(text.indexOf("["))), [id("/after-exec")]);
  });

  await t.test("a zombie has nothing to say for", async (t) => {
    // The shell's child ends after the shell has become a program that never asks about it.
    const box = await docker.run(rig.reaching({ labels: { app: "web" } }), [
      "/bin/sh",
      "-c",
      "sleep 0 & exec sleep 100000",
    ]);
    const zombie = await zombieOf(box.pid);
    t.match(await rig.explain(zombie), /there is no process|has ended|ended or changed/);
  });

  await t.test("explain names a mistyped label; a mistyped name is refused", async (t) => {
    await domain.entry({ path: "/typo-value", selectors: ["docker:label:app:wbe"] });
    await domain.entry({ path: "/typo-key", selectors: ["docker:label:aap:web"] });
    await t.rejects(domain.entry({ path: "/typo-name", selectors: ["docker:lable:app:web"] }), {
      message: /did you mean 'docker:label'/,
    });
    const said = await rig.explain(web2.pid);
    t.match(said, /docker:label:app:wbe/);
    t.match(said, /docker:label:app:web/, "what it has");
    t.match(said, /docker:label:aap:web/);
  });
});

t.test("an agent that is in a container itself", async (t) => {
  const box = await docker.run({ labels: { app: "seen" } });
  const program = join(CHECKOUT, "test/support/attest-child.ts");
  const command = [
    process.execPath,
    program,
    "/engine/docker.sock",
    `${box.pid}`,
    `${process.pid}`,
  ];
  const own: Record<string, string[]> = {
    // Its own cgroup is the root of what it sees: like the host.
    private: [],
    host: ["label:app:agent"],
  };
  for (const cgroupNamespace of ["private", "host"] as const) {
    const { text } = await docker.runOnce(command, {
      labels: { app: "agent" },
      mounts: [`${dirname(docker.socket)}:/engine`],
      hostPids: true,
      cgroupNamespace,
    });
    t.same(text, JSON.stringify([["label:app:seen"], [], own[cgroupNamespace]]), cgroupNamespace);
  }
});

t.test("a renamed container has its new name within two seconds", async (t) => {
  await domain.entry({ path: "/before", selectors: ["docker:name:before"] });
  await domain.entry({ path: "/after", selectors: ["docker:name:after"] });
  const box = await docker.run(rig.reaching({ name: "before" }));
  t.same(await rig.fetchIn(box.id), [id("/before")]);
  await docker.rename(box.id, "after");
  await until("its new name", async () => (await rig.fetchIn(box.id))[0] === id("/after"));
  t.same(await rig.fetchIn(box.id), [id("/after")]);
});

/** The first child of a process once it has ended and was not collected. */
async function zombieOf(parent: number): Promise<number> {
  let child = 0;
  await until("the child is a zombie", () => {
    child = Number(readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim());
    return child > 0 && /^State:\tZ/m.test(readFileSync(`/proc/${child}/status`, "utf8"));
  });
  return child;
}
