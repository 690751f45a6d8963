/** ACME validation against real servers, a real DNS server, and targets that mean harm. */
import { once } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import type { Socket } from "node:net";
import t from "tap";
import { systemClock } from "../../../src/base/clock.ts";
import { acmeValidation } from "../../../src/config/sections/acme-validation-section.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import type { AcmeProblem, ChallengeType } from "../../../src/server/frontends/acme/contract.ts";
import { ChallengeValidator } from "../../../src/server/frontends/acme/validation/challenge-validator.ts";
import { TestCa } from "../../support/test-ca.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";
import {
  KEY_AUTHORIZATION,
  NAME,
  PATH,
  TOKEN,
  good,
  paramsOf,
  serve,
  serveBytes,
  served,
  startRig,
} from "./acme-validation-rig.ts";

t.test("http-01 is met by the document alone", async (t) => {
  const { port, requests } = await serve(t, (request, response) => {
    if (request.url === PATH) response.end(`${KEY_AUTHORIZATION}\r\n`);
    else response.writeHead(404).end();
  });
  const { validate, dns } = await startRig(t, { httpPort: port });
  t.equal(await validate(), undefined);
  t.same(requests, [{ url: PATH, host: `${NAME}:${port}` }]);
  t.same([...dns.asked].sort(), [`A ${NAME}`, `AAAA ${NAME}`], "each is asked once");
  t.equal(
    await validate({ identifier: { type: "ip", value: "127.0.0.1" } }),
    undefined,
    "an address (RFC 8738)",
  );
  t.match(await validate({ token: "other" }), { type: "unauthorized", detail: /status 404/ });
  t.match(await validate({ keyAuthorization: `${KEY_AUTHORIZATION}x` }), {
    type: "incorrectResponse",
    detail: `http://${NAME} shows something that is not the key authorization`,
  });
  dns.zone.set(NAME, { aaaa: ["::1"], a: ["127.0.0.9", "127.0.0.1"] });
  t.equal(await validate(), undefined, "nobody listens on .9; the next one is asked");
});

t.test("http-01 of an IPv6 address", async (t) => {
  const web = await serve(t, good, "::1");
  const { validate, dns } = await startRig(t, { httpPort: web.port, allowedNetworks: ["::1"] });
  const identifier = { type: "ip", value: "::1" } as const;
  t.equal(await validate({ identifier }), undefined);
  t.same(web.requests, [{ url: PATH, host: `[::1]:${web.port}` }], "RFC 8738 §4, RFC 9110 §7.2");
  t.same(dns.asked, [], "nobody is asked for it");
  const elsewhere = await startRig(t, { httpPort: web.port });
  t.match(await elsewhere.validate({ identifier }), { type: "connection", detail: /loopback/ });
});

t.test("what DNS says on the way", async (t) => {
  const { port } = await serve(t, good);
  const { validate, dns } = await startRig(t, { httpPort: port, resolverTimeoutMs: 500 });
  const cases: [string, Parameters<typeof dns.zone.set>[1] | undefined, RegExp][] = [
    ["no such name", undefined, /has no address in DNS/],
    ["no address", { txt: ["x"] }, /has no address in DNS/],
    ["server failure", { rcode: 2 }, /DNS was asked for the AAAA records of .*: the server failed/],
    ["refused", { rcode: 5 }, /the server refused/],
    ["no answer", { silent: true }, /no server answered in time/],
  ];
  for (const [title, answer, detail] of cases) {
    dns.zone.clear();
    if (answer !== undefined) dns.zone.set(NAME, answer);
    t.match(await validate(), { type: "dns", detail }, title);
  }
  dns.zone.set(NAME, (type) => (type === "AAAA" ? { rcode: 2 } : { a: ["127.0.0.1"] }));
  t.equal(await validate(), undefined, "one family is enough");
});

