/** The `k8s` workload attestor against kubelets that lie, hang or change; what a real one says is in test/kubernetes. */
import { mkdirSync, writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { SelectorGap } from "../../src/attestors/contract.ts";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { k8sAttestor } from "../../src/attestors/workload/kubernetes/attest.ts";
import type { PodClaim } from "../../src/attestors/workload/kubernetes/pod-search.ts";
import { TokenReviews } from "../../src/attestors/workload/token/reviews.ts";
import { systemClock } from "../../src/base/clock.ts";
import { fail } from "../../src/base/errors.ts";
import type { Selector } from "../../src/spiffe/selector.ts";
import { attestCall } from "../support/attest-call.ts";
import { refused } from "../support/refused.ts";
import { VirtualClock, settle } from "../support/virtual-clock.ts";
import { client, folder, json, plainServer } from "./kubernetes-peers.ts";

const ID = "a".repeat(64);
const UID = "11111111-2222-3333-4444-555555555555";

/** A process in a container, as /proc would have it. */
function process1(t: Test, cgroup: string): ContainerLookup {
  const procDir = folder(t);
  for (const pid of ["1", "self"]) mkdirSync(join(procDir, pid));
  writeFileSync(join(procDir, "1/cgroup"), cgroup);
  writeFileSync(join(procDir, "self/cgroup"), "0::/\n");
  return new ContainerLookup({ procDir });
}

const IN_POD = `0::/kubepods/besteffort/pod${UID}/${ID}\n`;
const SUBJECT = { pid: 1, uid: 0, gid: 0, groups: [] };

function listed(change: object = {}, containerID = `containerd://${ID}`): object {
  return {
    metadata: { uid: UID, name: "p", namespace: "ns", labels: { app: "x" }, ...change },
    spec: {},
    status: { containerStatuses: [{ name: "c", containerID, image: "i:1" }] },
  };
}

t.test("k8s: two hundred callers at once are one request, and a moment later none", async (t) => {
  const clock = new VirtualClock();
  let requests = 0;
  let labels = { app: "x" };
  const connection = await plainServer(t, (_request, response) => {
    requests += 1;
    response.end(JSON.stringify({ items: [listed({ labels })] }));
  });
  const attestor = k8sAttestor({
    client: client(t, connection, clock),
    containers: process1(t, IN_POD),
    clock,
  });
  t.equal(attestor.lookNow?.(1), undefined, "nothing is known yet");
  const ask = () => attestor.attest(SUBJECT, attestCall());
  const all = await Promise.all(Array.from({ length: 200 }, ask));
  t.equal(requests, 1);
  for (const selectors of all) t.equal(selectors, all[0], "the same array");
  t.equal(attestor.lookNow?.(1)?.selectors(SUBJECT), all[0]);
  clock.step(1900);
  await ask();
  t.equal(requests, 1);
  labels = { app: "y" };
  clock.step(200);
  t.equal(attestor.lookNow?.(1), undefined, "it is old");
  t.ok((await ask()).some(({ value }) => value === "pod-label:app:y"));
  t.equal(requests, 2);
  clock.step(3000);
  t.equal(await ask(), await ask(), "unchanged: the array of before");
  t.equal(requests, 3);
});

t.test("k8s: a container that is not listed yet is waited for, but not for ever", async (t) => {
  const clock = new VirtualClock();
  const asked: (() => void)[] = [];
  let items: object[] = [];
  const connection = await plainServer(t, (_request, response) => {
    response.end(JSON.stringify({ items }));
    for (const tell of asked.splice(0)) tell();
  });
  const attestor = k8sAttestor({
    client: client(t, connection, clock),
    containers: process1(t, IN_POD),
    clock,
  });
  const drive = async <T>(work: Promise<T>): Promise<T> => {
    const state = { isDone: false };
    const done = (): void => void (state.isDone = true);
    work.then(done, done);
    while (!state.isDone) await clock.advance(50).then(settle);
    return work;
  };
  const waiting = attestor.attest(SUBJECT, attestCall());
  await new Promise<void>((resolve) => asked.push(resolve));
  items = [listed()];
  t.ok((await drive(waiting)).some(({ value }) => value === "pod-name:p"));

  for (const [name, other] of [
    ["nothing", []],
    ["another container", [listed({}, `containerd://${"b".repeat(64)}`)]],
    ["the container in another pod", [listed({ uid: "other" })]],
  ] as const) {
    clock.step(10_000);
    items = [...other];
    const given = drive(attestor.attest(SUBJECT, attestCall()));
    const message = /does not list container a+ yet/;
    await refused(t, given, { kind: "unavailable", message }, name);
  }
  // A static pod's cgroup has the hash of its file.
  items = [listed({ uid: "mirror", annotations: { "kubernetes.io/config.hash": UID } })];
  clock.step(10_000);
  t.ok((await attestor.attest(SUBJECT, attestCall())).length > 0);
});

t.test("k8s: what is no pod has no selectors, and nothing is asked twice for it", async (t) => {
  const clock = new VirtualClock();
  let requests = 0;
  const connection = await plainServer(t, (_request, response) => {
    requests += 1;
    response.end(JSON.stringify({ items: [] }));
  });
  const of = (cgroup: string) =>
    k8sAttestor({
      client: client(t, connection, clock),
      containers: process1(t, cgroup),
      clock,
    });
  const host = of("0::/system.slice/sshd.service\n");
  t.same(await host.attest(SUBJECT, attestCall()), []);
  t.same(host.lookNow?.(1)?.selectors(SUBJECT), []);
  t.equal(requests, 0);
  t.same(await of(`0::/docker/${ID}\n`).attest(SUBJECT, attestCall()), []);
  t.equal(requests, 1);
});

t.test("k8s: a kubelet that lists nonsense", async (t) => {
  const attest = async (body: unknown) =>
    k8sAttestor({
      client: client(t, await plainServer(t, json(body))),
      containers: process1(t, IN_POD),
      clock: systemClock,
    }).attest(SUBJECT, attestCall());
  await refused(t, attest({ items: {} }), { kind: "unavailable", message: /no list of pods/ });
  const [pod] = [listed()];
  const items = [null, 5, {}, { metadata: [] }, { metadata: { uid: 1 } }, pod];
  t.ok((await attest({ items })).length > 0, "the others are left out");
  const odd = {
    metadata: { uid: UID, name: "p", namespace: "ns", labels: { a: 1, b: "x".repeat(5000) } },
    spec: { serviceAccountName: 7 },
    status: {
      containerStatuses: [
        { name: "c", containerID: `containerd://${ID}`, image: "", imageID: null },
        { name: "d", containerID: "containerd://../x" },
      ],
      initContainerStatuses: "none",
    },
  };
  const values = (await attest({ items: [odd] })).map(({ value }) => value).sort();
  t.same(values, [
    "container-name:c",
    "ns:ns",
    "pod-image-count:2",
    "pod-init-image-count:0",
    "pod-name:p",
    `pod-uid:${UID}`,
  ]);
});

t.test("k8s: a caller that gives up leaves the answer to the others", async (t) => {
  const held: (() => void)[] = [];
  const connection = await plainServer(t, (_request, response) => {
    held.push(() => response.end(JSON.stringify({ items: [listed()] })));
  });
  const attestor = k8sAttestor({
    client: client(t, connection),
    containers: process1(t, IN_POD),
    clock: systemClock,
  });
  const given = new AbortController();
  const impatient = attestor.attest(SUBJECT, attestCall(given.signal));
  const patient = attestor.attest(SUBJECT, attestCall());
  given.abort(new Error("given up"));
  await t.rejects(impatient, { message: "given up" });
  while (held.length === 0) await settle();
  for (const answer of held) answer();
  t.ok((await patient).length > 0);
});

t.test("k8s: a pod by what its token says, and no other", async (t) => {
  const clock = new VirtualClock();
  let requests = 0;
  let items: object[] = [];
  const connection = await plainServer(t, (_request, response) => {
    requests += 1;
    response.end(JSON.stringify({ items }));
  });
  const attestor = k8sAttestor({
    client: client(t, connection, clock),
    containers: process1(t, "0::/\n"),
    clock,
  });
  const claim = {
    uid: UID,
    namespace: "ns",
    name: "p",
    serviceAccount: "sa",
    nodeName: "n",
  };
  const of = (change: Partial<PodClaim> = {}) =>
    attestor.selectorsOfPod({ ...claim, ...change }, attestCall());
  const pod = (phase = "Running", change: object = {}): object => ({
    ...listed(change),
    spec: { serviceAccountName: "sa", nodeName: "n" },
    status: { phase, containerStatuses: [{ name: "c", image: "i:1" }] },
  });
  const gone = { kind: "denied", message: /a pod that is not on this node/ } as const;
  await refused(t, of(), gone);
  t.equal(requests, 1);
  items = [pod()];
  clock.step(1000);
  t.same(
    (await of()).map(({ type, value }) => `${type}:${value}`),
    [
      "k8s:ns:ns",
      "k8s:sa:sa",
      "k8s:node-name:n",
      "k8s:pod-name:p",
      `k8s:pod-uid:${UID}`,
      "k8s:pod-label:app:x",
      "k8s:pod-image:i:1",
      "k8s:pod-image-count:1",
      "k8s:pod-init-image-count:0",
    ],
    "one that came a moment ago is asked for; nothing is said of a container",
  );
  t.equal(requests, 2);
  t.ok((await of({ nodeName: undefined })).length > 0, "older tokens name no node");
  t.equal(requests, 2);
  for (const other of [
    { namespace: "other" },
    { namespace: undefined },
    { name: "q" },
    { serviceAccount: "admin" },
    { serviceAccount: undefined },
    { nodeName: "m" },
  ]) {
    await refused(t, of(other), { kind: "denied", message: /says of its pod what the node does/ });
  }
  await refused(t, of({ uid: "other" }), gone);
  for (const phase of ["Succeeded", "Failed"]) {
    items = [pod(phase)];
    clock.step(3000);
    await refused(t, of(), { kind: "denied", message: /a pod that has ended/ }, phase);
  }
  items = [];
  clock.step(3000);
  await refused(t, of(), gone, "deleted");
  items = [pod("Running", { uid: "mirror", annotations: { "kubernetes.io/config.hash": UID } })];
  clock.step(3000);
  t.ok((await of({ uid: "mirror" })).length > 0);
});

t.test("a token's review: asked once for many, held for a moment, and final", async (t) => {
  const clock = new VirtualClock();
  const asked: unknown[] = [];
  let status: object = { authenticated: true, audiences: ["us"], user: { username: "x" } };
  let code = 201;
  const good = { ...status, user: { username: "system:serviceaccount:ns:sa" } };
  const connection = await plainServer(t, (request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { spec } = JSON.parse(Buffer.concat(chunks).toString()) as { spec: unknown };
      asked.push(spec);
      response.writeHead(code).end(JSON.stringify({ status }));
    });
  });
  const reviews = new TokenReviews({
    client: client(t, connection, clock),
    audiences: ["us"],
    clock,
  });
  const token = { alias: "kube", claims: {}, expiresAt: 0, refusedFrom: 0, keyId: "" };
  const check = (fingerprint = "f1", signal = new AbortController().signal) =>
    reviews.check(`token ${fingerprint}`, { ...token, fingerprint }, signal);
  status = good;
  await Promise.all(Array.from({ length: 50 }, () => check()));
  t.same(asked, [{ token: "token f1", audiences: ["us"] }]);
  clock.step(9_000);
  await check();
  t.equal(asked.length, 1);
  await check("f2");
  t.equal(asked.length, 2, "another token");
  clock.step(2_000);
  await check();
  t.equal(asked.length, 3);
  clock.step(11_000);
  status = { authenticated: false, error: "pod aa-bb is gone" };
  const denied = { kind: "denied", message: /^the cluster does not accept the token$/ } as const;
  await refused(t, check(), denied);
  await refused(t, check(), denied, "a refusal is not held");
  t.equal(asked.length, 5);
  status = { ...good, audiences: [] };
  await refused(t, check(), { kind: "denied", message: /not meant for us/ });
  code = 403;
  await refused(t, check(), { kind: "unavailable", message: /right to create tokenreviews/ });
  const given = new AbortController();
  code = 201;
  status = good;
  const impatient = check("f3", given.signal);
  const patient = check("f3");
  given.abort(new Error("given up"));
  await t.rejects(impatient, { message: "given up" });
  await patient;
});

