/** What a user starts by a real systemd's manager of their own, with rootless Podman, on cgroup v2 alone. */
import t from "tap";
import { needPackages, needPrograms } from "../support/debian.ts";
import { until } from "../support/patience.ts";
import { SUBORDINATE, SystemdMachine } from "../support/systemd-machine.ts";

const UID = 4321;
await needPrograms({ "/bin/busybox": "busybox-static" });
await needPackages(["podman", "crun"]);
// No controllers of cgroup v2 are to be had where v1 has them.
const CONTAINERS_CONF = `[containers]
netns = "none"
pids_limit = 0
default_sysctls = []
log_driver = "k8s-file"
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "crun"
events_logger = "file"
lock_type = "file"
`;
const STORAGE_CONF = `[storage]\ndriver = "vfs"\n`;
const ROOTS = [
  "CONTAINERS_CONF=/run/home/.config/containers/containers.conf",
  "CONTAINERS_STORAGE_CONF=/run/home/root.conf",
  "TMPDIR=/tmp",
];
const machine = await SystemdMachine.start(
  {
    "podman.service": `[Unit]
After=user@${UID}.service
[Service]
Environment=${ROOTS.join(" ")}
ExecStartPre=/bin/mkdir -p /run/podman
ExecStart=/usr/bin/podman system service --time=0 unix:///run/podman/podman.sock`,
  },
  {
    uid: UID,
    home: {
      ".config/containers/containers.conf": CONTAINERS_CONF,
      ".config/containers/storage.conf": STORAGE_CONF,
      "root.conf": `${STORAGE_CONF}graphroot = "/run/graph"\nrunroot = "/run/containers"\n`,
    },
  },
);
t.teardown(() => machine[Symbol.asyncDispose]());

const IMAGE = "localhost/busybox";
const MANAGER = [
  `id:user@${UID}.service`,
  `fragment_path:${machine.unitFile("user@.service")}`,
  `slice:user-${UID}.slice`,
];
const SLEEP = ["/bin/sleep", "100000"];
await machine.runAsUser(
  "sh",
  "-ec",
  `mkdir -p root/bin
cp /bin/busybox root/bin/busybox
ln -s busybox root/bin/sleep
tar -C root -cf image.tar .
podman import image.tar ${IMAGE}
systemctl --user start podman.socket`,
);

await machine.run("env", ...ROOTS, "podman", "import", "/run/home/image.tar", IMAGE);

const USERS = `/user.slice/user-${UID}.slice/user@${UID}.service`;
/** By cgroup v2, below the machine's own root. */
const cgroupOf = (pid: number): Promise<string> =>
  machine.run("grep", "^0:", `/proc/${pid}/cgroup`);

async function container(
  options: readonly string[] = [],
  command: readonly string[] = ["podman"],
): Promise<{ id: string; pid: number }> {
  const run = [...command, "run", "--detach", "--label=app=web", ...options, IMAGE, ...SLEEP];
  const id = await machine.runAsUser(...run);
  const pid = await machine.runAsUser("podman", "inspect", "--format={{.State.Pid}}", id);
  return { id, pid: Number(pid) };
}

async function userUnit(name: string, ...options: readonly string[]): Promise<number> {
  const run = ["systemd-run", "--user", `--unit=${name}`, ...options, ...SLEEP];
  await machine.runAsUser(...run);
  return Number(
    await machine.runAsUser("systemctl", "--user", "show", "--property=MainPID", "--value", name),
  );
}

t.test("a user's containers have selectors of that user, and no others", async (t) => {
  const web = await container(["--name=web"]);
  t.equal(await cgroupOf(web.pid), `0::${USERS}/user.slice/libpod-${web.id}.scope/container`);
  const said = await machine.selectors({ pid: web.pid, by: "podman" });
  t.ok(said.includes(`user:${UID}:name:web`));
  t.ok(said.includes(`user:${UID}:label:app:web`));
  t.same(
    said.filter((value) => !value.startsWith(`user:${UID}:`)),
    [],
  );
  t.same(await machine.selectors({ pid: web.pid }), MANAGER, "for the system it is the user's");
  await machine.runAsUser("podman", "rename", "web", "db");
  await until("its new name", async () =>
    (await machine.selectors({ pid: web.pid, by: "podman" })).includes(`user:${UID}:name:db`),
  );
  await machine.runAsUser("podman", "rm", "--force", "--time=0", web.id);
  await t.rejects(machine.selectors({ pid: web.pid, by: "podman" }), { message: /ended/ });
});

t.test("in its service's cgroup (--cgroups=split)", async (t) => {
  const { id, pid } = await container(["--cgroups=split"]);
  t.match(
    await cgroupOf(pid),
    new RegExp(`^0::${USERS}/user.slice/podman-\\d+.scope/libpod-payload-${id}$`),
  );
  t.ok((await machine.selectors({ pid, by: "podman" })).includes(`user:${UID}:label:app:web`));
});

