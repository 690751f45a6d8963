/**
 * The `systemd` attestor over a real message bus. The service manager behind it is played, and says what a real one
 * (test/docker/systemd.test.ts) does not when it is asked to.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { systemdAttestor } from "../../src/attestors/workload/systemd/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { formatSelector } from "../../src/spiffe/selector.ts";
import { attestCall } from "../support/attest-call.ts";
import { end, temporaryFolder } from "../support/caller.ts";
import { needPrograms } from "../support/debian.ts";
import { type Asked, DbusService, type Said } from "../support/dbus-peer.ts";
import { refused } from "../support/refused.ts";

const SYSTEMD = "org.freedesktop.systemd1";
const self = { pid: process.pid, uid: 0, gid: 0, groups: [] };

await needPrograms({ "dbus-daemon": "dbus-daemon" });

/** A bus of its own: nothing of the machine's. */
async function startBus(
  t: Test,
  { wrap = [], deny = "" }: { wrap?: readonly string[]; deny?: string } = {},
): Promise<{ readonly socket: string; readonly daemon: ChildProcess }> {
  const dir = temporaryFolder(t);
  const socket = join(dir, "bus");
  const config = join(dir, "bus.conf");
  writeFileSync(
    config,
    `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
      "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
    <busconfig>
      <type>system</type>
      <listen>unix:path=${socket}</listen>
      <auth>EXTERNAL</auth>
      <policy context="default">
        <allow user="*"/>
        <allow own="*"/>
        <allow send_destination="*"/>
        <allow receive_sender="*"/>
        ${deny}
      </policy>
    </busconfig>`,
  );
  const [program, ...args] = [
    ...wrap,
    "/usr/bin/dbus-daemon",
    `--config-file=${config}`,
    "--nofork",
    "--nopidfile",
    "--print-address",
  ];
  const daemon = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => end(daemon));
  await once(daemon.stdout, "data");
  return { socket, daemon };
}

function web({ member, args }: Asked): Said {
  if (member === "GetUnitByPID") {
    return args[0] === process.pid ? ["o", "/unit/web"] : { error: `${SYSTEMD}.NoUnitForPID` };
  }
  const values: Record<string, string> = {
    Id: "web.service",
    FragmentPath: "/lib/systemd/system/web.service",
    Slice: "system.slice",
  };
  return ["v", values[String(args[1])] ?? ""];
}

t.test("through a real bus: the unit, no unit, and nobody there", async (t) => {
  const { socket, daemon } = await startBus(t);
  const attestor = systemdAttestor({
    clock: systemClock,
    bus: socket,
    containers: new ContainerLookup(),
  });
  t.teardown(() => attestor[Symbol.dispose]());
  await refused(
    t,
    attestor.attest(self, attestCall()),
    { kind: "unavailable", message: /systemd did not answer on the bus .*ServiceUnknown/ },
    "no service manager",
  );
  using service = await DbusService.own(socket, SYSTEMD, web);
  const selectors = await attestor.attest(self, attestCall());
  t.same(selectors.map(formatSelector), [
    "systemd:id:web.service",
    "systemd:fragment_path:/lib/systemd/system/web.service",
    "systemd:slice:system.slice",
  ]);
  t.equal(service.asked.length, 4);
  await end(daemon);
  const other = await systemdAttestor({
    clock: systemClock,
    bus: socket,
    containers: new ContainerLookup(),
  })
    .attest(self, attestCall())
    .catch((error: unknown) => error);
  t.match(other, { kind: "unavailable" }, "the bus is gone");
});

t.test("a bus that lets nobody ask", async (t) => {
  const { socket } = await startBus(t, {
    deny: `<deny send_destination="${SYSTEMD}" send_interface="${SYSTEMD}.Manager"/>`,
  });
  using _service = await DbusService.own(socket, SYSTEMD, web);
  using attestor = systemdAttestor({
    clock: systemClock,
    bus: socket,
    containers: new ContainerLookup(),
  });
  await refused(t, attestor.attest(self, attestCall()), {
    kind: "unavailable",
    message: /AccessDenied/,
  });
});

t.test("a bus in another PID namespace is told from ours", async (t) => {
  const { socket } = await startBus(t, {
    wrap: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
  });
  using attestor = systemdAttestor({
    clock: systemClock,
    bus: socket,
    containers: new ContainerLookup(),
  });
  await refused(t, attestor.attest(self, attestCall()), {
    kind: "unsupported",
    message: /knows the agent as process 0: it is in another PID namespace/,
  });
});
