/** The listener over TLS: which certificate a handshake shows, and what is left of one that cannot be used. */
import { request } from "node:https";
import { connect } from "node:net";
import { connect as connectTls } from "node:tls";
import t from "tap";
import { HttpListener, type HttpRoute } from "../../src/http/http-listener.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { refused } from "../support/refused.ts";
import { TestCa } from "../support/test-ca.ts";

const ROUTES = new Map<string, HttpRoute>([
  [
    "/",
    async ({ method, headers }) => ({
      status: headers["if-none-match"] === '"1"' ? 304 : 200,
      type: "text/plain",
      body: Buffer.from(`${method}\n`),
      headers: { etag: '"1"', "cache-control": "max-age=5" },
    }),
  ],
]);

interface Answer {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly body: string;
  readonly peer: Buffer | undefined;
}

/** Nothing is verified: what was shown is compared by the test. */
function get(port: number, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { port, host: "127.0.0.1", method, headers, agent: false } as const;
    const call = request({ ...options, rejectUnauthorized: false }, (response) => {
      const { socket } = response;
      const peer = "getPeerX509Certificate" in socket ? peerOf(socket) : undefined;
      let body = "";
      response.on("data", (data: Buffer) => (body += data.toString()));
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, body, peer }),
      );
    });
    call.on("error", reject);
    call.end();
  });
}

function peerOf(socket: object): Buffer | undefined {
  return (socket as ReturnType<typeof connectTls>).getPeerX509Certificate()?.raw;
}

t.test("each handshake shows the certificate of that moment", async (t) => {
  const ca = await TestCa.create();
  const first = await ca.leaf();
  const second = await ca.leaf();
  let shown = first;
  const listener = await HttpListener.open({
    setting: "here",
    host: "127.0.0.1",
    port: 0,
    routes: ROUTES,
    tls: () => shown,
    logger: silentLogger,
  });
  t.teardown(() => listener[Symbol.asyncDispose]());
  const { port } = listener.address;
  const before = await get(port);
  t.same([before.status, before.body], [200, "GET\n"]);
  t.match(before.headers, { etag: '"1"', "cache-control": "max-age=5" });
  t.same(before.peer, Buffer.from(first.der));
  t.equal((await get(port, { "if-none-match": '"1"' })).status, 304);
  const posted = await get(port, {}, "POST");
  t.same([posted.status, posted.headers["allow"]], [405, "GET, HEAD"]);
  shown = second;
  t.same((await get(port)).peer, Buffer.from(second.der), "the very next handshake");
  shown = { ...first, keyPem: second.keyPem };
  t.same((await get(port)).peer, Buffer.from(second.der), "one that does not fit changes nothing");
  shown = first;
  t.same((await get(port)).peer, Buffer.from(first.der), "and the next good one is taken");
});

t.test("nothing old is spoken, and no plain HTTP", async (t) => {
  const ca = await TestCa.create();
  const leaf = await ca.leaf();
  const listener = await HttpListener.open({
    setting: "here",
    host: "127.0.0.1",
    port: 0,
    routes: ROUTES,
    tls: () => leaf,
    logger: silentLogger,
  });
  t.teardown(() => listener[Symbol.asyncDispose]());
  const { port } = listener.address;
  const old = await new Promise<string>((resolve) => {
    const socket = connectTls(
      {
        port,
        host: "127.0.0.1",
        maxVersion: "TLSv1.1",
        minVersion: "TLSv1",
        rejectUnauthorized: false,
      },
      () => resolve("agreed"),
    );
    socket.on("error", () => resolve("refused"));
  });
  t.equal(old, "refused");
  const plain = await new Promise<string>((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.1\r\n\r\n"));
    let answer = "";
    socket.on("data", (data) => (answer += data.toString("latin1")));
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
  t.notMatch(plain, /HTTP/);
});

t.test("certificate and key that do not fit end the start", async (t) => {
  const ca = await TestCa.create();
  const [one, other] = [await ca.leaf(), await ca.leaf()];
  await refused(
    t,
    HttpListener.open({
      setting: "here",
      host: "127.0.0.1",
      port: 0,
      routes: ROUTES,
      tls: () => ({ certPem: one.certPem, keyPem: other.keyPem }),
      logger: silentLogger,
    }),
    { kind: "invalid", message: /certificate and key cannot be used/ },
  );
});
