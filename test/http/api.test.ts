/** The listener for APIs: routes, bodies, client certificates, and what becomes of callers that keep sending bad things. */
import { once } from "node:events";
import { request as requestHttps } from "node:https";
import { connect } from "node:net";
import t, { type Test } from "tap";
import { fail } from "../../src/base/errors.ts";
import { ApiListener, type ServedCall } from "../../src/http/api-listener.ts";
import { CallerGuard } from "../../src/http/caller-guard.ts";
import { text } from "../../src/http/http-answer.ts";
import type { ApiRoute, HttpCall } from "../../src/http/http-call.ts";
import { createLogger, silentLogger } from "../../src/observe/logger.ts";
import { TestCa } from "../support/test-ca.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const shown = ({ method, path, params, query, body, peer }: HttpCall) => ({
  status: 200,
  type: "application/json",
  body: JSON.stringify({
    method,
    path,
    params,
    query: [...query],
    body: Buffer.from(body).toString("latin1"),
    peers: peer?.length ?? 0,
  }),
});

const ROUTES: readonly ApiRoute[] = [
  { method: "GET", path: "/show", maxBody: 0, handler: async (call) => shown(call) },
  { method: "POST", path: "/show", maxBody: 100, handler: async (call) => shown(call) },
  { method: "PUT", path: "/v1/sign/:token", maxBody: 100, handler: async (call) => shown(call) },
  {
    method: "GET",
    path: "/links",
    maxBody: 0,
    handler: async () => ({ ...text(200, "x"), headers: { link: ["<a>", "<b>"] } }),
  },
  {
    method: "GET",
    path: "/empty",
    maxBody: 0,
    handler: async () => ({ status: 204, type: "", body: "" }),
  },
  {
    method: "GET",
    path: "/bad",
    maxBody: 0,
    handler: async () => ({ ...text(401, "no"), bad: true }),
  },
  {
    method: "GET",
    path: "/denied",
    maxBody: 0,
    handler: () => Promise.reject(fail("denied", "not yours")),
  },
  {
    method: "GET",
    path: "/broken/:secret",
    maxBody: 0,
    handler: () => Promise.reject(new Error("inner detail")),
  },
];

async function open(
  t: Test,
  options: Partial<Parameters<typeof ApiListener.open>[0]> = {},
): Promise<number> {
  const listener = await ApiListener.open({
    setting: "here",
    host: "127.0.0.1",
    port: 0,
    routes: ROUTES,
    logger: silentLogger,
    ...options,
  });
  t.teardown(() => listener[Symbol.asyncDispose]());
  return listener.tcpAddress?.port ?? 0;
}