/** A kubelet and an API server that answer as a test wants, and how often the latter was asked. */
async function withLabels(t: Test, answer?: RequestListener) {
  const clock = new VirtualClock();
  const asked: (string | undefined)[] = [];
  const waiting: (() => void)[] = [];
  const held = {
    items: [listed()],
    labels: { tier: "gold", "example.org/empty": "" } as object,
    answer,
  };
  const kubelet = await plainServer(t, (_request, response) => {
    response.end(JSON.stringify({ items: held.items }));
  });
  const api = await plainServer(t, (request, response) => {
    asked.push(request.url);
    for (const tell of waiting.splice(0)) tell();
    if (held.answer !== undefined) return held.answer(request, response);
    response.end(JSON.stringify({ kind: "Namespace", metadata: { labels: held.labels } }));
  });
  const attestor = k8sAttestor({
    client: client(t, kubelet, clock),
    apiServer: client(t, api, clock),
    containers: process1(t, IN_POD),
    clock,
  });
  const attest = async (signal?: AbortSignal) => {
    const gaps: SelectorGap[] = [];
    const values = (await attestor.attest(SUBJECT, attestCall(signal, gaps))).map(
      ({ value }) => value,
    );
    const isLabel = (value: string): boolean => value.startsWith("ns-label:");
    return {
      labels: values.filter(isLabel).sort(),
      others: values.filter((value) => !isLabel(value)),
      gaps,
    };
  };
  const nextAsked = () => new Promise<void>((resolve) => waiting.push(resolve));
  return { attestor, clock, held, asked, attest, nextAsked, api };
}