t.test("a container without a cgroup of its own is not known for one", async (t) => {
  const { id, pid } = await container([], ["podman", "--cgroup-manager=cgroupfs"]);
  t.match(await cgroupOf(pid), new RegExp(`^0::${USERS}/user.slice/podman-\\d+.scope$`));
  t.same(await machine.selectors({ pid, by: "podman" }), []);
  t.match(await machine.runAsUser("podman", "ps", "--no-trunc"), id);
});

t.test("a process with a subordinate uid is not the user's", async (t) => {
  const { pid } = await container(["--user=1000"]);
  t.match(await machine.run("grep", "^Uid:", `/proc/${pid}/status`), `${SUBORDINATE + 999}`);
  t.same(await machine.selectors({ pid, by: "podman" }), []);
});

t.test("a user's own units are one unit of the system's", async (t) => {
  const service = await userUnit("web.service");
  t.equal(await cgroupOf(service), `0::${USERS}/app.slice/web.service`);
  t.same(await machine.selectors({ pid: service }), MANAGER);
  const slice = await userUnit("other.service", "--slice=system.slice");
  t.equal(await cgroupOf(slice), `0::${USERS}/system.slice/other.service`);
  t.same(await machine.selectors({ pid: slice }), MANAGER);
});

/** A container of the system's engine, with its devices, as the machine lets nobody filter those. */
async function systemContainer(
  options: readonly string[] = [],
  before: readonly string[] = [],
): Promise<{ id: string; pid: number }> {
  const podman = [...before, "env", ...ROOTS, "podman"];
  const run = [
    "run",
    "--detach",
    "--privileged",
    "--label=app=shop",
    "--replace",
    "--stop-timeout=0",
    "--name=shop",
  ];
  await machine.run(...podman, ...run, ...options, IMAGE, ...SLEEP);
  const format = "--format={{.Id}} {{.State.Pid}}";
  const found = await machine.run("env", ...ROOTS, "podman", "inspect", format, "shop");
  const [id = "", pid] = found.split(" ");
  return { id, pid: Number(pid) };
}

t.test("the system's containers: a scope, and a service's own (--cgroups=split)", async (t) => {
  const scope = await systemContainer();
  t.equal(await cgroupOf(scope.pid), `0::/machine.slice/libpod-${scope.id}.scope/container`);
  t.match(await machine.selectors({ pid: scope.pid, by: "podman" }), ["name:shop"]);
  const unit = ["--unit=shop.service", "--service-type=forking", "--property=Delegate=yes"];
  const split = await systemContainer(["--cgroups=split"], ["systemd-run", ...unit]);
  t.equal(await cgroupOf(split.pid), `0::/system.slice/shop.service/libpod-payload-${split.id}`);
  const said = await machine.selectors({ pid: split.pid, by: "podman" });
  t.ok(said.includes("label:app:shop"));
  t.match(await machine.selectors({ pid: split.pid }), ["id:shop.service"]);
});

t.test(
  "a container's process that moves below its own cgroup stays that container's",
  async (t) => {
    const other = await container();
    const inner = `/sys/fs/cgroup/libpod-${other.id}.scope`;
    const move = `mkdir ${inner}; echo $$ >${inner}/cgroup.procs; exec /bin/sleep 100000`;
    const { id, pid } = await systemContainer([
      "--entrypoint",
      JSON.stringify(["/bin/busybox", "sh", "-c", move]),
    ]);
    const want = `0::/machine.slice/libpod-${id}.scope/container/libpod-${other.id}.scope`;
    await until("it has moved", async () => (await cgroupOf(pid)) === want);
    const said = await machine.selectors({ pid, by: "podman" });
    t.match(said, ["name:shop"]);
    t.notOk(said.some((value) => value.startsWith("user:")));
  },
);

t.test("a unit named as a container makes nobody that container", async (t) => {
  const { id } = await container();
  const named = await userUnit(`libpod-${id}.service`);
  t.equal(await cgroupOf(named), `0::${USERS}/app.slice/libpod-${id}.service`);
  t.same(await machine.selectors({ pid: named, by: "podman" }), []);
  const shop = await systemContainer();
  for (const unit of [`docker-${id}.scope`, `libpod-${shop.id}.scope`]) {
    const run = `systemd-run --user --scope --quiet --unit=${unit} ${SLEEP.join(" ")}`;
    const pid = Number(await machine.runAsUser("sh", "-c", `${run} >/dev/null 2>&1 & echo $!`));
    await until("it is in its scope", async () => (await cgroupOf(pid)).endsWith(`/${unit}`));
    t.same(await machine.selectors({ pid, by: "podman" }), [], unit);
    t.same(await machine.selectors({ pid }), MANAGER);
  }
});