/** Everything that comes back until the listener ends the connection. */
function raw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes, "latin1"));
    let answer = "";
    socket.on("data", (data) => (answer += data.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
}

t.test("a call brings what its route has named", async (t) => {
  const port = await open(t);
  const base = `http://127.0.0.1:${port}`;
  const posted = await fetch(`${base}/show?a=1&a=2&b=%20`, { method: "POST", body: "x=1" });
  t.match(await posted.json(), {
    method: "POST",
    path: "/show",
    query: [
      ["a", "1"],
      ["a", "2"],
      ["b", " "],
    ],
    body: "x=1",
    peers: 0,
  });
  t.equal(posted.headers.get("cache-control"), "no-store");
  const put = await fetch(`${base}/v1/sign/a%2Fb`, { method: "PUT", body: "csr" });
  t.match(await put.json(), { params: { token: "a/b" } });
  const bare = await fetch(`${base}/v1/sign/`, { method: "PUT", body: "csr" });
  t.match(await bare.json(), { params: { token: "" } }, "for the handler to judge");
  const head = await fetch(`${base}/show`, { method: "HEAD" });
  t.same([head.status, await head.text()], [200, ""]);
  t.equal((await fetch(`${base}/links`)).headers.get("link"), "<a>, <b>");
  const empty = await fetch(`${base}/empty`);
  t.same([empty.status, empty.headers.get("content-type")], [204, null]);
  const absolute = await raw(
    port,
    `GET http://somewhere/show?q=1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
  );
  t.match(absolute, /"query":\[\["q","1"\]\]/);
});

t.test("what reaches no handler is answered as a problem", async (t) => {
  const lines: string[] = [];
  const logger = createLogger({
    level: "debug",
    format: "text",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  const port = await open(t, { logger });
  const base = `http://127.0.0.1:${port}`;
  const cases: readonly [method: string, path: string, body: string | undefined, status: number][] =
    [
      ["GET", "/", undefined, 404],
      ["GET", "/v1/sign", undefined, 404],
      ["PUT", "/v1/sign/a/b", "x", 404],
      ["GET", "/v1/sign/a", undefined, 405],
      ["DELETE", "/show", undefined, 405],
      ["PUT", "/v1/sign/%zz", "x", 400],
      ["POST", "/show", "y".repeat(101), 413],
      ["GET", "/denied", undefined, 403],
      ["GET", "/broken/t0ken", undefined, 500],
    ];
  for (const [method, path, body, status] of cases) {
    const answer = await fetch(`${base}${path}`, { method, ...(body && { body }) });
    t.equal(answer.status, status, `${method} ${path}`);
    t.equal(answer.headers.get("content-type"), "application/problem+json");
    const problem = (await answer.json()) as { status: number; detail: string };
    t.equal(problem.status, status);
    t.notMatch(problem.detail, /inner/);
    if (status === 405) t.ok(answer.headers.get("allow"));
  }
  t.match(lines.join(""), /inner detail/, "the log says why");
  t.notMatch(lines.join(""), /t0ken/, "a path may hold a secret");
});

t.test("bytes that no client sends end one connection and nothing else", async (t) => {
  const port = await open(t);
  const cases: readonly [name: string, bytes: string, answer: RegExp][] = [
    ["no target", "GET nothing HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", /^HTTP\/1.1 400/],
    ["another scheme", "GET ftp://a/show HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", /400/],
    ["a star", "OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", /^HTTP\/1.1 400/],
    [
      "a huge length",
      "POST /show HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n",
      /^HTTP\/1.1 413/,
    ],
    [
      "chunks without end",
      `POST /show HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${`40\r\n${"z".repeat(64)}\r\n`.repeat(3)}`,
      /^HTTP\/1.1 413/,
    ],
    [
      "both lengths",
      "POST /show HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      /^HTTP\/1.1 400/,
    ],
    ["a long head", `GET /show HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(9000)}\r\n\r\n`, /431/],
    ["no HTTP", "\u0016\u0003\u0001\r\n\r\n", /^HTTP\/1.1 400/],
    [
      "a deep path",
      `GET ${"/a".repeat(2000)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
      /404/,
    ],
  ];
  for (const [name, bytes, answer] of cases) t.match(await raw(port, bytes), answer, name);
  const many = "GET /bad HTTP/1.1\r\nhost: x\r\n\r\n".repeat(3);
  const clock = new VirtualClock();
  const guarded = await open(t, { guard: new CallerGuard({ clock, free: 0 }) });
  t.equal(await raw(guarded, many), "", "a connection holds two requests at once and no more");
  t.equal((await fetch(`http://127.0.0.1:${port}/show`)).status, 200);
});

t.test("a client certificate comes along unverified, if it is asked for", async (t) => {
  const ca = await TestCa.create();
  const leaf = await ca.leaf();
  const call = (port: number, identity: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const options = { host: "127.0.0.1", port, path: "/show", rejectUnauthorized: false };
      const sent = requestHttps({ ...options, ...identity, agent: false }, (response) => {
        let body = "";
        response.on("data", (data: Buffer) => (body += data.toString()));
        response.on("end", () => resolve(body));
      });
      sent.on("error", reject);
      sent.end();
    });
  const identity = { cert: leaf.certPem, key: leaf.keyPem };
  const asking = await open(t, { tls: () => leaf, clientCertificates: true });
  t.match(JSON.parse(await call(asking, identity)), { peers: 1 });
  t.match(JSON.parse(await call(asking, {})), { peers: 0 }, "none is fine, too");
  const silent = await open(t, { tls: () => leaf });
  t.match(JSON.parse(await call(silent, identity)), { peers: 0 });
});

t.test("P23: bad calls are answered ever later, then not at all; good ones always", async (t) => {
  const clock = new VirtualClock();
  const guard = new CallerGuard({ clock, free: 2, cutAt: 5, cutSeconds: 60, forgetSeconds: 10 });
  const served: ServedCall[] = [];
  const port = await open(t, { guard, onServed: (call) => served.push(call) });
  const ask = async (path: string): Promise<number> => {
    try {
      return (await fetch(`http://127.0.0.1:${port}${path}`)).status;
    } catch {
      return 0;
    }
  };
  /** How long the answer was held back. */
  const wait = async (): Promise<{ ms: number; status: number }> => {
    const before = clock.timers;
    const answer = ask("/bad");
    while (clock.timers === before) await new Promise((resolve) => setImmediate(resolve));
    t.equal(await ask("/show"), 200, "a good call of the same address does not wait");
    const ms = (clock.nextMs ?? 0) - clock.nowMs();
    await clock.advance(ms);
    return { ms, status: await answer };
  };
  t.same([await ask("/bad"), await ask("/bad")], [401, 401], "a mistake is free");
  t.same(await wait(), { ms: 100, status: 401 });
  t.same(await wait(), { ms: 200, status: 401 });
  t.same(await wait(), { ms: 400, status: 401 });
  t.equal(await ask("/bad"), 0, "no answer");
  t.ok(guard.isCut("127.0.0.1"));
  t.equal(await ask("/show"), 200);
  clock.step(59_000);
  t.equal(await ask("/bad"), 0, "and it begins anew");
  clock.step(59_000);
  t.equal(await ask("/bad"), 0);
  clock.step(61_000);
  t.equal(await ask("/bad"), 401, "forgotten");
  t.same(
    served.filter(({ route }) => route === "/bad").map(({ guard }) => guard),
    ["answered", "answered", "slowed", "slowed", "slowed", "cut", "cut", "cut", "answered"],
  );
  t.equal(guard.held, 0);
});

t.test("who holds connections and says nothing gives them to others", async (t) => {
  const port = await open(t, { maxConnections: 4 });
  const hold = (localAddress: string) => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    const closed = new Promise<void>((resolve) => {
      socket.on("error", () => undefined);
      socket.on("close", () => resolve());
    });
    t.teardown(() => socket.destroy());
    return { socket, closed };
  };
  const others = hold("127.0.0.3");
  await once(others.socket, "connect");
  const idle = [];
  for (let at = 0; at < 3; at += 1) {
    const held = hold("127.0.0.2");
    await once(held.socket, "connect");
    idle.push(held);
  }
  t.equal((await fetch(`http://127.0.0.1:${port}/show`)).status, 200, "a newcomer is served");
  await idle[0]?.closed;
  t.same(
    [others, ...idle].map(({ socket }) => socket.readyState),
    ["open", "closed", "open", "open"],
    "the oldest of the one that holds the most has gone",
  );
});

t.test("answers that wait are bounded, by address and in all", async (t) => {
  const clock = new VirtualClock();
  const guard = new CallerGuard({ clock, free: 0, cutAt: 1000 });
  const { signal } = new AbortController();
  const all = Array.from({ length: 20 }, () => guard.bad("10.0.0.1", signal));
  t.equal(guard.held, 8);
  for (let at = 0; at < 100; at += 1) {
    for (let call = 0; call < 8; call += 1) all.push(guard.bad(`10.0.1.${at}`, signal));
  }
  t.equal(guard.held, 256);
  // The same network of IPv6 is one caller.
  t.equal(await guard.bad("2001:db8::1", signal), "cut");
  await clock.advance(60_000);
  const outcomes = await Promise.all(all);
  t.equal(outcomes.filter((outcome) => outcome === "slowed").length, 256);
  t.equal(guard.held, 0);
  const gone = new AbortController();
  const waiting = guard.bad("10.0.0.2", gone.signal);
  gone.abort(new Error("left"));
  await t.rejects(waiting, { message: "left" });
  t.equal(guard.held, 0, "who leaves holds nothing");
});