const GOLD = ["ns-label:example.org/empty:", "ns-label:tier:gold"];

t.test("k8s: a namespace's labels, one request for many, and no older than they say", async (t) => {
  const { attestor, clock, held, asked, attest } = await withLabels(t);
  t.ok(attestor.names.includes("ns-label"));
  const all = await Promise.all(
    Array.from({ length: 200 }, () => attestor.attest(SUBJECT, attestCall())),
  );
  t.same(asked, ["/api/v1/namespaces/ns"]);
  for (const selectors of all) t.equal(selectors, all[0], "the same array");
  t.equal(attestor.lookNow?.(1)?.selectors(SUBJECT), all[0]);
  const { labels, others, gaps } = await attest();
  t.same([labels, gaps], [GOLD, []]);

  // Another question has the list of pods fetched anew, and the labels grow old alone.
  const elsewhere = () =>
    attestor.findPod({ uid: "none" }, new AbortController().signal).catch(() => undefined);
  held.labels = { tier: "lead" };
  clock.step(1500);
  await elsewhere();
  clock.step(600);
  t.equal(attestor.lookNow?.(1), undefined, "the pod is fresh and the labels are not");
  t.same((await attest()).labels, ["ns-label:tier:lead"]);
  t.equal(asked.length, 2);
  clock.step(1500);
  await elsewhere();
  await attest();
  t.equal(asked.length, 2, "held");
  clock.step(600);
  t.equal(attestor.lookNow?.(1), undefined);
  held.labels = {};
  t.same(await attest(), { labels: [], others, gaps: [] }, "a namespace without any");
  t.equal(attestor.lookNow?.(1)?.selectors(SUBJECT).length, others.length);
});

