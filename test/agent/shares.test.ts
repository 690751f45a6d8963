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
import { SocketGrpcServer } from "../../src/rpc/grpc/server.ts";
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
  const first = shares.take(7);
  t.ok(first !== undefined && shares.take(7) !== undefined);
  t.equal(shares.take(7), undefined, "no more than its share");
  t.ok(shares.take(8));
  first?.give();
  t.ok(shares.take(7), "what is given back can be taken again");
  let root = 0;
  while (shares.take(0) !== undefined) root++;
  t.equal(root, shares.total - 3, "root is bound by the whole alone");
  t.equal(shares.take(9), undefined);
  t.end();
});

t.test(
  "where root's processes are is looked at once it matters, and counts whoever came before",
  (t) => {
    const shares = new ConnectionShares({ openFiles: 1024, unlimited: new Set([0]) });
    let looks = 0;
    const inContainer = (name: string) => () => {
      looks++;
      return `container ${name}`;
    };
    const places = Array.from({ length: shares.perUser }, () => shares.take(0, inContainer("a")));
    t.same(
      [places.includes(undefined), looks],
      [false, 0],
      "fewer than a share: nobody can be above",
    );
    t.equal(shares.take(0, inContainer("a")), undefined, "those before count");
    t.equal(looks, shares.perUser + 1, "each was looked at once");
    const other = shares.take(0, inContainer("b"));
    t.ok(other, "another container has a share of its own");
    t.ok(
      shares.take(0, () => 0),
      "and the host's root needs none",
    );
    places.pop()?.give();
    places.push(shares.take(0, inContainer("a")));
    t.ok(places.at(-1), "what is given back can be taken again");
    t.equal(shares.take(0, inContainer("a")), undefined);
    for (const place of places) place?.give();
    looks = 0;
    for (let i = 2; i < shares.perUser; i++) t.ok(shares.take(0, inContainer("b")));
    t.equal(looks, 0, "few again: not looked at");
    t.equal(shares.take(0, inContainer("b")) === undefined, false, "the last place of the share");
    t.equal(
      shares.take(0, inContainer("b")),
      undefined,
      "one above it, those looked at long ago included",
    );
    t.end();
  },
);

t.test("a connection above its user's share is closed, and a closed one makes room", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "assay-test-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "api.sock");
  await using server = new SocketGrpcServer<Peer>({ clock: systemClock, logger: silentLogger });
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
    await using server = new SocketGrpcServer<Peer>({ clock: systemClock, logger: silentLogger });
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
