/**
 * What asks Kubernetes, against peers that do as they are told: a kubelet or an API server that lies, hangs or floods.
 * What real ones say is in test/kubernetes.
 */
import { rmSync, writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { join } from "node:path";
import t from "tap";
import { k8sPsatAttestor } from "../../src/attestors/node/k8s-psat/agent.ts";
import { encodePayload, parsePayload } from "../../src/attestors/node/k8s-psat/payload.ts";
import { k8sPsatServer } from "../../src/attestors/node/k8s-psat/server.ts";
import { readKubeconfig } from "../../src/attestors/kubernetes/kubeconfig.ts";
import { refused } from "../support/refused.ts";
import { TestCa } from "../support/test-ca.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { LIFE, client, folder, json, secureServer } from "./kubernetes-peers.ts";

const SIGNAL = new AbortController().signal;
const NO_CHALLENGE = () => Promise.reject(new Error("it challenged"));
t.test("client: an answer that is no good is refused", async (t) => {
  const cases: readonly (readonly [string, RequestListener, RegExp])[] = [
    ["no JSON", (_, response) => response.end("<html>"), /no JSON object/],
    ["a list", json([1]), /no JSON object/],
    ["null", json(null), /no JSON object/],
    ["too long", (_, response) => response.end("x".repeat(200_000)), /more than 100000 bytes/],
    ["endless", (_, response) => flood(response), /more than 100000 bytes/],
    ["cut off", (_, response) => cutOff(response), /cannot be reached/],
    ["no answer at all", (request) => request.socket.destroy(), /cannot be reached/],
  ];
  for (const [name, answer, message] of cases) {
    const connection = await secureServer(t, answer);
    const asked = client(t, connection).ask({ method: "GET", path: "/" });
    await refused(t, asked, { kind: "unavailable", message }, name);
  }
});

function flood(response: import("node:http").ServerResponse): void {
  response.on("error", () => undefined);
  const more = (): void => {
    while (!response.destroyed && response.write("y".repeat(10_000)));
  };
  response.on("drain", more);
  more();
}

function cutOff(response: import("node:http").ServerResponse): void {
  response.writeHead(200, { "content-length": "100" });
  response.write("{", () => response.destroy());
}

t.test("client: a redirect is an answer, and nothing is sent elsewhere", async (t) => {
  const connection = await secureServer(t, (_request, response) => {
    response.writeHead(302, { location: "http://127.0.0.1:1/" });
    response.end();
  });
  t.match(await client(t, connection).ask({ method: "GET", path: "/" }), { status: 302 });
});

t.test("client: a kept connection that is closed is no failure", async (t) => {
  const sockets = new Set<object>();
  let requests = 0;
  const connection = await secureServer(t, (request, response) => {
    requests += 1;
    // The second request comes on the first one's connection, which ends under it.
    if (sockets.has(request.socket)) request.socket.destroy();
    else response.end(JSON.stringify({ requests }));
    sockets.add(request.socket);
  });
  const asking = client(t, connection);
  const ask = () => asking.ask({ method: "GET", path: "/" });
  t.match(await ask(), { body: { requests: 1 } });
  t.match(await ask(), { body: { requests: 3 } });
  t.equal(sockets.size, 2);
});

t.test("client: it does not wait for ever, and not for who gave up", async (t) => {
  const clock = new VirtualClock();
  const heard = Promise.withResolvers<void>();
  const connection = await secureServer(t, () => heard.resolve());
  const asked = client(t, connection, clock).ask({ method: "GET", path: "/" });
  const late = refused(t, asked, { kind: "deadline", message: /did not answer within 5000 ms/ });
  await heard.promise;
  await clock.advance(5000);
  await late;
  const given = new AbortController();
  const abandoned = client(t, connection, clock).ask({
    method: "GET",
    path: "/",
    signal: given.signal,
  });
  given.abort(new Error("given up"));
  await t.rejects(abandoned, { message: "given up" });
});

t.test("client: the server is known by its authority and its name", async (t) => {
  const seen: (string | undefined)[] = [];
  const connection = await secureServer(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.end("{}");
  });
  const token = { text: "secret" };
  const { serverName: _, ...byAddress } = connection;
  const other = (await TestCa.create({ ...LIFE })).pem;
  for (const [name, wrong] of [
    ["another authority", { ...connection, authorities: { text: other } }],
    ["another name", { ...connection, serverName: "kubelet.test" }],
    ["an address in place of the name", byAddress],
    ["an address as the name", { ...connection, serverName: "127.0.0.1" }],
  ] as const) {
    const asked = client(t, { ...wrong, token }).ask({ method: "GET", path: "/" });
    await refused(t, asked, { kind: "unauthenticated", message: /not accepted/ }, name);
  }
  t.same(seen, [], "no token went to any of them");
  await client(t, { ...connection, token }).ask({ method: "GET", path: "/" });
  t.same(seen, ["Bearer secret"]);
});