t.test("k8s: labels that cannot be had cost no other selector", async (t) => {
  const plain = { status: 200, body: "{}" };
  const cases: readonly (readonly [string, Partial<typeof plain>, RegExp])[] = [
    [
      "no right",
      { status: 403, body: '{"message":"no"}' },
      /status 403: no; the right to get names/,
    ],
    ["no such namespace", { status: 404 }, /knows no such namespace/],
    ["an error", { status: 500 }, /status 500/],
    ["no JSON", { body: "<html>" }, /no JSON object/],
    ["too much", { body: `"${"x".repeat(200_000)}"` }, /more than 100000 bytes/],
  ];
  for (const [name, change, message] of cases) {
    const { status, body } = { ...plain, ...change };
    const bench = await withLabels(t, (_request, response) => response.writeHead(status).end(body));
    const { labels, others, gaps } = await bench.attest();
    t.same(labels, [], name);
    t.ok(others.includes("pod-name:p"), name);
    t.match(gaps, [{ names: ["ns-label"], isTransient: true, reason: message }], name);
    t.match(gaps, [{ reason: /^the labels of namespace ns are unknown: / }], name);
    t.equal(bench.attestor.lookNow?.(1), undefined, "no answer at once without them");
    t.match((await bench.attest()).gaps, gaps, "a failure is held for a moment");
    t.equal(bench.asked.length, 1, name);
    bench.held.answer = undefined;
    bench.clock.step(2100);
    t.same((await bench.attest()).labels, GOLD, "and no longer");
  }
  const odd = await withLabels(t);
  odd.held.labels = { a: 1, b: null, c: "x".repeat(5000), d: "e" };
  t.same((await odd.attest()).labels, ["ns-label:d:e"]);
  odd.held.labels = [];
  odd.clock.step(2100);
  t.same(await odd.attest().then(({ labels, gaps }) => [labels, gaps]), [[], []]);
});

