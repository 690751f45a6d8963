/** Node attestation with tokens of an OIDC issuer: real server, real issuer, real agents, and hostile peers. */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { AgentPathTemplate } from "../../src/attestors/node/agent-path.ts";
import { oidcAttestor } from "../../src/attestors/node/oidc/agent.ts";
import type { ErrorKind } from "../../src/base/errors.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { type LogFields, type Logger, silentLogger } from "../../src/observe/logger.ts";
import { connectTls } from "../../src/rpc/channel.ts";
import { type AttestedNode, type NodeKey, attestNode } from "../support/attest-node.ts";
import { TestIssuer, oidcConfig, oidcSection } from "../support/oidc-issuer.ts";
import { Domain, TRUST_DOMAIN } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { startTestServer } from "../support/server.ts";

const payload = (token: string): string => JSON.stringify({ token });

function nameOf(issuer: TestIssuer, sub = "repo:acme/app:ref:refs/heads/main"): string {
  return createHash("sha256").update(`${issuer.url}\n${sub}`).digest("hex");
}

t.test("an agent joins with a token and is known by its claims", async (t) => {
  await using issuer = await TestIssuer.start();
  await using domain = await Domain.start(oidcConfig(oidcSection(issuer)));
  const tokenFile = join(domain.dir, "token");
  writeFileSync(tokenFile, `${issuer.token({ claims: { repository: "acme/app" } })}\n`);
  const attestor = { type: "oidc", tokenFile } as const;
  const agent = await domain.startAgent({ joinToken: undefined, attestor });
  const path = `/spire/agent/oidc/ci/${nameOf(issuer)}`;
  t.equal(agent.spiffeId.path, path);
  const known = await domain.call<{
    selectors: { type: string; value: string }[];
    attestation_type: string;
    can_reattest: boolean;
  }>("agent.v1.Agent", "GetAgent", { id: { trust_domain: TRUST_DOMAIN, path } });
  t.equal(known.attestation_type, "oidc");
  t.equal(known.can_reattest, false, "it renews with its SVID");
  t.same(
    known.selectors.map(({ type, value }) => `${type}:${value}`),
    [
      "oidc:ci:aud:assay://example.org",
      "oidc:ci:repository:acme/app",
      "oidc:ci:sub:repo:acme/app:ref:refs/heads/main",
    ],
  );
});