t.test(
  "redirects: to another host or to https, judged anew, and never to another document",
  async (t) => {
    let location = "";
    const web = await serve(t, (request, response) => {
      if (request.headers.host?.startsWith("good.") === true) return good(request, response);
      response.writeHead(302, { location }).end("x".repeat(100));
    });
    const ca = await TestCa.create();
    const leaf = await ca.leaf({ dnsNames: ["nobody.example"], uris: [] });
    const tls = { cert: leaf.certPem, key: leaf.keyPem };
    const secure = await served(t, createHttpsServer(tls), good, "127.0.0.1", 0);
    const { validate, dns } = await startRig(t, { httpPort: web.port, httpsPort: secure.port });
    dns.zone.set("good.example.org", { a: ["127.0.0.1"] });
    dns.zone.set("bad.example.org", { a: ["169.254.169.254", "10.9.8.7"] });
    const allowed = [
      `http://good.example.org${PATH}`,
      `http://good.example.org:${web.port}${PATH}`,
      `https://good.example.org${PATH}`,
      `https://127.0.0.1:${secure.port}${PATH}`,
      `https://good.example.org${PATH}#part`,
    ];
    for (const each of allowed) {
      location = each;
      const entered: string[] = [];
      const entering = (address: string): void => void entered.push(address);
      t.equal(await validate({ entering }), undefined, each);
      t.same(entered, ["127.0.0.1", "127.0.0.1"], "each address is told before it is gone to");
    }
    const refused: [string, RegExp][] = [
      [`http://bad.example.org${PATH}`, /metadata services are not connected to/],
      [`http://127.0.0.1:22${PATH}`, /its port is not \d+/],
      [`http://2852039166${PATH}`, /metadata services are not connected to/],
      [`http://0xa9.0376.43518${PATH}`, /metadata services are not connected to/],
      [`https://[::ffff:169.254.169.254]${PATH}`, /IPv4 addresses in IPv6 form/],
      [`http://[::]${PATH}`, /IPv4 addresses in IPv6 form/],
      [`https://good.example.org:${web.port}${PATH}`, /its port is not/],
      [`http://good.example.org/admin?delete=all`, /leads to another document/],
      [`http://good.example.org${PATH}?q`, /leads to another document/],
      ["/login", /leads to another document/],
      [`ftp://good.example.org${PATH}`, /not http or https/],
      ["file:///etc/passwd", /not http or https/],
      [`http://user:secret@good.example.org${PATH}`, /holds a user name/],
      ["http://[", /it is no address/],
      ["", /leads to another document/],
      [`http://${"a".repeat(4000)}/`, /leads to another document/],
    ];
    for (const [to, detail] of refused) {
      location = to;
      const problem = await validate();
      t.match(problem, { type: "connection", detail }, to.slice(0, 60));
      t.ok((problem?.detail.length ?? 0) < 600, "a bounded sentence");
    }
    web.requests.length = 0;
    location = `http://${NAME}${PATH}`;
    t.match(await validate(), { type: "connection", detail: /redirects once more, after 5/ });
    t.equal(web.requests.length, 6, "in a circle");
  },
);

t.test(
  "no address that leads home, to the cloud's metadata or where the operator said no",
  async (t) => {
    const { port, requests } = await serve(t, good);
    const networks = {
      httpPort: port,
      allowedNetworks: undefined,
      refusedNetworks: ["10.2.0.0/16"],
    };
    const { dns, validate } = await startRig(t, networks);
    const refused: [string, RegExp][] = [
      ["127.0.0.1", /loopback/],
      ["127.255.1.2", /loopback/],
      ["::1", /loopback/],
      ["0.0.0.0", /this network/],
      ["169.254.169.254", /metadata/],
      ["169.254.170.2", /metadata/],
      ["100.100.100.200", /metadata/],
      ["192.0.0.192", /metadata/],
      ["168.63.129.16", /metadata/],
      ["fd00:ec2::254", /metadata/],
      ["fd20:ce::254", /metadata/],
      ["169.254.1.1", /link-local/],
      ["fe80::1", /link-local/],
      ["224.0.0.1", /multicast/],
      ["ff02::1", /multicast/],
      ["255.255.255.255", /reserved/],
      ["::ffff:127.0.0.1", /IPv4 addresses in IPv6 form|loopback/],
      ["::127.0.0.1", /IPv4 addresses in IPv6 form|loopback/],
      ["64:ff9b::7f00:1", /loopback/],
      ["64:ff9b::a9fe:a9fe", /metadata/],
      ["2002:7f00:1::", /tunnelled/],
      ["10.2.3.4", /the operator of this server refuses that network/],
    ];
    for (const [address, detail] of refused) {
      dns.zone.set(NAME, address.includes(":") ? { aaaa: [address] } : { a: [address] });
      t.match(await validate(), { type: "connection", detail }, address);
      if (address.startsWith("::ffff")) continue;
      const identifier = { type: "ip", value: address } as const;
      t.match(await validate({ identifier }), { type: "connection", detail }, `${address}, named`);
      const type: ChallengeType = "tls-alpn-01";
      t.match(
        await validate({ type, identifier }),
        { type: "connection", detail },
        `${address}, TLS`,
      );
    }
    t.same(requests, [], "nobody was asked");
  },
);

