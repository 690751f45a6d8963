/** Units of a real systemd and the selectors of their processes, asked over a real message bus. */
import t from "tap";
import { until } from "../support/patience.ts";
import { SystemdMachine } from "../support/systemd-machine.ts";

const sleep = "/bin/sleep 100000";
const machine = await SystemdMachine.start({
  "web.service": `[Service]\nExecStart=${sleep}`,
  "worker@.service": `[Service]\nExecStart=${sleep}`,
  "shop.slice": "[Slice]",
  "shop.service": `[Service]\nSlice=shop.slice\nExecStart=/bin/sh -c "${sleep} & wait"`,
});
t.teardown(() => machine[Symbol.asyncDispose]());

const mainPid = (unit: string): Promise<string> =>
  machine.run("systemctl", "show", "-p", "MainPID", "--value", unit);

t.test("services: of a file, of a template, in a slice of their own", async (t) => {
  t.same(await machine.selectors({ unit: "web.service" }), [
    "id:web.service",
    `fragment_path:${machine.unitFile("web.service")}`,
    "slice:system.slice",
  ]);
  t.same(await machine.selectors({ unit: "worker@a.service" }), [
    "id:worker@a.service",
    `fragment_path:${machine.unitFile("worker@.service")}`,
    "slice:system-worker.slice",
  ]);
  const shop = [
    "id:shop.service",
    `fragment_path:${machine.unitFile("shop.service")}`,
    "slice:shop.slice",
  ];
  t.same(await machine.selectors({ unit: "shop.service" }), shop);
  const main = await mainPid("shop.service");
  const child = Number(await machine.run("cat", `/proc/${main}/task/${main}/children`));
  t.ok(child > 0);
  t.same(await machine.selectors({ pid: child }), shop, "a child is in its parent's unit");
});

t.test("units that have no file of the operator's", async (t) => {
  await machine.run("systemd-run", "--unit=job", ...sleep.split(" "));
  t.same(await machine.selectors({ unit: "job.service" }), [
    "id:job.service",
    "fragment_path:/run/systemd/transient/job.service",
    "slice:system.slice",
  ]);
  const scope = ["systemd-run", "--scope", "--unit=hand", "--slice=shop.slice"];
  const start = `${[...scope, sleep].join(" ")} >/dev/null 2>&1 & echo $!`;
  const pid = Number(await machine.run("sh", "-c", start));
  // It comes there when systemd has made the scope; one that moves while it is asked about is told to come back.
  let found: string[] = [];
  await until("it is in its scope", async () => {
    found = await machine.selectors({ pid }).catch(() => []);
    return found.includes("id:hand.scope");
  });
  t.same(found, [
    "id:hand.scope",
    "fragment_path:/run/systemd/transient/hand.scope",
    "slice:shop.slice",
  ]);
  t.same(await machine.selectors({ pid: 1 }), ["id:init.scope", "slice:-.slice"]);
});

t.test("a unit that is started again, and a bus that is", async (t) => {
  const before = Number(await mainPid("web.service"));
  await machine.run("systemctl", "restart", "web.service");
  t.not(Number(await mainPid("web.service")), before);
  t.match(await machine.selectors({ unit: "web.service" }), ["id:web.service"]);
  await t.rejects(machine.selectors({ pid: before }), { message: /has ended/ });
  await machine.run("systemctl", "restart", "dbus.service");
  await machine.run("systemd-run", "--unit=late", ...sleep.split(" "));
  let found: string[] = [];
  // Systemd comes back to the bus by itself, a moment later.
  await until("systemd is on the bus", async () => {
    found = await machine.selectors({ unit: "late.service" }).catch(() => []);
    return found.length > 0;
  });
  t.match(found, ["id:late.service"]);
});