t.test(
  "k8s: a silent API server is waited for by few, and by none beyond the deadline",
  async (t) => {
    const { attestor, clock, held, asked, attest, nextAsked } = await withLabels(
      t,
      () => undefined,
    );
    const late = new AbortController();
    const first = attest(late.signal);
    const second = attest();
    await nextAsked();
    late.abort(fail("deadline", "no answer within 5000 ms"));
    const given = await first;
    t.match(given.gaps, [{ names: ["ns-label"], reason: /no answer within 5000 ms/ }]);
    t.ok(given.others.includes("pod-name:p"), "handed over when time is up");
    await clock.advance(5000);
    t.match((await second).gaps, [{ reason: /did not answer within 5000 ms/ }]);
    const third = await attest();
    t.match(third.gaps, [{ reason: /did not answer within/ }], "whoever comes next does not wait");
    t.equal(asked.length, 1);
    t.equal(attestor.lookNow?.(1), undefined);
    held.answer = undefined;
    clock.step(2100);
    t.same((await attest()).labels, GOLD);
  },
);

t.test("k8s: pods that others refer to have the labels of their namespaces, too", async (t) => {
  const { attestor, clock, held } = await withLabels(t);
  const { signal } = new AbortController();
  const values = (selectors: readonly Selector[]) => selectors.map(({ value }) => value);
  const claim = { uid: UID, namespace: "ns", name: "p", serviceAccount: undefined };
  const ofToken = async (gaps: SelectorGap[]) =>
    values(
      await attestor.selectorsOfPod({ ...claim, nodeName: undefined }, attestCall(signal, gaps)),
    );
  const found = await attestor.findPod({ uid: UID }, signal);
  t.equal(found.isIncomplete, false);
  const gaps: SelectorGap[] = [];
  for (const label of GOLD) {
    t.ok(values(found.selectors).includes(label));
    t.ok((await ofToken(gaps)).includes(label));
  }
  t.same(gaps, []);
  held.answer = (_request, response) => response.writeHead(500).end();
  clock.step(2100);
  const lacking = await attestor.findPod({ uid: UID }, signal);
  t.equal(lacking.isIncomplete, true);
  for (const each of [values(lacking.selectors), await ofToken(gaps)]) {
    t.ok(each.includes("pod-name:p"));
    t.notOk(each.some((value) => value.startsWith("ns-label:")));
  }
  t.match(gaps, [{ names: ["ns-label"], isTransient: true }]);
});