t.test("client: credentials are read as they are now, and a bad file is named", async (t) => {
  const seen: (string | undefined)[] = [];
  const connection = await secureServer(t, (request, response) => {
    seen.push(request.headers.authorization);
    response.end("{}");
  });
  const file = join(folder(t), "token");
  const asking = client(t, { ...connection, token: { file } });
  const ask = () => asking.ask({ method: "GET", path: "/" });
  writeFileSync(file, "one\n");
  await ask();
  writeFileSync(file, "two\n");
  await ask();
  t.same(seen, ["Bearer one", "Bearer two"]);
  for (const [text, message] of [
    ["", /token is empty/],
    ["a\r\nx-evil: 1", /characters that no token has/],
    ["x".repeat(1024 * 1024 + 1), /larger than/],
  ] as const) {
    writeFileSync(file, text);
    await refused(t, ask(), { kind: "precondition", message });
  }
  rmSync(file);
  await refused(t, ask(), { kind: "precondition", message: /cannot be read \(ENOENT\)/ });
});

t.test("kubeconfig: what it says and what is not supported", async (t) => {
  const dir = folder(t);
  const file = join(dir, "config");
  const write = (user: object, cluster: object = {}): void => {
    const server = "https://api.test:6443";
    const contexts = [{ name: "x", context: { cluster: "c", user: "u" } }];
    const clusters = [{ name: "c", cluster: { server, ...cluster } }];
    const users = [{ name: "u", user }];
    writeFileSync(file, JSON.stringify({ "current-context": "x", contexts, clusters, users }));
  };
  const base64 = (text: string): string => Buffer.from(text).toString("base64");
  write(
    { tokenFile: "token", token: "late" },
    {
      "certificate-authority-data": base64("PEM"),
      "certificate-authority": "ca.crt",
      "tls-server-name": "kubernetes",
    },
  );
  t.same(await readKubeconfig(file), {
    server: "https://api.test:6443",
    authorities: { text: "PEM" },
    serverName: "kubernetes",
    token: { file: join(dir, "token") },
  });
  write({ "client-certificate": "a.crt", "client-key": "/b.key" });
  t.same(await readKubeconfig(file, "x"), {
    server: "https://api.test:6443",
    clientCertificate: { cert: { file: join(dir, "a.crt") }, key: { file: "/b.key" } },
  });
  await refused(t, readKubeconfig(file, "y"), { kind: "invalid", message: /no context 'y'/ });
  for (const [user, cluster, message] of [
    [{ exec: { command: "aws" } }, {}, /'exec', which is not supported/],
    [{ password: "x" }, {}, /'password', which is not supported/],
    [{ "client-key": "k" }, {}, /one half of a client certificate/],
    [{}, { server: "http://api.test" }, /no https server/],
    [{ token: 5 }, {}, /token is no text/],
  ] as const) {
    write(user, cluster);
    await refused(t, readKubeconfig(file), { kind: "invalid", message });
  }
  writeFileSync(file, "a: [");
  await refused(t, readKubeconfig(file), { kind: "invalid", message: /neither YAML nor JSON/ });
  writeFileSync(file, "[]");
  await refused(t, readKubeconfig(file), { kind: "invalid", message: /no mapping/ });
  await refused(t, readKubeconfig(join(dir, "none")), {
    kind: "precondition",
    message: /cannot be read \(ENOENT\)/,
  });
});

t.test("k8s_psat: payloads", async (t) => {
  const dir = folder(t);
  const tokenFile = join(dir, "token");
  writeFileSync(tokenFile, "a.b.c\n");
  const proof = await k8sPsatAttestor({ cluster: "demo", tokenFile }).prove(
    new AbortController().signal,
  );
  t.same(JSON.parse(Buffer.from(proof.payload).toString()), { cluster: "demo", token: "a.b.c" });
  t.same(parsePayload(proof.payload), { cluster: "demo", token: "a.b.c" });
  await refused(t, proof.respond(new Uint8Array()), { kind: "precondition" });
  for (const [text, message] of [
    ["", /not json/],
    ["[]", /not a json object/],
    ["null", /not a json object/],
    ['{"cluster":"demo"}', /token is missing/],
    ['{"cluster":"","token":"x"}', /cluster is missing/],
    ['{"cluster":{},"token":"x"}', /cluster is missing/],
    [`{"cluster":"demo","token":"${"x".repeat(64 * 1024)}"}`, /too long/],
    ["\xff", /not json/],
  ] as const) {
    t.throws(() => parsePayload(Buffer.from(text, "latin1")), { kind: "invalid", message });
  }
});

/** An API server with one pod on one node, and changes to what it says. */
interface Told {
  readonly reviewStatus?: number;
  readonly review?: object;
  readonly pod?: object | number;
  readonly node?: object | number;
}

