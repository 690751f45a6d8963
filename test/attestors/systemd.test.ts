/**
 * The `systemd` attestor over the D-Bus wire, against a peer written here. test/interop/dbus.test.ts has a real message bus
 * in between, test/docker/systemd.test.ts a real systemd.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { ProcessFacts } from "../../src/attestors/contract.ts";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { systemdAttestor } from "../../src/attestors/workload/systemd/attest.ts";
import {
  decodeMessage,
  encodeCall,
  messageLength,
  textOf,
} from "../../src/attestors/workload/systemd/dbus-wire.ts";
import { isKind } from "../../src/base/errors.ts";
import { formatSelector } from "../../src/spiffe/selector.ts";
import { attestCall } from "../support/attest-call.ts";
import { temporaryFolder } from "../support/caller.ts";
import { type DbusPeer, WEB_UNIT_PATH, dbusPeer, reply, webUnit } from "../support/dbus-peer.ts";
import { refused } from "../support/refused.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { workloadAttestorConformance } from "./workload-conformance.ts";

const facts = (pid: number): ProcessFacts => ({ pid, uid: 0, gid: 0, groups: [] });

async function open(t: Test, answer: DbusPeer["answer"] = webUnit) {
  const peer = await dbusPeer(t, answer);
  const clock = new VirtualClock();
  const procDir = temporaryFolder(t);
  const put = (pid: number | "self", cgroup: string): void => {
    mkdirSync(join(procDir, String(pid)), { recursive: true });
    writeFileSync(join(procDir, String(pid), "cgroup"), `0::${cgroup}\n`);
  };
  put("self", "/system.slice/assay.service");
  put(1, "/system.slice/web.service");
  const attestor = systemdAttestor({
    clock,
    bus: peer.socket,
    containers: new ContainerLookup({ procDir }),
    patienceMs: 4000,
  });
  t.teardown(() => attestor[Symbol.dispose]());
  const found = async (pid = 1): Promise<string[]> =>
    (await attestor.attest(facts(pid), attestCall())).map(formatSelector);
  return { peer, clock, procDir, put, attestor, found };
}

const WEB = [
  "systemd:id:web.service",
  "systemd:fragment_path:/etc/systemd/system/web.service",
  "systemd:slice:system.slice",
];

await workloadAttestorConformance(t, async (t) => {
  const { attestor } = await open(t as Test);
  return { attestor, subject: facts(1) };
});

t.test("the unit that systemd names, in either byte order", async (t) => {
  for (const littleEndian of [true, false]) {
    const { peer, found } = await open(t);
    peer.littleEndian = littleEndian;
    t.same(await found(), WEB);
    t.match(peer.asked[0], {
      path: "/org/freedesktop/systemd1",
      member: "GetUnitByPID",
      args: [1],
    });
    t.match(peer.asked.at(-1), {
      path: WEB_UNIT_PATH,
      member: "Get",
      args: ["org.freedesktop.systemd1.Service", "Slice"],
    });
  }
});

t.test("no unit, a unit without a file, a unit in no slice", async (t) => {
  const none = await open(t, () => ({ error: "org.freedesktop.systemd1.NoUnitForPID" }));
  t.same(await none.found(), []);
  const properties: Record<string, string> = {
    "Unit.Id": "session-3.scope",
    "Unit.FragmentPath": "",
    "Scope.Slice": "user-0.slice",
  };
  const scope = await open(t, ({ member, args }) =>
    member === "GetUnitByPID"
      ? ["o", "/x"]
      : ["v", properties[`${String(args[0]).split(".").at(-1)}.${args[1]}`] ?? "wrong"],
  );
  t.same(await scope.found(), ["systemd:id:session-3.scope", "systemd:slice:user-0.slice"]);
  properties["Unit.Id"] = "odd.device";
  await scope.clock.advance(5000);
  t.same(await scope.found(), ["systemd:id:odd.device"]);
});

t.test(
  "an answer serves for what the kernel says of a process's cgroups, for seconds",
  async (t) => {
    const { peer, clock, put, attestor, found } = await open(t);
    t.equal(attestor.lookNow?.(1), undefined);
    await found();
    put(2, "/system.slice/web.service");
    const calls = peer.asked.length;
    t.same(await found(2), WEB, "another process of the unit");
    const look = attestor.lookNow?.(2);
    t.same(look?.selectors(facts(2)).map(formatSelector), WEB);
    t.equal(peer.asked.length, calls, "nobody was asked");
    put(2, "/system.slice/cron.service");
    t.equal(attestor.lookNow?.(2), undefined, "it moved");
    await clock.advance(4999);
    t.ok(attestor.lookNow?.(1));
    await clock.advance(1);
    t.equal(attestor.lookNow?.(1), undefined);
    const before = look?.selectors(facts(1));
    t.equal(await attestor.attest(facts(1), attestCall()), before, "the same array for the same");
    t.equal(peer.connections, 1);
  },
);

t.test("a hundred callers of one unit are one question", async (t) => {
  const { peer, found } = await open(t);
  await Promise.all(Array.from({ length: 100 }, () => found()));
  t.equal(peer.asked.length, 4);
});

t.test("a process that moves or ends while it is asked about has no unit", async (t) => {
  const { peer, put, procDir, found } = await open(t);
  const during = (change: () => void): void => {
    peer.answer = (asked) => {
      change();
      return webUnit(asked);
    };
  };
  const moved = { kind: "unavailable", message: /ended or moved to another cgroup/ } as const;
  during(() => put(1, "/system.slice/other.service"));
  await refused(t, found(), moved);
  put(1, "/system.slice/web.service");
  during(() => rmSync(join(procDir, "1"), { recursive: true, force: true }));
  await refused(t, found(), moved);
  await refused(t, found(), { kind: "denied", message: /has ended/ });
});

t.test("a bus that cannot be trusted or understood", async (t) => {
  const cases: readonly (readonly [string, (peer: DbusPeer) => void, object])[] = [
    [
      "another PID namespace",
      (peer) => (peer.pid = 7),
      { kind: "unsupported", message: /knows the agent as process 7/ },
    ],
    ["another user", (peer) => (peer.greeting = "REJECTED EXTERNAL\r\n"), { kind: "denied" }],
    ["no D-Bus", (peer) => (peer.greeting = "HTTP/1.1 400 Bad Request\r\n"), { kind: "denied" }],
    ["an endless line", (peer) => (peer.greeting = "OK ".repeat(1000)), { kind: "denied" }],
    [
      "an error",
      (peer) => (peer.answer = () => ({ error: "org.freedesktop.DBus.Error.AccessDenied" })),
      { kind: "unavailable", message: /AccessDenied/ },
    ],
    ["a number for a path", (peer) => (peer.answer = () => ["u", 5]), { kind: "invalid" }],
    [
      "words",
      (peer) => (peer.answer = () => (peer.write(Buffer.from("a".repeat(32))), undefined)),
      { kind: "invalid" },
    ],
    [
      "64 KiB and more",
      (peer) => (peer.answer = () => ["s", "x".repeat(70_000)]),
      { kind: "invalid", message: /longer than 65536/ },
    ],
    [
      "its end",
      (peer) => (peer.answer = () => (peer.hangUp(), undefined)),
      { kind: "unavailable", message: /hung up/ },
    ],
  ];
  for (const [name, bend, expected] of cases) {
    const { peer, found } = await open(t);
    const { pid, greeting, answer } = peer;
    bend(peer);
    await refused(t, found(), expected, name);
    Object.assign(peer, { pid, greeting, answer });
    t.same(await found(), WEB, `${name}, and a new connection`);
  }
});

t.test("a bus that hangs or is not there", async (t) => {
  const { peer, clock, found } = await open(t);
  const asked = Promise.withResolvers<void>();
  peer.answer = () => (asked.resolve(), undefined);
  const waiting = found();
  waiting.catch(() => undefined);
  await asked.promise;
  await clock.advance(4000);
  await refused(t, waiting, { kind: "deadline", message: /did not answer within 4000 ms/ });
  peer.answer = webUnit;
  t.same(await found(), WEB);
  t.equal(peer.connections, 2, "what hung is not asked again");

  const nowhere = systemdAttestor({
    clock,
    bus: "/nonexistent/bus",
    containers: new ContainerLookup(),
  });
  await refused(t, nowhere.attest(facts(process.pid), attestCall()), {
    kind: "unavailable",
    message: /the bus at \/nonexistent\/bus: .*ENOENT/,
  });
  nowhere[Symbol.dispose]();
});

t.test("the wire: damaged messages are refused, never believed in part", (t) => {
  const call = {
    destination: "org.freedesktop.systemd1",
    path: "/a",
    interface: "b.c",
    member: "D",
    args: ["é", 7],
  } as const;
  const bytes = encodeCall(call, 3);
  t.equal(messageLength(bytes), bytes.length);
  t.match(decodeMessage(bytes), { kind: "call", signature: "su" });
  t.equal(messageLength(bytes.subarray(0, 15)), undefined);

  const random = new SeededRandom("dbus");
  for (const littleEndian of [true, false]) {
    const good = reply(littleEndian, 2, 9, ["v", "web.service"]);
    t.equal(textOf(decodeMessage(good)), "web.service");
    let refusals = 0;
    for (let round = 0; round < 3000; round++) {
      const bad = Buffer.from(good);
      const [at = 0, value = 0] = random.bytes(2);
      bad[at % bad.length] = value;
      try {
        if (messageLength(bad) === bad.length) textOf(decodeMessage(bad));
      } catch (thrown) {
        if (!isKind(thrown, "invalid")) throw thrown;
        refusals += 1;
      }
    }
    t.ok(refusals > 300, `${refusals} refused`);
    for (let length = 16; length < good.length; length++) {
      t.throws(() => textOf(decodeMessage(good.subarray(0, length))), /not as D-Bus writes it/);
    }
  }
  t.end();
});