t.test("a token counts for the key that first used it, also after a restart", async (t) => {
  await using issuer = await TestIssuer.start();
  await using domain = await Domain.start(oidcConfig(oidcSection(issuer)));
  const [owner, thief] = [await generateKey("ec-p256"), await generateKey("ec-p256")];
  const attest = async (token: string, key: NodeKey): Promise<AttestedNode> => {
    const { host, port } = domain.server.tcpAddress;
    const channel = connectTls({
      target: `${host}:${port}`,
      rootsPem: undefined,
      checkServer: () => undefined,
    });
    try {
      return await attestNode(channel, { type: "oidc", payload: payload(token), key });
    } finally {
      channel.close();
    }
  };
  const token = issuer.token();
  const { path } = await attest(token, owner);
  const stolen = { kind: "denied", message: /used with another key/ } as const;
  await refused(t, attest(token, thief), stolen, "with another key");
  t.equal((await attest(token, owner)).path, path, "the owner may have lost the answer");
  // Anyone can write an ECDSA signature (r, s) as (r, n - s): another text, the same token.
  const mirrored = mirroredSignature(token);
  t.not(mirrored, token);
  await refused(t, attest(mirrored, thief), stolen, "spelled in another way");
  await domain.stopServer();
  await domain.startServer();
  await refused(t, attest(token, thief), stolen, "after a restart");
  await domain.call("agent.v1.Agent", "DeleteAgent", { id: { trust_domain: TRUST_DOMAIN, path } });
  await refused(t, attest(token, thief), stolen, "after the agent was evicted");
  const both = [await generateKey("ec-p256"), await generateKey("ec-p256")];
  const contested = issuer.token({ claims: { jti: "contested" } });
  const outcomes = await Promise.allSettled(both.map((key) => attest(contested, key)));
  t.same(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected"], "one of two");
  t.equal((await attest(issuer.token({ claims: { jti: "2" } }), thief)).path, path);
  t.pass("a new token may come with a new key");
});

t.test("hostile payloads and tokens", async (t) => {
  await using issuer = await TestIssuer.start();
  await using quiet = await TestIssuer.start();
  const logged: [string, LogFields][] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (message, fields = {}) => void logged.push([message, fields]),
    child: () => logger,
  };
  const server = await startTestServer(t, {
    logger,
    config: oidcConfig(
      oidcSection(issuer, {
        requiredClaims: new Map([
          ["repository_owner", ["acme"]],
          ["kubernetes.io/namespace", ["ci", "cd"]],
        ]),
        agentPath: "{{repository_id}}/run-{{run/id}}",
        reattest: true,
      }),
      oidcSection(quiet, { alias: "quiet", attestNodes: false }),
    ),
  });
  const good = {
    repository_owner: "acme",
    "kubernetes.io": { namespace: "cd" },
    repository_id: 17,
    run: { id: "a.b" },
  };
  const token = (claims: object): string =>
    payload(issuer.token({ claims: { jti: String(Math.random()), ...good, ...claims } }));
  const node = await attestNode(server.connect(), { type: "oidc", payload: token({}) });
  t.equal(node.path, "/spire/agent/oidc/ci/17/run-a.b");
  t.equal(node.reattestable, true);
  const cases: readonly (readonly [string, string | Uint8Array, ErrorKind, RegExp])[] = [
    ["empty", "", "invalid", /payload/],
    ["no json", "{", "invalid", /not json/],
    ["no utf-8", Buffer.from([0x22, 0xff, 0x22]), "invalid", /not json/],
    ["null", "null", "invalid", /no token/],
    ["token a number", '{"token":7}', "invalid", /no token/],
    ["token empty", '{"token":""}', "invalid", /no token/],
    ["60 KB of nothing", payload("a".repeat(60_000)), "invalid", /compact form/],
    ["expired", token({ exp: Math.floor(Date.now() / 1000) - 120 }), "denied", /expired/],
    ["audience", token({ aud: "other" }), "denied", /audience/],
    ["issuer unknown", token({ iss: "https://evil.example" }), "denied", /not configured/],
    ["issuer for other things", payload(quiet.token()), "denied", /attest no nodes/],
    ["claim missing", token({ repository_owner: undefined }), "denied", /repository_owner is not/],
    ["claim wrong", token({ repository_owner: "evil" }), "denied", /repository_owner is not/],
    ["claim a list", token({ repository_owner: ["acme"] }), "denied", /repository_owner is not/],
    ["nested claim wrong", token({ "kubernetes.io": { namespace: "x" } }), "denied", /namespace/],
    [
      "nested claim flat",
      token({ "kubernetes.io": {}, "kubernetes.io/namespace": "cd" }),
      "denied",
      /namespace/,
    ],
    ["path value missing", token({ repository_id: undefined }), "denied", /no repository_id/],
    ["path value empty", token({ repository_id: "" }), "denied", /no repository_id/],
    ["path value climbs", token({ repository_id: ".." }), "denied", /dot segments/],
    ["path value has a slash", token({ repository_id: "17/x" }), "denied", /no place in/],
    ["path value escaped", token({ repository_id: "a%2fb" }), "denied", /no place in/],
    ["path value long", token({ repository_id: "x".repeat(256) }), "denied", /no place in/],
    ["path value with a line", token({ repository_id: "17\n" }), "denied", /no place in/],
  ];
  for (const [name, text, kind, message] of cases) {
    const attempt = attestNode(server.connect(), { type: "oidc", payload: text });
    await refused(t, attempt, { kind, message }, name);
  }
  issuer.answer = (_request, response) => {
    response.writeHead(503).end();
    return true;
  };
  await server.clock.advance(2 * 3_600_000);
  const late = token({ exp: Math.floor(server.clock.nowMs() / 1000) + 60 });
  const attempt = attestNode(server.connect(), { type: "oidc", payload: late });
  // Whoever asks has proved nothing: where the issuer is, and what it answered, is for the log.
  const message = /^oidc: the proof cannot be checked now; .* log says why \(request [0-9a-f]+\)$/;
  await refused(t, attempt, { kind: "unavailable", message }, "an issuer that is away");
  const [line] = logged.filter(([text]) => text === "a node's proof could not be checked");
  t.match(line?.[1], { attestor: "oidc", error: { message: /503/ }, requestId: /^[0-9a-f]+$/ });
});

t.test("the agent's file", async (t) => {
  const dir = t.testdir({ empty: "", words: "no token", big: `${"a".repeat(70_000)}.b.c` });
  const prove = (file: string): Promise<unknown> =>
    oidcAttestor(join(dir, file)).prove(new AbortController().signal);
  await refused(t, prove("missing"), {
    kind: "precondition",
    message: /there is no file .*missing$/,
  });
  await refused(t, prove("empty"), { kind: "precondition", message: /no token in it/ });
  await refused(t, prove("words"), { kind: "precondition", message: /no token in it/ });
  await refused(t, prove("big"), { kind: "precondition", message: /longer than/ });
});

t.test("templates of agent paths", (t) => {
  const good: readonly (readonly [string, string])[] = [
    ["{{a}}", "1"],
    ["/{{ .PluginName }}/{{ .a }}/x-{{b}}", "1/x-2"],
    ["/oidc/{{a}}", "1"],
    ["fixed/{{ a }}.b", "fixed/1.b"],
  ];
  const values: Record<string, string> = { a: "1", b: "2" };
  for (const [text, path] of good) {
    t.equal(
      AgentPathTemplate.parse(text, "oidc").render((name) => values[name]),
      path,
      text,
    );
  }
  const bad = [
    "",
    "fixed",
    "{{a}}{{b}}",
    "{{a}}-{{b}}",
    "/{{a}}",
    "{{a}}/",
    "a//{{a}}",
    "../{{a}}",
  ];
  for (const text of [...bad, "{{a", "{{}}", "{{a}}/{b}", "{{a}}/%41", "x".repeat(1100)]) {
    t.throws(
      () => AgentPathTemplate.parse(text, "oidc"),
      { name: "AssayError" },
      text.slice(0, 20),
    );
  }
  t.end();
});

/** The same ECDSA P-256 signature with the other `s`. */
function mirroredSignature(token: string): string {
  const dot = token.lastIndexOf(".");
  const raw = Buffer.from(token.slice(dot + 1), "base64url");
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const s = order - BigInt(`0x${raw.subarray(32).toString("hex")}`);
  const other = Buffer.from(s.toString(16).padStart(64, "0"), "hex");
  return `${token.slice(0, dot)}.${Buffer.concat([raw.subarray(0, 32), other]).toString("base64url")}`;
}
