import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type Socket, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { maxOpenFiles } from "../../src/agent/peer/proc.ts";
import type { Peer } from "../../src/agent/peer/peer.ts";
import { ConnectionHolders } from "../../src/agent/workload-api/connection-holder.ts";
import { ConnectionShares } from "../../src/agent/workload-api/connection-shares.ts";
import { WorkloadListener } from "../../src/agent/workload-api/listener.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { H2GrpcServer } from "../../src/rpc/h2/server.ts";
import { procWith } from "../support/engine-stub.ts";

t.test("shares follow from the files a process may open", (t) => {
  const cases = [
    { openFiles: 64, total: 10, perUser: 2 },
    { openFiles: 1024, total: 298, perUser: 74 },
    { openFiles: 20_000, total: 6624, perUser: 1656 },
    { openFiles: 1_048_576, total: 20_000, perUser: 5000 },
    { openFiles: 0, total: 8, perUser: 2 },
  ];
  for (const { openFiles, total, perUser } of cases) {
    const shares = new ConnectionShares({ openFiles, unlimited: new Set() });
    t.same([shares.total, shares.perUser], [total, perUser], `${openFiles} files`);
  }
  t.ok(maxOpenFiles() > 0);
  t.equal(maxOpenFiles("/nowhere"), 1024);
  t.end();
});

t.test("one user's hunger leaves places for others", (t) => {
  const shares = new ConnectionShares({ openFiles: 64, unlimited: new Set([0]) });
  t.same(
    [shares.take(7), shares.take(7), shares.take(7)],
    [true, true, false],
    "no more than its share",
  );
  t.equal(shares.take(8), true);
  shares.give(7);
  t.equal(shares.take(7), true, "what is given back can be taken again");
  let root = 0;
  while (shares.take(0)) root++;
  t.equal(root, shares.total - 3, "root is bound by the whole alone");
  t.equal(shares.take(9), false);
  t.end();
});

t.test("a connection above its user's share is closed, and a closed one makes room", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "assay-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "api.sock");
  await using server = new H2GrpcServer<Peer>({ clock: systemClock, logger: silentLogger });
  await using _listener = await WorkloadListener.open({
    path,
    server,
    clock: systemClock,
    logger: silentLogger,
    shares: new ConnectionShares({ openFiles: 0, unlimited: new Set() }),
  });
  const first = await answered(path);
  const second = await answered(path);
  t.ok(first !== undefined && second !== undefined);
  t.equal(await answered(path), undefined, "the third is one too many");
  first?.destroy();
  let again = await answered(path);
  while (again === undefined) again = await answered(path); // until the agent has seen the first one's end
  t.pass("room for another");
  second?.destroy();
  again.destroy();
});

const CONTAINER = "c".repeat(64);

t.test("root in a container is not root on the host", (t) => {
  const pod =
    "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod11111111_2222_3333_4444_555555555555.slice";
  const cases = [
    ["a service", "/system.slice/ssh.service", 0],
    ["a login", "/user.slice/user-0.slice/session-1.scope", 0],
    ["beside the agent", "/system.slice/assay.service", 0],
    ["Docker", `/system.slice/docker-${CONTAINER}.scope`, `container ${CONTAINER}`],
    ["below its own", `/docker/${CONTAINER}/init/deep`, `container ${CONTAINER}`],
    ["a pod's", `${pod}/cri-containerd-${CONTAINER}.scope`, `container ${CONTAINER}`],
    ["a container of nobody knows what", "/lxc.payload.web/init.scope", "0 elsewhere"],
  ] as const;
  for (const [name, path, holder] of cases) {
    const holders = new ConnectionHolders(procWith(t, { 7: path }));
    t.equal(holders.of({ pid: 7, uid: 0 }), holder, name);
  }
  const own = `/docker/${"a".repeat(64)}`;
  const inside = new ConnectionHolders(
    procWith(t, {
      self: own,
      7: `${own}/job`,
      8: `/docker/${CONTAINER}`,
      9: "/system.slice/x.service",
    }),
  );
  t.equal(inside.of({ pid: 7, uid: 0 }), 0, "in the agent's own container");
  t.equal(inside.of({ pid: 8, uid: 0 }), `container ${CONTAINER}`);
  t.equal(inside.of({ pid: 9, uid: 0 }), 0);
  t.equal(inside.of({ pid: 0, uid: 0 }), "0 elsewhere", "without a PID here");
  t.equal(inside.of({ pid: 99, uid: 0 }), "0 elsewhere", "one that has ended");
  t.end();
});

t.test("a container of root's has a share, the host's root has none", async (t) => {
  const uid = process.getuid?.() ?? 0;
  const answers = async (path: string): Promise<boolean[]> => {
    const folder = mkdtempSync(join(tmpdir(), "assay-test-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const socket = join(folder, "api.sock");
    await using server = new H2GrpcServer<Peer>({ clock: systemClock, logger: silentLogger });
    await using _listener = await WorkloadListener.open({
      path: socket,
      server,
      clock: systemClock,
      logger: silentLogger,
      shares: new ConnectionShares({ openFiles: 0, unlimited: new Set([uid]) }),
      procDir: procWith(t, { [process.pid]: path }),
    });
    const sockets = [await answered(socket), await answered(socket), await answered(socket)];
    for (const each of sockets) each?.destroy();
    return sockets.map((each) => each !== undefined);
  };
  t.same(await answers(`/docker/${CONTAINER}`), [true, true, false]);
  t.same(await answers("/system.slice/ssh.service"), [true, true, true]);
});

/** A connection whose HTTP/2 preface was answered; undefined when it was closed instead. */
async function answered(path: string): Promise<Socket | undefined> {
  const socket = connect(path);
  socket.on("error", () => undefined); // a reset is a way to close
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const isOpen = await Promise.race([
    once(socket, "data").then(() => true),
    once(socket, "close").then(() => false),
  ]).catch(() => false);
  return isOpen ? socket : undefined;
}
