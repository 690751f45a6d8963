/** Processes that move themselves to other cgroups, or mount over their own /proc, gain nothing. */
import { execFile, spawn } from "node:child_process";
import { chownSync, existsSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t, { type Test } from "tap";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { ContainerRig, idsOf } from "../support/container-rig.ts";
import { HIERARCHIES, makeCgroup, removeEmpty } from "../support/hierarchies.ts";
import { id } from "../support/running.ts";

const exec = promisify(execFile);
const rig = await ContainerRig.start();
t.teardown(() => rig[Symbol.asyncDispose]());
const { engine: docker, domain } = rig;

await domain.entry({ path: "/own", selectors: ["docker:label:app:own"] });
await domain.entry({ path: "/victim", selectors: ["docker:label:app:victim"] });
const victim = await docker.run(rig.reaching({ labels: { app: "victim" } }));

/** The cgroup of a process below one mount point. */
function cgroupOf(pid: number, mount: string): string {
  for (const line of readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n")) {
    const path = line.slice(line.indexOf(":", line.indexOf(":") + 1) + 1);
    const procs = join(mount, path, "cgroup.procs");
    if (path === "" || !existsSync(procs)) continue;
    if (readFileSync(procs, "utf8").split("\n").includes(String(pid))) return path;
  }
  throw new Error(`process ${pid} is in no cgroup below ${mount}`);
}

/** What is handed to a user must be no other test's. */
const OWN = `assay-${process.pid}`;

/** Runs a program as one that waits until it was moved: below each mount into the path that `pathOf` gives. */
async function fetchMoved(
  t: Test,
  pathOf: (mount: string) => string,
  whenMoved: (pid: number) => void = () => undefined,
): Promise<{ ids: string[] | string; cgroup: string }> {
  const [node = "", script = ""] = rig.fetchCommand();
  const child = spawn(
    "/bin/sh",
    ["-c", 'read go; exec "$@"', "sh", node, script, rig.agent.socket],
    {
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  const pid = child.pid ?? 0;
  for (const mount of HIERARCHIES) {
    const folder = join(mount, pathOf(mount));
    const above = makeCgroup(folder);
    t.teardown(() => {
      rmdirSync(folder);
      removeEmpty(above);
    });
    writeFileSync(join(folder, "cgroup.procs"), String(pid));
  }
  const cgroup = readFileSync(`/proc/${pid}/cgroup`, "utf8");
  whenMoved(pid);
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (text += chunk.toString()));
  child.stdin.end("go\n");
  const code = await new Promise<number>((resolve) => child.on("close", (c) => resolve(c ?? 1)));
  return { ids: idsOf({ code, text }), cgroup };
}

t.ok(HIERARCHIES.length > 0, "there are cgroups to move in");

t.test("the victim itself", async (t) => {
  t.same(await rig.fetchIn(victim.id), [id("/victim")]);
});

t.test("a cgroup of the victim's id below one's own container's", async (t) => {
  const own = await docker.run(rig.reaching({ labels: { app: "own" } }));
  const { ids, cgroup } = await fetchMoved(t, (mount) => join(cgroupOf(own.pid, mount), victim.id));
  t.match(cgroup, new RegExp(`${own.id}.*/${victim.id}`), "it did move");
  t.same(ids, [id("/own")]);
});

t.test("the same, made from inside of a container that may mount", async (t) => {
  const script = `for tree in /sys/fs/cgroup /sys/fs/cgroup/*; do
      [ -e $tree/cgroup.procs ] && mount -o remount,bind,rw none $tree && mkdir $tree/${victim.id} && echo $$ > $tree/${victim.id}/cgroup.procs
    done 2>/dev/null
    cat /proc/$$/cgroup >&2
    exec "$@"`;
  const output = await docker.runOnce(
    ["/bin/sh", "-c", script, "sh", ...rig.fetchCommand()],
    rig.reaching({ labels: { app: "own" }, mayMount: true }),
  );
  t.match(output.text, new RegExp(`/${victim.id}\n`), "it did move");
  t.match(output.text, `["${id("/own")}"]`);
  t.notMatch(output.text, id("/victim"));
});

t.test(
  "a cgroup of the victim's name below a user's service: what systemd lets any user do",
  async (t) => {
    const { ids, cgroup } = await fetchMoved(
      t,
      () => `/user.slice/user-1000.slice/user@1000.service/app.slice/docker-${victim.id}.scope`,
    );
    t.match(cgroup, `docker-${victim.id}.scope`, "it did move");
    t.match(ids, /no identity issued/);
  },
);

t.test("a cgroup of the victim's name below some service", async (t) => {
  const { ids } = await fetchMoved(t, () => `/system.slice/jobs.service/docker/${victim.id}`);
  t.match(ids, /no identity issued/);
});

t.test("a cgroup of the victim's name in a part of the tree that a user was given", async (t) => {
  const { ids, cgroup } = await fetchMoved(
    t,
    () => `/${OWN}/docker/${victim.id}`,
    () => {
      for (const mount of HIERARCHIES) chownSync(join(mount, OWN), 1000, 1000);
    },
  );
  t.match(cgroup, `/${OWN}/docker/${victim.id}`, "it did move");
  t.match(ids, /no identity issued/);
});

t.test("Podman's container in a unit's cgroup counts where root made it", async (t) => {
  const unit = `/system.slice/${OWN}.service`;
  const path = `${unit}/libpod-payload-${victim.id}`;
  const outcome = await fetchMoved(
    t,
    () => path,
    (pid) => {
      using lookup = new ContainerLookup();
      t.same(lookup.read(pid), { containerId: victim.id });
      for (const mount of HIERARCHIES) chownSync(join(mount, unit), 1000, 1000);
      t.equal(lookup.read(pid), undefined, "a unit that was handed to a user");
    },
  );
  t.match(outcome.ids, /no identity issued/, "Docker is not asked about it");
});

t.test("the victim's cgroup file mounted over one's own", async (t) => {
  const [node = "", script = ""] = rig.fetchCommand();
  const mount = `mount --bind /proc/${victim.pid}/cgroup /proc/$$/cgroup &&
    mount --bind /proc/${victim.pid}/mountinfo /proc/$$/mountinfo &&
    cat /proc/$$/cgroup >&2 && exec "$@"`;
  const outcome = await exec("unshare", [
    "--mount",
    "/bin/sh",
    "-c",
    mount,
    "sh",
    node,
    script,
    rig.agent.socket,
  ]).then(
    ({ stdout }) => stdout,
    ({ stderr }: { stderr: string }) => stderr,
  );
  t.match(outcome, victim.id, "it did mount");
  t.match(outcome, /no identity issued/);

  const inside = await docker.runOnce(
    [
      "/bin/sh",
      "-c",
      `echo "0::/docker/${victim.id}" > /tmp/cgroup
       mount -o bind /tmp/cgroup /proc/$$/cgroup && cat /proc/$$/cgroup >&2 && exec "$@"`,
      "sh",
      ...rig.fetchCommand(),
    ],
    rig.reaching({ labels: { app: "own" }, mayMount: true }),
  );
  t.match(inside.text, victim.id, "it did mount");
  t.match(inside.text, `["${id("/own")}"]`);
});

t.test("a mount of the victim's cgroup in a user namespace of one's own", async (t) => {
  const [node = "", script = ""] = rig.fetchCommand();
  const [tree = ""] = HIERARCHIES;
  const from = join(tree, cgroupOf(victim.pid, tree));
  const mount = `mount --bind ${from} /mnt && cat /proc/self/mountinfo >&2 && exec "$@"`;
  const outcome = await exec("unshare", [
    "--user",
    "--map-root-user",
    "--mount",
    "/bin/sh",
    "-c",
    mount,
    "sh",
    node,
    script,
    rig.agent.socket,
  ]).then(
    ({ stdout }) => stdout,
    ({ stderr }: { stderr: string }) => stderr,
  );
  t.match(outcome, new RegExp(`${victim.id} /mnt`), "it did mount");
  t.match(outcome, /no identity issued/);
});
