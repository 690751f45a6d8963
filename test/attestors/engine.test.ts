/** The docker and podman attestors against engines that misbehave, and Podman's recorded answers; Docker itself: test/docker. */
import { readFileSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { ProcessFacts, SelectorGap } from "../../src/attestors/contract.ts";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { dockerAttestor } from "../../src/attestors/workload/docker/attest.ts";
import { ContainerAnswers } from "../../src/attestors/workload/engine/container-answers.ts";
import { Engine } from "../../src/attestors/workload/engine/engine.ts";
import { podmanAttestor } from "../../src/attestors/workload/podman/attest.ts";
import { systemClock } from "../../src/base/clock.ts";
import { attestCall } from "../support/attest-call.ts";
import { temporaryFolder } from "../support/caller.ts";
import { type Answer, engineStub, engineWith, procWith } from "../support/engine-stub.ts";
import { refused } from "../support/refused.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { workloadAttestorConformance } from "./workload-conformance.ts";

const RECORDED = join(import.meta.dirname, "engine");
const PODMAN_VERSION = readFileSync(join(RECORDED, "podman-version.json"), "utf8");
const PODMAN_CONTAINER = readFileSync(join(RECORDED, "podman-container.json"), "utf8");
const PODMAN_ID = "02e2d9d92829389c0a3d012effb932cd09687f9a2995c52c5ff3a7d3817d9ae7";
const ID = "0123456789abcdef".repeat(4);
const VERSION = '{"ApiVersion":"1.41","MinAPIVersion":"1.12"}';
const never = new AbortController().signal;

function details(change: object = {}): string {
  return JSON.stringify({
    Id: ID,
    Name: "/web",
    Image: `sha256:${"ab".repeat(32)}`,
    Config: { Image: "shop:1", Labels: { app: "web" }, Env: ["A=b=c"] },
    ...change,
  });
}

function facts(pid: number, uid = 0): ProcessFacts {
  return { pid, uid, gid: 0, groups: [] };
}

/** A docker attestor whose process 7 is in container ID, 8 on the host. */
async function docker(t: Test, answer: Answer) {
  const stub = await engineStub(t, answer);
  const clock = new VirtualClock();
  const attestor = dockerAttestor({
    clock,
    socket: stub.socket,
    containers: new ContainerLookup({
      procDir: procWith(t, { 7: `/docker/${ID}`, 8: "/user.slice" }),
    }),
  });
  t.teardown(() => attestor[Symbol.dispose]());
  return { stub, clock, attestor };
}

workloadAttestorConformance(t, async (t) => {
  const stub = await engineStub(
    t,
    engineWith(PODMAN_VERSION, new Map([[PODMAN_ID, PODMAN_CONTAINER]])),
  );
  const procDir = procWith(t, { 7: `/machine.slice/libpod-${PODMAN_ID}.scope/container` });
  const attestor = podmanAttestor({
    clock: systemClock,
    socket: stub.socket,
    containers: new ContainerLookup({ procDir }),
  });
  return { attestor, subject: facts(7) };
});

t.test("the selectors of a container", async (t) => {
  const { attestor, stub } = await docker(t, engineWith(VERSION, new Map([[ID, details()]])));
  const values = (await attestor.attest(facts(7), attestCall())).map(({ value }) => value);
  t.same(values, [
    "name:web",
    "image_id:shop:1",
    `image_config_digest:sha256:${"ab".repeat(32)}`,
    "label:app:web",
    "env:A=b=c",
  ]);
  t.same(stub.asked, ["/version", `/v1.41/containers/${ID}/json`]);
});

t.test("a host process: no selectors, no error, no call", async (t) => {
  const { attestor, stub } = await docker(t, engineWith(VERSION, new Map()));
  const gaps: SelectorGap[] = [];
  t.same(await attestor.attest(facts(8), attestCall(never, gaps)), []);
  const look = attestor.lookNow?.(8);
  t.same(look?.selectors(facts(8)), []);
  t.same(gaps, []);
  t.same(stub.asked, []);
});

t.test(
  "200 callers at once in 20 containers: one call a container, one for the version",
  async (t) => {
    const ids = Array.from({ length: 20 }, (_, at) => String(at).padStart(64, "0"));
    const containers = new Map(
      ids.map((id) => [id, details({ Id: id, Name: `/c${Number(id)}` })] as const),
    );
    const stub = await engineStub(t, engineWith(VERSION, containers));
    const pids = Object.fromEntries(
      Array.from({ length: 200 }, (_, pid) => [pid, `/docker/${ids[pid % 20]}`]),
    );
    const clock = new VirtualClock();
    const attestor = dockerAttestor({
      clock,
      socket: stub.socket,
      containers: new ContainerLookup({ procDir: procWith(t, pids) }),
    });
    t.teardown(() => attestor[Symbol.dispose]());
    const all = await Promise.all(
      Array.from({ length: 200 }, (_, pid) => attestor.attest(facts(pid), attestCall())),
    );
    for (const [pid, selectors] of all.entries()) {
      t.equal(selectors[0]?.value, `name:c${pid % 20}`);
    }
    const expected = ["/version", ...ids.map((id) => `/v1.41/containers/${id}/json`)];
    t.same(stub.asked.toSorted(), expected.toSorted());
  },
);

t.test("an answer serves for two seconds, and the same answer is the same array", async (t) => {
  const { attestor, clock, stub } = await docker(
    t,
    engineWith(VERSION, new Map([[ID, details()]])),
  );
  t.equal(attestor.lookNow?.(7), undefined, "nothing is known yet");
  const first = await attestor.attest(facts(7), attestCall());
  t.equal(attestor.lookNow?.(7)?.selectors(facts(7)), first);
  await clock.advance(1999);
  t.equal(await attestor.attest(facts(7), attestCall()), first);
  t.equal(stub.asked.length, 2);
  await clock.advance(1);
  t.equal(attestor.lookNow?.(7), undefined, "asked again");
  t.equal(await attestor.attest(facts(7), attestCall()), first);
  t.equal(stub.asked.length, 3);

  stub.answer = engineWith(VERSION, new Map([[ID, details({ Name: "/renamed" })]]));
  await clock.advance(2000);
  const renamed = await attestor.attest(facts(7), attestCall());
  t.equal(renamed[0]?.value, "name:renamed");
  t.equal(Object.isFrozen(renamed), true);
  clock.step(-3_600_000);
  t.equal(attestor.lookNow?.(7), undefined, "nothing is younger for a clock that was set back");
});

t.test("a container that moved, or was removed meanwhile, lends nothing", async (t) => {
  const procDir = procWith(t, { 7: `/docker/${ID}` });
  const stub = await engineStub(t, (asked, answer) => {
    if (asked.url !== "/version") writeFileSync(join(procDir, "7/cgroup"), "0::/\n");
    engineWith(VERSION, new Map([[ID, details()]]))(asked, answer);
  });
  const attestor = dockerAttestor({
    clock: new VirtualClock(),
    socket: stub.socket,
    containers: new ContainerLookup({ procDir }),
  });
  t.teardown(() => attestor[Symbol.dispose]());
  await refused(t, attestor.attest(facts(7), attestCall()), {
    kind: "unavailable",
    message: /moved to another cgroup/,
  });
  t.same(await attestor.attest(facts(7), attestCall()), [], "the host's now");

  const gone = await docker(t, engineWith(VERSION, new Map()));
  const gaps: SelectorGap[] = [];
  t.same(await gone.attestor.attest(facts(7), attestCall(never, gaps)), []);
  t.match(gaps, [{ isTransient: false, reason: new RegExp(`the engine has no container ${ID}`) }]);
});

t.test("what looks like a container and is none known: a gap with the raw lines", async (t) => {
  const attestor = dockerAttestor({
    clock: new VirtualClock(),
    socket: "/nonexistent",
    containers: new ContainerLookup({ procDir: procWith(t, { 7: `/lxc/a/docker/${ID}` }) }),
  });
  const gaps: SelectorGap[] = [];
  t.equal(attestor.lookNow?.(7), undefined);
  t.same(await attestor.attest(facts(7), attestCall(never, gaps)), []);
  t.match(gaps, [{ isTransient: false, reason: `0::/lxc/a/docker/${ID}` }]);
});

t.test("engines that misbehave", async (t) => {
  const good = engineWith(VERSION, new Map([[ID, details()]]));
  const inspect =
    (answer: Answer): Answer =>
    (asked, response) =>
      asked.url === "/version" ? good(asked, response) : answer(asked, response);
  const cases: Record<string, readonly [Answer, RegExp, string?]> = {
    "no JSON": [inspect((_, answer) => answer.end("<html>")), /its answer is no JSON/],
    "no JSON for its version": [(_, answer) => answer.end("hello"), /its answer is no JSON/],
    "no version": [(_, answer) => answer.end("{}"), /names no version/],
    "a version that is no number": [
      (_, answer) => answer.end('{"ApiVersion":"../1.41"}'),
      /names no version/,
    ],
    "too old": [
      (_, answer) => answer.end('{"ApiVersion":"1.12"}'),
      /known are 1.24 to/,
      "unsupported",
    ],
    "too new": [
      (_, answer) => answer.end('{"ApiVersion":"9.2","MinAPIVersion":"9.0"}'),
      /speaks versions 9.0 to 9.2/,
      "unsupported",
    ],
    "another container": [
      inspect((_, answer) => answer.end(details({ Id: "f".repeat(64) }))),
      /answered for another container/,
    ],
    "no container": [inspect((_, answer) => answer.end("null")), /answered for another container/],
    "a list": [inspect((_, answer) => answer.end("[]")), /answered for another container/],
    "a failure with a message": [
      inspect((_, answer) => answer.writeHead(500).end('{"message":"out of\\n luck"}')),
      /status 500: out of\\n luck/,
    ],
    "a redirect": [
      inspect((_, answer) => answer.writeHead(301, { location: "http://127.0.0.1:1/" }).end()),
      /status 301/,
    ],
    "10 MB": [
      inspect((_, answer) => answer.end(`{"a":"${"x".repeat(10 * 1024 * 1024)}"}`)),
      /longer than 4194304 bytes/,
    ],
    "an endless answer": [
      inspect((_, answer) => {
        const more = (): void => {
          while (answer.write("x".repeat(65536)));
        };
        answer.on("drain", more);
        more();
      }),
      /longer than 4194304 bytes/,
    ],
    "an endless header": [
      inspect((_, answer) => answer.socket?.write(`HTTP/1.1 200 OK\r\nX: ${"x".repeat(1 << 17)}`)),
      /header is too long/,
    ],
    "not HTTP": [
      inspect((_, answer) => answer.socket?.end("SSH-2.0-OpenSSH\r\n")),
      /cannot be asked/,
    ],
    "half an answer": [
      inspect((_, answer) => {
        answer.writeHead(200, { "content-length": "1000" });
        answer.write('{"Id":', () => answer.destroy());
      }),
      /cannot be asked/,
    ],
    "hangs up": [inspect((_, answer) => answer.destroy()), /closed the connection/],
  };
  for (const [name, [answer, message, kind = "unavailable"]] of Object.entries(cases)) {
    await t.test(name, async (t) => {
      const { attestor, stub } = await docker(t, answer);
      await refused(t, attestor.attest(facts(7), attestCall()), { message });
      const again = await attestor.attest(facts(7), attestCall()).catch((error: unknown) => error);
      t.match(again, { kind });
      // And it recovers as soon as the engine does.
      stub.answer = good;
      t.equal((await attestor.attest(facts(7), attestCall())).length, 5);
    });
  }

  await t.test("absent, then there, then restarted", async (t) => {
    const socket = join(temporaryFolder(t), "d.sock");
    const clock = new VirtualClock();
    const attestor = dockerAttestor({
      clock,
      socket,
      containers: new ContainerLookup({ procDir: procWith(t, { 7: `/docker/${ID}` }) }),
    });
    await refused(t, attestor.attest(facts(7), attestCall()), {
      kind: "unavailable",
      message: /there is no such socket; start the engine/,
    });
    const stub = await engineStub(t, good, socket);
    t.equal((await attestor.attest(facts(7), attestCall())).length, 5);
    // A restart closes the connection that was kept.
    await stub.close();
    await engineStub(t, good, socket);
    await clock.advance(2000);
    t.equal((await attestor.attest(facts(7), attestCall())).length, 5);
    attestor[Symbol.dispose]();
  });

  await t.test(
    "hanging: a caller waits for its own call, the engine has four seconds",
    async (t) => {
      const asked = Promise.withResolvers<void>();
      const { attestor, clock, stub } = await docker(
        t,
        inspect(() => asked.resolve()),
      );
      const call = new AbortController();
      const given = attestor.attest(facts(7), attestCall(call.signal));
      const waiting = attestor.attest(facts(7), attestCall());
      await asked.promise;
      call.abort(new Error("given up"));
      await refused(t, given, { message: /given up/ });
      const late = refused(t, waiting, {
        kind: "deadline",
        message: /did not answer within 4000 ms/,
      });
      await clock.advance(4000);
      await late;

      // From now on nobody waits that long, until it has answered.
      const next = refused(t, attestor.attest(facts(7), attestCall()), {
        kind: "deadline",
        message: /did not answer within 250 ms/,
      });
      await clock.advance(250);
      await next;
      stub.answer = good;
      const held = attestor.attest(facts(7), attestCall());
      const freed = refused(t, held, { kind: "deadline" }, "it waits with the request that hangs");
      await clock.advance(4000);
      await freed;
      t.equal((await attestor.attest(facts(7), attestCall())).length, 5);
      await clock.advance(2000);
      stub.answer = inspect(() => undefined);
      const patient = refused(t, attestor.attest(facts(7), attestCall()), {
        message: /within 4000 ms/,
      });
      await clock.advance(4000);
      await patient;
    },
  );
});

t.test("odd values in a container's settings", async (t) => {
  const odd = {
    Name: 7,
    Image: "docker.io/library/alpine:3.16",
    Config: {
      Image: "",
      Labels: { "": "empty", n: 1, "a:b": "c:d", long: "x".repeat(5000) },
      Env: ["A=", 1, null, "NOVALUE", "", "U=ü\u0000"],
    },
  };
  const body = details(odd).replace('"":"empty"', '"":"empty","__proto__":"x"');
  const { attestor } = await docker(t, engineWith(VERSION, new Map([[ID, body]])));
  const gaps: SelectorGap[] = [];
  const found = await attestor.attest(facts(7), attestCall(never, gaps));
  t.same(
    found.map(({ value }) => value),
    [
      "label::empty",
      "label:__proto__:x",
      "label:a:b:c:d",
      "env:A=",
      "env:NOVALUE",
      "env:U=ü\u0000",
    ],
  );
  t.match(gaps, [{ names: ["label"], isTransient: false, reason: /too long or too many/ }]);

  const labels = Object.fromEntries(Array.from({ length: 9000 }, (_, at) => [`l${at}`, "v"]));
  const many = details({ Config: { Labels: labels } });
  const full = await docker(t, engineWith(VERSION, new Map([[ID, many]])));
  const kept = await full.attestor.attest(facts(7), attestCall(never, gaps));
  t.ok(kept.length > 1000 && kept.length < 3000, "bounded");
});

t.test("what is remembered is bounded", async (t) => {
  const stub = await engineStub(t, (asked, answer) => {
    const id = /containers\/(\w+)/.exec(asked.url ?? "")?.[1];
    answer.end(id === undefined ? VERSION : details({ Id: id }));
  });
  using engine = new Engine(stub.socket);
  const answers = new ContainerAnswers({
    engine,
    clock: new VirtualClock(),
    type: "docker",
    prefix: "",
    maxHeld: 2,
  });
  const ids = ["a", "b", "c"].map((digit) => digit.repeat(64));
  for (const id of ids) await answers.ask(id, never);
  t.same(
    ids.map((id) => answers.fresh(id) !== undefined),
    [false, true, true],
  );
});

t.test("podman", async (t) => {
  const answer = engineWith(PODMAN_VERSION, new Map([[PODMAN_ID, PODMAN_CONTAINER]]));
  const expected = [
    "name:my_container",
    "image_id:docker.io/library/alpine:3.16",
    "image_config_digest:sha256:9c6f0724472873bb50a2ae67a9e7adcb57673a183cea8b06eb778dca859181b5",
    "label:app:web",
    "label:io.podman.compose.project:shop",
    "env:PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "env:TERM=xterm",
    "env:container=podman",
    "env:HOME=/root",
    "env:HOSTNAME=02e2d9d92829",
  ];
  const uid = process.getuid?.() ?? 0;
  const userPath = (of: number): string =>
    `/user.slice/user-${of}.slice/user@${of}.service/user.slice/libpod-${PODMAN_ID}.scope/container`;
  const procDir = procWith(t, {
    7: `/machine.slice/libpod-${PODMAN_ID}.scope/container`,
    8: userPath(uid),
    9: userPath(uid + 1),
    10: `/system.slice/docker-${ID}.scope`,
  });

  await t.test("rootful: the selectors of docker", async (t) => {
    const stub = await engineStub(t, answer);
    const attestor = podmanAttestor({
      clock: new VirtualClock(),
      socket: stub.socket,
      containers: new ContainerLookup({ procDir }),
    });
    const found = await attestor.attest(facts(7), attestCall());
    t.same(
      found,
      expected.map((value) => ({ type: "podman", value })),
    );
    t.notOk(attestor.names.includes("user"));
    stub.asked.length = 0;
    t.same(await attestor.attest(facts(8, uid), attestCall()), [], "a user's container");
    t.same(await attestor.attest(facts(10), attestCall()), [], "Docker's container");
    t.same(stub.asked, [], "nobody was asked about those");
  });

  await t.test("Docker is not asked about Podman's", async (t) => {
    const stub = await engineStub(t, answer);
    const attestor = dockerAttestor({
      clock: new VirtualClock(),
      socket: stub.socket,
      containers: new ContainerLookup({ procDir }),
    });
    t.same(await attestor.attest(facts(7), attestCall()), []);
    t.same(await attestor.attest(facts(8, uid), attestCall()), []);
    t.same(stub.asked, []);
  });

  await t.test("rootless: under the user's name, for processes of that user", async (t) => {
    const folder = temporaryFolder(t);
    const stub = await engineStub(t, answer, join(folder, `podman-${uid}.sock`));
    // Another user's path that leads to this one's socket.
    symlinkSync(stub.socket, join(folder, `podman-${uid + 1}.sock`));
    const attestor = podmanAttestor({
      clock: new VirtualClock(),
      socket: "/nonexistent",
      userSocket: join(folder, "podman-{uid}.sock"),
      containers: new ContainerLookup({ procDir }),
    });
    const found = await attestor.attest(facts(8, uid), attestCall());
    t.same(
      found,
      expected.map((value) => ({ type: "podman", value: `user:${uid}:${value}` })),
    );
    t.ok(attestor.names.includes("user"));
    t.same(attestor.lookNow?.(8)?.selectors(facts(8, uid)), found);
    t.same(attestor.lookNow?.(8)?.selectors(facts(8, uid + 5)), [], "another user's process");
    const gaps: SelectorGap[] = [];
    t.same(await attestor.attest(facts(8, uid + 5), attestCall(never, gaps)), []);
    t.match(gaps, [{ reason: /another user's engine/, isTransient: false }]);
    t.same(await attestor.attest(facts(9, uid + 1), attestCall()), [], "no socket of its own");
    unlinkSync(join(folder, `podman-${uid + 1}.sock`));
    const others = await engineStub(t, answer, join(folder, `podman-${uid + 1}.sock`));
    t.same(await attestor.attest(facts(9, uid + 1), attestCall()), [], "somebody else listens");
    t.same(others.asked, [], "and is asked nothing");
  });

  await t.test("before 4.3 it says no digest", async (t) => {
    const old = PODMAN_CONTAINER.replace(
      /"Image":"sha256:[0-9a-f]+"/,
      '"Image":"docker.io/library/alpine:3.16"',
    );
    const stub = await engineStub(t, engineWith(PODMAN_VERSION, new Map([[PODMAN_ID, old]])));
    const attestor = podmanAttestor({
      clock: new VirtualClock(),
      socket: stub.socket,
      containers: new ContainerLookup({ procDir }),
    });
    const found = await attestor.attest(facts(7), attestCall());
    t.notOk(found.some(({ value }) => value.startsWith("image_config_digest:")));
    t.equal(found.length, expected.length - 1);
  });
});