t.test("what of the refused is opened: what is named, and no more", async (t) => {
  const { port, requests } = await serve(t, good);
  const to = async (
    address: string,
    allowedNetworks: readonly string[] | undefined,
    more: Partial<ConstructorParameters<typeof ChallengeValidator>[0]> = {},
  ) => {
    const { dns, validator } = await startRig(t, { httpPort: port, allowedNetworks });
    const config = {
      ...acmeValidation(undefined),
      resolvers: [dns.address],
      httpPort: port,
      allowedNetworks,
    };
    const rest = { clock: systemClock, logger: silentLogger, machineAddresses: () => [] };
    const own =
      Object.keys(more).length === 0
        ? validator
        : new ChallengeValidator({ config, ownAddresses: () => [], ...rest, ...more });
    return own.validate(paramsOf({ identifier: { type: "ip", value: address } }));
  };
  t.equal(await to("127.0.0.1", ["127.0.0.1"]), undefined);
  t.equal(await to("127.0.0.1", ["0.0.0.0/0", "127.0.0.0/30"]), undefined);
  t.match(await to("127.0.0.1", ["0.0.0.0/0"]), { detail: /loopback/ }, "containing is not naming");
  t.match(await to("127.0.0.1", ["127.0.0.0/7"]), { detail: /loopback/ }, "nor is this");
  t.match(await to("0.0.0.0", ["0.0.0.0/0"]), { detail: /this network/ });
  t.match(await to("127.0.0.9", ["127.0.0.0/30"]), { detail: /loopback/ });
  t.match(await to("169.254.169.254", ["169.254.0.0/16"]), { detail: /metadata/ });
  t.match(await to("192.0.2.1", ["127.0.0.0/8"]), { detail: /none of the networks/ });
  requests.length = 0;
  const listening = (host: string) => ({ ownAddresses: () => [{ host, port }] });
  for (const host of ["127.0.0.1", "0.0.0.0", "::", "localhost"]) {
    t.match(
      await to("127.0.0.1", ["127.0.0.1"], listening(host)),
      { detail: /listens there/ },
      host,
    );
  }
  t.equal(await to("127.0.0.1", ["127.0.0.1"], listening("127.0.0.2")), undefined, "another one");
  const machine = (...own: string[]) => ({ machineAddresses: () => own });
  t.match(await to("192.0.2.1", undefined, machine("192.0.2.1")), { detail: /own address/ });
  t.match(await to("192.0.2.1", ["192.0.2.0/24"], machine("192.0.2.1")), { detail: /own address/ });
  t.equal(await to("127.0.0.1", ["127.0.0.1"], machine("127.0.0.1")), undefined, "named");
  t.equal(requests.length, 2);
});

t.test("a name that changes between two look-ups leads nowhere else", async (t) => {
  const inside = await serve(t, good, "127.0.0.7");
  const outside = await serve(t, (_q, r) => void r.writeHead(404).end(), "127.0.0.6", inside.port);
  const { validate, dns } = await startRig(t, {
    httpPort: inside.port,
    tlsPort: inside.port,
    refusedNetworks: ["127.0.0.7"],
  });
  let looked = 0;
  dns.zone.set(NAME, (type) => {
    if (type === "AAAA") return {};
    looked += 1;
    return { a: [looked === 1 ? "127.0.0.6" : "127.0.0.7"] };
  });
  t.match(await validate(), { type: "unauthorized", detail: /404/ }, "the address that was judged");
  t.equal(looked, 1);
  t.match(await validate(), { type: "connection", detail: /operator of this server refuses/ });
  looked = 0;
  t.match(await validate({ type: "tls-alpn-01" }), { type: "tls" });
  t.equal(looked, 1, "once for TLS, too");
  t.same([inside.requests.length, outside.requests.length], [0, 1]);
  dns.zone.set(NAME, { a: ["127.0.0.7", "127.0.0.6"] });
  t.match(await validate(), { detail: /404/ }, "of several, those that may be");
});

