/** A Docker Engine that hangs, ends and comes back, containers that go away, and many containers at once. */
import { join } from "node:path";
import t, { type Test } from "tap";
import { Attestation } from "../../src/agent/attestation/attestation.ts";
import { openPeer } from "../../src/agent/peer/peer.ts";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { dockerAttestor } from "../../src/attestors/workload/docker/attest.ts";
import { unixAttestor } from "../../src/attestors/workload/unix/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { temporaryFolder } from "../support/caller.ts";
import { ContainerRig } from "../support/container-rig.ts";
import { EngineProxy } from "../support/engine-proxy.ts";
import { PATIENCE_MS } from "../support/patience.ts";
import { refused } from "../support/refused.ts";
import { id } from "../support/running.ts";
import { freeze, thaw } from "../support/freeze.ts";

const CONTAINERS = 200;
const CALLERS = 3;

const rig = await ContainerRig.start();
t.teardown(() => rig[Symbol.asyncDispose]());
const { engine: docker, domain } = rig;
const call = { signal: new AbortController().signal };

/** All attestors of an agent, with the engine behind a proxy. */
async function attestation(t: Test): Promise<{ attestation: Attestation; proxy: EngineProxy }> {
  const proxy = await EngineProxy.listen(join(temporaryFolder(t), "docker.sock"), docker.socket);
  const attestor = dockerAttestor({
    clock: systemClock,
    socket: proxy.socket,
    containers: new ContainerLookup({ clock: systemClock }),
    patienceMs: PATIENCE_MS,
  });
  t.teardown(async () => {
    attestor[Symbol.dispose]();
    await proxy[Symbol.asyncDispose]();
  });
  return {
    proxy,
    attestation: new Attestation({
      attestors: [unixAttestor({ clock: systemClock, logger: silentLogger }), attestor],
      clock: systemClock,
      logger: silentLogger,
      deadlineMs: PATIENCE_MS,
    }),
  };
}

t.test("a container that is removed between lookup and answer", async (t) => {
  const { attestation: attestor, proxy } = await attestation(t);
  const box = await docker.run({ labels: { app: "short" } });
  const peer = openPeer(box.pid);
  t.teardown(() => peer.release());
  proxy.beforeInspect = () => docker.remove(box.id);
  await refused(t, Promise.resolve(attestor.attest(peer, call)), {
    kind: "denied",
    message: /has ended/,
  });
  t.same(proxy.asked, [box.id]);
});

t.test("the engine hangs, ends and comes back", async (t) => {
  await domain.entry({ path: "/web", selectors: ["docker:label:app:web"] });
  await domain.entry({ path: "/uid", selectors: ["unix:uid:7"] });
  const root = await rig.asker({ labels: { app: "web" } });
  const user = await rig.asker({ labels: { app: "web" }, user: "7" });
  t.same(await root.askUntilKnown(), [id("/web")]);
  t.same(await user.askUntilKnown(), [id("/uid"), id("/web")]);

  const outage = async (name: string, reason: RegExp): Promise<void> => {
    await t.test(name, async (t) => {
      // What the engine said before still serves for two seconds.
      let said = await root.ask();
      while (Array.isArray(said)) said = await root.ask();
      t.match(said, /not fully known yet; retry/, "told to come back");
      t.same(await user.ask(), [id("/uid")], "served by its other selectors");
      t.match(await rig.explain(root.pid), reason);
    });
  };
  await freeze(docker.daemonPid);
  await outage("it hangs", /did not answer within (4000|250) ms/);
  thaw(docker.daemonPid);
  t.same(await root.askUntilKnown(), [id("/web")], "it goes on");

  await docker.stopDaemon("SIGKILL");
  await outage("it was killed", /cannot be asked: nobody listens; start the engine/);
  await docker.startDaemon();
  t.same(await root.askUntilKnown(), [id("/web")], "it is back, and so is the container");
});

t.test(`${CONTAINERS} containers at once, ${CALLERS} callers in each`, async (t) => {
  const { attestation: attestor, proxy } = await attestation(t);
  const pids: number[] = [];
  const numbers = Array.from({ length: CONTAINERS }, (_, at) => at).values();
  const start = async (): Promise<void> => {
    for (const at of numbers) pids[at] = (await docker.run({ labels: { number: `${at}` } })).pid;
  };
  await Promise.all(Array.from({ length: 6 }, start));
  const callers = Array.from({ length: CALLERS }, () => pids).flat();
  const found = await Promise.all(
    callers.map(async (pid) => {
      const peer = openPeer(pid);
      try {
        return await attestor.attest(peer, call);
      } finally {
        peer.release();
      }
    }),
  );
  for (const [at, selectors] of found.entries()) {
    const labels = selectors.filter(({ value }) => value.startsWith("label:"));
    t.same(labels, [{ type: "docker", value: `label:number:${at % CONTAINERS}` }]);
  }
  t.equal(proxy.asked.length, CONTAINERS);
  t.equal(new Set(proxy.asked).size, CONTAINERS, "one call a container");
});