const EXTRA = {
  "authentication.kubernetes.io/pod-name": ["p"],
  "authentication.kubernetes.io/pod-uid": ["pu"],
  "authentication.kubernetes.io/node-name": ["n"],
  "authentication.kubernetes.io/node-uid": ["nu"],
};
const REVIEW = {
  authenticated: true,
  audiences: ["spire-server"],
  user: { username: "system:serviceaccount:ns:sa", extra: EXTRA },
};
const POD = {
  metadata: { uid: "pu", labels: { app: "x" } },
  spec: { nodeName: "n", serviceAccountName: "sa" },
  status: { phase: "Running" },
};
const NODE = { metadata: { uid: "nu" } };

function apiServer(told: Told): RequestListener {
  const say = (value: object | number): readonly [number, object] =>
    typeof value === "number" ? [value, { message: "so it is" }] : [200, value];
  return (request, response) => {
    const [status, body] = request.url?.endsWith("tokenreviews")
      ? [told.reviewStatus ?? 201, { status: told.review ?? REVIEW }]
      : request.url?.includes("/pods/")
        ? say(told.pod ?? POD)
        : say(told.node ?? NODE);
    response.writeHead(status).end(JSON.stringify(body));
  };
}

t.test("k8s_psat: what a cluster must say before its agent is let in", async (t) => {
  const admit = async (told: Told) =>
    k8sPsatServer([
      {
        name: "demo",
        client: client(t, await secureServer(t, apiServer(told))),
        serviceAccounts: new Set(["ns:sa"]),
        audiences: ["spire-server"],
        nodeLabels: [],
        podLabels: ["app", "absent"],
      },
    ]).admit(encodePayload({ cluster: "demo", token: "t" }), NO_CHALLENGE, SIGNAL);
  t.same(await admit({}), {
    agentPath: "/spire/agent/k8s_psat/demo/nu",
    canReattest: true,
    selectors: [
      "cluster:demo",
      "agent_ns:ns",
      "agent_sa:sa",
      "agent_pod_name:p",
      "agent_pod_uid:pu",
      "agent_node_name:n",
      "agent_node_uid:nu",
      "agent_pod_label:app:x",
    ].map((value) => ({ type: "k8s_psat", value })),
  });
  const user = (username: string, extra: object = EXTRA) => ({
    ...REVIEW,
    user: { username, extra },
  });
  const podWith = (change: object) => ({ ...POD, ...change });
  const denied: readonly (readonly [string, Told, RegExp])[] = [
    ["nothing", { review: {} }, /does not accept the token/],
    ["an error", { review: { error: "expired" } }, /does not accept the token$/],
    ["authenticated as text", { review: { ...REVIEW, authenticated: "true" } }, /does not accept/],
    ["no audiences", { review: { ...REVIEW, audiences: undefined } }, /not meant for spire-server/],
    ["other audiences", { review: { ...REVIEW, audiences: ["x"] } }, /not meant for spire-server/],
    ["a person", { review: user("jane") }, /no service account's/],
    ["a node", { review: user("system:node:n") }, /no service account's/],
    ["a longer name", { review: user("system:serviceaccount:ns:sa:x") }, /no service account's/],
    ["another account", { review: user("system:serviceaccount:ns:x") }, /ns:x is not one/],
    ["another namespace", { review: user("system:serviceaccount:x:sa") }, /x:sa is not one/],
    ["no pod", { review: user("system:serviceaccount:ns:sa", {}) }, /bound to no pod/],
    ["the pod is gone", { pod: 404 }, /gone/],
    ["another pod", { pod: podWith({ metadata: { uid: "other" } }) }, /gone/],
    ["another account's pod", { pod: podWith({ spec: { nodeName: "n" } }) }, /another service/],
    ["a pod that ended", { pod: podWith({ status: { phase: "Failed" } }) }, /has ended/],
    ["no node yet", { pod: podWith({ spec: { serviceAccountName: "sa" } }) }, /on no node/],
    ["the node is gone", { node: 404 }, /there is no node n/],
    ["a node that came after", { node: { metadata: { uid: "nu2" } } }, /made for another node/],
    ["a UID that is a path", { node: { metadata: { uid: "../x" } } }, /there is no node/],
  ];
  for (const [name, told, message] of denied) {
    await refused(t, admit(told), { kind: "denied", message }, name);
  }
  for (const [name, told, message] of [
    ["no right to review", { reviewStatus: 403 }, /the right to create tokenreviews is missing/],
    ["no right to pods", { pod: 403 }, /so it is; the right to get pods is missing/],
    ["no right to nodes", { node: 403 }, /so it is; the right to get nodes is missing/],
    ["an API server in trouble", { reviewStatus: 500 }, /status 500/],
  ] as const) {
    await refused(t, admit(told), { kind: "unavailable", message }, name);
  }
});
