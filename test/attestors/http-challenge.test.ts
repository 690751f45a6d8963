/** Node attestation by DNS name (`http_challenge`): real servers and agents, and hosts that lie. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { httpChallengeAttestor } from "../../src/attestors/node/http-challenge/agent.ts";
import { httpChallengeServer } from "../../src/attestors/node/http-challenge/server.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { ErrorKind } from "../../src/base/errors.ts";
import { systemRandom } from "../../src/base/random.ts";
import type { ServerConfig } from "../../src/config/server/server-config.ts";
import { attestNode } from "../support/attest-node.ts";
import { Domain } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { startTestServer } from "../support/server.ts";

const signal = new AbortController().signal;

type Sections = ServerConfig["nodeAttestors"];

const HTTP = { allowedDnsPatterns: ["localhost"], allowNonRootPorts: true, tofu: true } as const;
const http = (more: Partial<NonNullable<Sections["httpChallenge"]>> = {}): Sections => ({
  httpChallenge: { ...HTTP, ...more },
});

t.test("http_challenge: an agent joins by its name, once", async (t) => {
  await using domain = await Domain.start({ nodeAttestors: http() });
  const attestor = { type: "http_challenge" } as const;
  const nodeAttestors = {
    httpChallenge: { hostname: "LOCALHOST", agentName: "default", port: 0 },
  };
  const agent = await domain.startAgent({ joinToken: undefined, attestor, nodeAttestors });
  t.equal(agent.spiffeId.path, "/spire/agent/http_challenge/localhost");
  const id = { trust_domain: "example.org", path: agent.spiffeId.path };
  const known = await domain.call<{ selectors: object[]; can_reattest: boolean }>(
    "agent.v1.Agent",
    "GetAgent",
    { id },
  );
  t.same(known.selectors, [{ type: "http_challenge", value: "hostname:localhost" }]);
  t.equal(known.can_reattest, false);
  const again = { dataDir: join(domain.dir, "other"), socket: join(domain.dir, "other.sock") };
  const second = domain.startAgent({ joinToken: undefined, attestor, nodeAttestors, ...again });
  await refused(t, second, { message: /has attested before; evict it .*assay agents evict/ });
  // It would ask again at once.
  await agent[Symbol.asyncDispose]();
  await domain.call("agent.v1.Agent", "DeleteAgent", { id });
  const third = await domain.startAgent({
    joinToken: undefined,
    attestor,
    nodeAttestors,
    ...again,
  });
  t.equal(third.spiffeId.path, agent.spiffeId.path, "an evicted one may come again");
});

/** A host that answers what it is told; the port is its own. */
async function host(
  t: Test,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<number> {
  const server = createServer(answer);
  server.listen(0, "localhost");
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const place = (fields: object): string =>
  JSON.stringify({ hostname: "localhost", agentname: "default", port: 80, ...fields });

t.test("http_challenge: hostile places and hosts", async (t) => {
  let seen = "";
  let asked: string[] = [];
  const echo = await host(t, (request, response) => {
    asked.push(request.url ?? "");
    response.end(`  ${seen}\n`);
  });
  const server = await startTestServer(t, {
    clock: systemClock,
    config: {
      nodeAttestors: http({ allowedDnsPatterns: ["localhost", "h[0-9]\\.example\\.org"] }),
    },
  });
  const respond = (challenge: Uint8Array): Promise<Uint8Array> => {
    ({ nonce: seen } = JSON.parse(Buffer.from(challenge).toString()) as { nonce: string });
    return Promise.resolve(Buffer.from("\n"));
  };
  const attest = (payload: string, answer = respond) =>
    attestNode(server.connect(), { type: "http_challenge", payload, respond: answer });
  const before: readonly (readonly [string, string, ErrorKind, RegExp])[] = [
    ["no json", "{", "invalid", /not json/],
    ["a list", "[]", "invalid", /not a json object/],
    ["no host", place({ hostname: undefined }), "invalid", /hostname is missing/],
    ["an address", place({ hostname: "169.254.169.254" }), "invalid", /not a DNS name/],
    ["an address in hex", place({ hostname: "0x7f000001" }), "invalid", /not a DNS name/],
    ["an address as a number", place({ hostname: "2130706433" }), "invalid", /not a DNS name/],
    ["a short address", place({ hostname: "127.1" }), "invalid", /not a DNS name/],
    ["ipv6", place({ hostname: "::1" }), "invalid", /not a DNS name/],
    ["a path", place({ hostname: "localhost/x" }), "invalid", /not a DNS name/],
    ["a user", place({ hostname: "a@localhost" }), "invalid", /not a DNS name/],
    ["a port", place({ hostname: "localhost:1" }), "invalid", /not a DNS name/],
    ["upper case", place({ hostname: "LOCALHOST" }), "invalid", /not a DNS name/],
    ["a trailing dot", place({ hostname: "localhost." }), "invalid", /not a DNS name/],
    ["a long name", place({ hostname: "a.".repeat(150) + "a" }), "invalid", /not a DNS name/],
    ["a line", place({ hostname: "localhost\r\nx: y" }), "invalid", /not a DNS name/],
    ["port 0", place({ port: 0 }), "invalid", /port/],
    ["port 65536", place({ port: 65_536 }), "invalid", /port/],
    ["port 1.5", place({ port: 1.5 }), "invalid", /port/],
    ["port as text", place({ port: "80" }), "invalid", /port/],
    ["agent name", place({ agentname: "../x" }), "invalid", /agentname/],
    ["agent name empty", place({ agentname: "" }), "invalid", /agentname/],
    ["agent name long", place({ agentname: "a".repeat(33) }), "invalid", /agentname/],
    ["not allowed", place({ hostname: "evil.org" }), "denied", /none that the server allows/],
    ["allowed in the middle", place({ hostname: "h1.example.org.evil.org" }), "denied", /allows/],
    ["allowed behind", place({ hostname: "xh1.example.org" }), "denied", /allows/],
    ["the server by another name", place({ hostname: "x.localhost" }), "denied", /allows/],
  ];
  for (const [name, payload, kind, message] of before) {
    await refused(t, attest(payload), { kind, message }, name);
  }
  t.same(asked, [], "none of them is asked anything");

  const quiet = { kind: "denied", message: /^http_challenge: localhost does not show the nonce$/ };
  const hosts: readonly (readonly [string, Parameters<typeof host>[1]])[] = [
    ["another nonce", (_, response) => response.end(randomBytes(33).toString("base64url"))],
    ["nothing", (_, response) => response.end()],
    ["an error", (_, response) => response.writeHead(500).end(seen)],
    ["the nonce and more", (_, response) => response.end(`${seen} ${"x".repeat(100)}`)],
    [
      "a redirect",
      (_, response) => response.writeHead(302, { location: `http://localhost:${echo}/` }).end(seen),
    ],
    ["a dead line", (request) => request.socket.destroy()],
    ["no http", (request) => request.socket.end("hello")],
  ];
  for (const [name, answer] of hosts) {
    const port = await host(t, answer);
    await refused(t, attest(place({ port })), quiet as never, name);
  }
  await refused(t, attest(place({ port: 1 })), quiet as never, "nobody there");
  t.same(asked, [], "redirects lead nowhere");
  const node = await attest(place({ port: echo, agentname: "A-1" }));
  t.equal(node.path, "/spire/agent/http_challenge/localhost");
  t.equal(node.reattestable, false);
  t.same(asked, ["/.well-known/spiffe/nodeattestor/http_challenge/A-1/challenge"]);
});

t.test("http_challenge: ports and settings", async (t) => {
  refusedSettings(t);
  const strict = await startTestServer(t, {
    config: { nodeAttestors: http({ allowNonRootPorts: false, tofu: false }) },
  });
  const attest = (server: typeof strict, port: number) =>
    attestNode(server.connect(), { type: "http_challenge", payload: place({ port }) });
  await refused(t, attest(strict, 1024), { kind: "denied", message: /not below 1024/ });
  const one = await startTestServer(t, {
    config: { nodeAttestors: http({ requiredPort: 81, tofu: false }) },
  });
  await refused(t, attest(one, 80), { kind: "denied", message: /port is not 81/ });
  const wide = await startTestServer(t, {
    config: { nodeAttestors: http({ allowedDnsPatterns: [".*"] }) },
  });
  for (const hostname of ["localhost", "x.localhost"]) {
    const payload = place({ hostname });
    await refused(
      t,
      attestNode(wide.connect(), { type: "http_challenge", payload }),
      { kind: "denied", message: /none that the server allows/ },
      `a pattern that happens to match ${hostname}`,
    );
  }
  const taken = await host(t, () => undefined);
  const busy = httpChallengeAttestor({
    hostname: "localhost",
    agentname: "default",
    port: taken,
    bind: "localhost",
  });
  await refused(t, busy.prove(signal), { kind: "unavailable", message: /EADDRINUSE/ });
});

function refusedSettings(t: Test): void {
  const parts = { clock: systemClock, random: systemRandom };
  for (const wrong of [
    { tofu: false },
    { tofu: false, requiredPort: 8080 },
    { tofu: false, requiredPort: 1024, allowNonRootPorts: false },
  ]) {
    t.throws(() => httpChallengeServer({ ...HTTP, ...wrong, ...parts }), { message: /tofu/ });
  }
  t.throws(() => httpChallengeServer({ ...HTTP, allowedDnsPatterns: ["("], ...parts }), {
    message: /is not a pattern/,
  });
}