t.test("answers that are too much, or none at all", async (t) => {
  let sent = 0;
  const flood = (socket: Socket, head: string, chunk: string): void => {
    socket.write(head);
    const pour = (): void => {
      while (!socket.destroyed && sent < 1 << 30 && socket.write(chunk)) sent += chunk.length;
    };
    socket.on("drain", pour);
    pour();
  };
  const big = "x".repeat(65_536);
  const cases: [string, AcmeProblem["type"], RegExp, (socket: Socket) => void][] = [
    [
      "1 GB",
      "incorrectResponse",
      /more than 1024 bytes/,
      (socket) => flood(socket, `HTTP/1.1 200 OK\r\ncontent-length: ${2 ** 30}\r\n\r\n`, big),
    ],
    [
      "without an end",
      "incorrectResponse",
      /more than 1024 bytes/,
      (socket) => flood(socket, "HTTP/1.1 200 OK\r\n\r\n", big),
    ],
    [
      "1 GB of headers",
      "connection",
      /does not answer as HTTP/,
      (socket) => flood(socket, "HTTP/1.1 200 OK\r\n", `a: ${"y".repeat(1000)}\r\n`),
    ],
    [
      "1 GB after a redirect",
      "connection",
      /redirects without/,
      (socket) => flood(socket, "HTTP/1.1 302 Found\r\n\r\n", big),
    ],
    ["not HTTP", "connection", /does not answer as HTTP/, (socket) => socket.end("220 smtp\r\n")],
    ["closes", "connection", /does not answer as HTTP/, (socket) => socket.destroy()],
    [
      "cut short",
      "connection",
      /breaks off/,
      (socket) => void socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 87\r\n\r\n${TOKEN}`),
    ],
    [
      "another protocol",
      "connection",
      /does not answer as HTTP/,
      (socket) =>
        void socket.write("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
    ],
    [
      "half an answer, 204",
      "unauthorized",
      /204/,
      (socket) => void socket.write("HTTP/1.1 204 No Content\r\n\r\n"),
    ],
  ];
  for (const [title, type, detail, greet] of cases) {
    sent = 0;
    const port = await serveBytes(t, (socket) => socket.once("data", () => greet(socket)));
    const { validate } = await startRig(t, { httpPort: port });
    t.match(await validate(), { type, detail }, title);
    t.ok(sent < 1 << 25, `${title}: ${sent} bytes were sent before the end`);
  }
});

t.test("targets that hang cost their time and no more", async (t) => {
  const hangs: [string, ChallengeType, (socket: Socket) => void][] = [
    ["no answer", "http-01", () => undefined],
    ["a trickle", "http-01", (socket) => void socket.write("HTTP/1.1 200 OK\r\nx")],
    [
      "half a body",
      "http-01",
      (socket) => void socket.write("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nx"),
    ],
    [
      "endless early hints",
      "http-01",
      (socket) => void socket.write("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(100)),
    ],
    ["no handshake", "tls-alpn-01", () => undefined],
  ];
  for (const [title, type, greet] of hangs) {
    const clock = new VirtualClock();
    const { promise, resolve } = Promise.withResolvers<Socket>();
    const port = await serveBytes(t, (socket) =>
      socket.once("data", () => {
        greet(socket);
        resolve(socket);
      }),
    );
    const { validate } = await startRig(t, { httpPort: port, tlsPort: port }, { clock });
    const running = validate({ type });
    const socket = await promise;
    await clock.advance(9_999);
    await clock.advance(1);
    t.match(await running, { type: "connection", detail: /did not answer within 10 s/ }, title);
    if (!socket.destroyed && !socket.readableEnded) await once(socket, "close");
    t.equal(clock.timers, 0, `${title}: nothing is left behind`);
  }
});

t.test("whoever asked may go away", async (t) => {
  const { promise, resolve } = Promise.withResolvers<Socket>();
  const port = await serveBytes(t, resolve);
  const { validate, dns, validator } = await startRig(t, { httpPort: port });
  const gone = new AbortController();
  const running = validate({ signal: gone.signal });
  await promise;
  gone.abort(new Error("gone"));
  await t.rejects(running, /gone/);
  dns.zone.set(NAME, { silent: true });
  const second = new AbortController();
  const asking = validate({ type: "dns-01", signal: second.signal });
  dns.zone.set(`_acme-challenge.${NAME}`, { silent: true });
  setImmediate(() => second.abort(new Error("gone too")));
  await t.rejects(asking, /gone too/);
  await t.rejects(validator.recheck(paramsOf({ signal: gone.signal })), /gone/);
});
