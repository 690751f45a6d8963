/** Certificates for one-time tokens, as provisioners and containers meet the front end. */
import t from "tap";
import { createLogger } from "../../../src/observe/logger.ts";
import { readAuditLog } from "../../support/audit-records.ts";
import { refused } from "../../support/refused.ts";
import { verifyChain } from "../../../src/x509/chain.ts";
import { commonNamesOf } from "../../../src/x509/names.ts";
import {
  PROVISION_SERVICE,
  certificatesIn,
  leafIn,
  makeRequest,
  provisionRig,
} from "./provision-rig.ts";

const form = (fields: Record<string, string> | readonly [string, string][]): string =>
  new URLSearchParams(fields as Record<string, string>).toString();
const TOKEN = "0123456789abcdef0123456789abcdef";

t.test("P1 P3 P5 P12 P14: a name, a token, one call, a certificate", async (t) => {
  const lines: string[] = [];
  const rig = await provisionRig(
    t,
    {},
    {
      logger: createLogger({
        level: "debug",
        format: "json",
        write: (line) => lines.push(line),
        nowMs: () => 0,
      }),
    },
  );
  const token = await rig.authorize("web.example.org", { life: 500 });
  t.match(token, /^prov-[\w-]{43}$/);
  const { csr, keyPem, publicKey } = await makeRequest("web.example.org");
  const answer = await rig.sign(token, csr);
  t.equal(answer.status, 200, answer.body);
  t.equal(answer.headers["content-type"], "application/pem-certificate-chain");
  t.match(answer.body, /^-----BEGIN CERTIFICATE-----/, "PEM only");
  const chain = certificatesIn(answer.body);
  const leaf = leafIn(answer.body);
  t.same(leaf.publicKey, publicKey, "for the very key of the request");
  t.same(commonNamesOf(leaf.subject), ["web.example.org"]);
  t.same([leaf.dnsNames, leaf.ipAddresses, leaf.uris], [["web.example.org"], [], []]);
  const now = Math.floor(rig.server.clock.nowMs() / 1000);
  t.equal(leaf.notAfter, now + 500, "P14: lifeInSeconds");
  const ca = await rig.ask("/v1/ca");
  t.equal(ca.status, 200);
  await verifyChain(chain, certificatesIn(ca.body), now);
  t.notOk(answer.body.includes(keyPem));
  t.equal(
    (await rig.ask("/v1/ca?for=listener")).status,
    404,
    "there is no TLS, and so no root of it",
  );
  t.equal((await rig.ask("/v1/ca?for=all")).status, 400);
  t.same(await rig.ask("/v1/status").then(({ status, body }) => [status, body]), [
    200,
    '{"status":"ok"}\n',
  ]);

  const second = await rig.sign(token, (await makeRequest("web.example.org")).csr);
  t.equal(second.status, 401, "P2: once");
  t.match(second.headers, { "www-authenticate": "Bearer" });
  const unknown = await rig.sign(`${token}x`, csr);
  t.equal(unknown.status, 401, "P1: an unknown token");
  t.equal(unknown.body, second.body, "and nobody learns which of the two it was");

  const audit = await readAuditLog(rig.server.dataDir);
  const issued = audit.find(({ action }) => action === "x509.provision");
  t.match(issued, {
    kind: "issuance",
    method: "provision.sign",
    caller: { role: "token", address: "127.0.0.1" },
    subject: { names: ["web.example.org"], serial: leaf.serial, profile: "peer" },
  });
  t.ok(audit.some(({ kind, action }) => kind === "denial" && action === "provision.sign"));
  const authorized = audit.find(({ action }) => action.endsWith("/Authorize"));
  t.match(authorized, { kind: "admin", subject: { names: ["web.example.org"] } });
  t.match(authorized?.subject?.tokenHash, /^[0-9a-f]{64}$/);
  const told = `${lines.join("")}${JSON.stringify(audit)}${second.body}`;
  t.notOk(told.includes(token), "the token is in no log, error and record");
});

t.test("the token as a bearer, and text for whoever asks for it", async (t) => {
  const rig = await provisionRig(t);
  const { csr } = await makeRequest("db");
  const token = await rig.authorize("db", {
    names: ["192.0.2.7", "db.example.org", "2001:DB8::1"],
  });
  // curl puts the file's name behind a slash: no token is meant by it.
  const answer = await rig.ask("/v1/sign/id.csr", {
    method: "PUT",
    headers: { authorization: `Bearer ${token}`, accept: "text/plain" },
    body: csr,
  });
  t.equal(answer.status, 200, answer.body);
  t.equal(answer.headers["content-type"], "text/plain; charset=utf-8");
  t.match(answer.body, /^Certificate:\n {4}Serial Number: [0-9a-f]+\n/);
  t.match(
    answer.body,
    /DNS:db, DNS:db\.example\.org, IP Address:192\.0\.2\.7, IP Address:2001:db8::1/,
  );
  const leaf = leafIn(answer.body);
  t.same(leaf.dnsNames, ["db", "db.example.org"], "every authorized name, asked for or not");
  t.same(leaf.ipAddresses, ["192.0.2.7", "2001:db8::1"]);
  const again = await rig.ask("/v1/sign", {
    method: "POST",
    headers: { authorization: `bearer ${token}`, accept: "*/*" },
    body: csr,
  });
  t.same(
    certificatesIn(again.body),
    certificatesIn(answer.body),
    "the same key, the same certificate",
  );
  t.match(again.body, /^-----BEGIN/);
});

t.test("P13: whoever authorizes has said who it is", async (t) => {
  const rig = await provisionRig(t);
  const { admin } = rig.server;
  const body = form({ cn: "web.example.org", token: TOKEN });
  const post = (headers: Record<string, string>, sent = body) =>
    rig.ask("/v1/authorize", { method: "POST", headers, body: sent });
  const nobody = await post({});
  t.equal(nobody.status, 401);
  t.match(nobody.headers, { "www-authenticate": "Bearer" });
  t.equal((await post({ authorization: `Bearer ${TOKEN}` })).status, 401, "a token that is none");
  const create = (name: string, more: object = {}) =>
    admin.unary<{ token: string }>(PROVISION_SERVICE, "CreateApiToken", {
      name,
      ttl: 600,
      ...more,
    });
  const { token: any } = await create("any");
  const { token: held } = await create("held", { allow_names: ["*.example.org", "10.0.0.1"] });
  await refused(t, create("any"), { kind: "exists" });
  await refused(t, create("bad name"), { kind: "invalid" });
  await refused(t, create("names", { allow_names: ["a..b"] }), { kind: "invalid" });
  const as = (api: string) => ({ authorization: `Bearer ${api}` });
  t.same(await post(as(any)).then(({ status, body }) => [status, body]), [200, ""]);
  const told = await post({ ...as(any), accept: "application/json" });
  t.match(JSON.parse(told.body), { cn: "web.example.org", tokenHash: /^[0-9a-f]{64}$/ });
  t.equal((await post(as(any), form({ cn: "db", token: TOKEN }))).status, 409, "in use");
  const names: readonly [cn: string, san: string, status: number][] = [
    ["a.example.org", "b.c.example.org", 200],
    ["a.example.org", "10.0.0.1", 200],
    ["a.example.org", "10.0.0.2", 403],
    ["example.org", "a.example.org", 403],
    ["a.example.org.evil.net", "a.example.org", 403],
    ["xexample.org", "a.example.org", 403],
  ];
  for (const [at, [cn, san, status]] of names.entries()) {
    rig.server.clock.step(20_000);
    const answer = await post(as(held), form({ cn, san, token: `${TOKEN}${at}` }));
    t.equal(answer.status, status, `${cn}, ${san}: ${answer.body}`);
  }
  const { csr } = await makeRequest("web.example.org");
  t.equal((await rig.sign(TOKEN, csr)).status, 200);
  t.equal((await post(as(any))).status, 409, "used");
  rig.server.clock.step(600_000);
  t.equal((await post(as(any))).status, 401, "the api token has expired");
  const { api_tokens } = await admin.unary<{ api_tokens: unknown[] }>(
    PROVISION_SERVICE,
    "ListApiTokens",
    {},
  );
  t.equal(api_tokens.length, 2);
  await admin.unary(PROVISION_SERVICE, "DeleteApiToken", { name: "held" });
  await refused(t, admin.unary(PROVISION_SERVICE, "DeleteApiToken", { name: "held" }), {
    kind: "not_found",
  });
  const audit = await readAuditLog(rig.server.dataDir);
  const acts = audit.filter(({ action }) => action === "provision.authorize");
  t.match(
    acts.find(({ outcome }) => outcome === "ok"),
    {
      kind: "admin",
      caller: { role: "token", id: "any" },
      subject: { names: ["web.example.org"] },
    },
  );
  t.ok(acts.some(({ outcome, kind }) => outcome === "denied" && kind === "admin"));
  t.ok(acts.some(({ outcome, kind }) => outcome === "unauthenticated" && kind === "denial"));
  t.notOk(JSON.stringify(audit).includes(any), "no api token either");
});

t.test("fields of an authorization, and what is wrong with them", async (t) => {
  const rig = await provisionRig(t, { anonymousAuthorize: false });
  const { token: api } = await rig.server.admin.unary<{ token: string }>(
    PROVISION_SERVICE,
    "CreateApiToken",
    { name: "any", ttl: 600 },
  );
  const cases: readonly [
    name: string,
    fields: [string, string][],
    status: number,
    says?: RegExp,
  ][] = [
    ["nothing", [], 400, /token is missing/],
    ...(
      [
        ["lifeInSecond", /no field 'lifeInSecond'; did you mean 'lifeInSeconds'\?/],
        ["life", /did you mean 'lifeInSeconds'\?/],
        ["spiffeid", /did you mean 'spiffeId'\?/],
        ["sans", /did you mean 'san'\?/],
        ["colour", /fields are cn, token, san, lifeInSeconds, expiresInSeconds, spiffeId, entry/],
        ["", /no field ''/],
        ["x".repeat(300), /no field 'x{32}';/],
      ] as const
    ).map(([field, says]): [string, [string, string][], number, RegExp] => [
      `an unknown field ${field}`,
      [
        ["cn", "a"],
        ["token", TOKEN],
        [field, "1"],
      ],
      400,
      says,
    ]),
    ["no cn", [["token", TOKEN]], 400, /cn: is missing/],
    ["no token", [["cn", "a"]], 400, /token is missing/],
    [
      "an empty token",
      [
        ["cn", "a"],
        ["token", ""],
      ],
      400,
      /token is missing/,
    ],
    [
      "a short token",
      [
        ["cn", "a"],
        ["token", "400"],
      ],
      400,
      /can be guessed/,
    ],
    [
      "a long token",
      [
        ["cn", "a"],
        ["token", "x".repeat(257)],
      ],
      400,
      /longer/,
    ],
    [
      "two names",
      [
        ["cn", "a"],
        ["cn", "b"],
        ["token", TOKEN],
      ],
      400,
      /more than once/,
    ],
    [
      "odd characters",
      [
        ["cn", "a\u202eb"],
        ["token", TOKEN],
      ],
      400,
      /odd/,
    ],
    [
      "a long cn",
      [
        ["cn", "a b".repeat(22)],
        ["token", TOKEN],
      ],
      400,
      /64/,
    ],
    [
      "no number",
      [
        ["cn", "a"],
        ["token", TOKEN],
        ["lifeInSeconds", "1e3"],
      ],
      400,
      /whole number/,
    ],
    [
      "no life",
      [
        ["cn", "a"],
        ["token", TOKEN],
        ["lifeInSeconds", "0"],
      ],
      400,
      /whole number/,
    ],
    [
      "too long a life",
      [
        ["cn", "a"],
        ["token", TOKEN],
        ["lifeInSeconds", "999999999"],
      ],
      400,
      /"lifeInSeconds: 999999999 s is more/,
    ],
    [
      "beyond its authority",
      [
        ["cn", "a"],
        ["token", TOKEN],
        ["lifeInSeconds", "80000"],
      ],
      400,
      /"lifeInSeconds: .*caTtl/,
    ],
    [
      "too long a token",
      [
        ["cn", "a"],
        ["token", TOKEN],
        ["expiresInSeconds", "9999999"],
      ],
      400,
      /"expiresInSeconds: /,
    ],
    [
      "no name",
      [
        ["cn", "a"],
        ["token", TOKEN],
        ["san", "a b"],
      ],
      400,
      /dns name/,
    ],
    [
      "a wildcard",
      [
        ["cn", "a"],
        ["token", TOKEN],
        ["san", "*.example.org"],
      ],
      400,
      /wildcard/,
    ],
    [
      "an entry",
      [
        ["cn", "a"],
        ["token", TOKEN],
        ["entry", "x"],
      ],
      403,
      /entries/,
    ],
    [
      "an identity",
      [
        ["cn", "a"],
        ["token", TOKEN],
        ["spiffeId", "spiffe://example.org/a"],
      ],
      403,
    ],
  ];
  const headers = { authorization: `Bearer ${api}` };
  for (const [name, fields, status, says = /./] of cases) {
    // The guard counts by address: a minute later all is forgotten.
    rig.server.clock.step(20_000);
    const query = await rig.ask(`/v1/authorize?${form(fields)}`, { method: "POST", headers });
    t.same([query.status, says.test(query.body)], [status, true], `${name}: ${query.body}`);
  }
  rig.server.clock.step(20_000);
  const json = await rig.ask("/v1/authorize", {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: '{"cn":"a"}',
  });
  t.equal(json.status, 400);
  t.equal((await rig.ask("/v1/authorize")).status, 405);
  const split = await rig.ask(`/v1/authorize?cn=a`, {
    method: "POST",
    headers,
    body: form({ token: TOKEN }),
  });
  t.equal(split.status, 200, "some in the query, some in the form");
  const gone = await rig.ask(`/v1/authorize?cn=&token=${TOKEN}`, { method: "POST", headers });
  t.equal(gone.status, 200, "an empty name takes it back");
  t.equal((await rig.sign(TOKEN, (await makeRequest("a")).csr)).status, 401);
});

t.test("P4: a request names what was authorized, or gets nothing", async (t) => {
  const rig = await provisionRig(t, { attempts: 100 });
  const good = await makeRequest("a.example.org");
  const other = (await makeRequest("a.example.org")).csr.split("\n");
  const cases: readonly [name: string, csr: string, status: number][] = [
    ["nothing", "", 400],
    ["no PEM", "hello", 400],
    ["binary", "\0\u0001\u00ff", 400],
    ["not closed", good.csr.slice(0, 80), 400],
    ["another block", good.keyPem, 400],
    ["two", good.csr + good.csr, 400],
    ["PEM of something else", good.csr.replace(/\n[^-]+\n/, "\nMAA=\n"), 400],
    [
      "a signature that does not fit",
      good.csr.replace(/.{8}\n-----END/, `${other.at(-3)?.slice(-8)}\n-----END`),
      400,
    ],
    ["another name", (await makeRequest("b.example.org")).csr, 401],
    ["no name", (await makeRequest(undefined, { dnsNames: ["a.example.org"] })).csr, 401],
    [
      "a name too many",
      (await makeRequest("a.example.org", { dnsNames: ["b.example.org"] })).csr,
      401,
    ],
    ["a wildcard", (await makeRequest("a.example.org", { dnsNames: ["*.example.org"] })).csr, 401],
    ["an address", (await makeRequest("a.example.org", { ipAddresses: ["10.0.0.1"] })).csr, 401],
    [
      "a SPIFFE ID",
      (await makeRequest("a.example.org", { uris: ["spiffe://example.org/a"] })).csr,
      401,
    ],
    ["a body too long", good.csr + " ".repeat(70_000), 413],
  ];
  for (const [name, csr, status] of cases) {
    rig.server.clock.step(20_000);
    const token = await rig.authorize("a.example.org");
    const answer = await rig.sign(token, csr);
    t.equal(answer.status, status, `${name}: ${answer.body}`);
    t.notOk(answer.body.includes("CERTIFICATE-----"));
    const then = await rig.sign(token, good.csr);
    t.equal(then.status, 200, `${name}: a failed attempt burns nothing`);
  }
  rig.server.clock.step(20_000);
  t.equal((await rig.ask("/v1/sign/", { method: "PUT", body: good.csr })).status, 400, "no token");
  t.equal((await rig.ask("/v1/sign", { method: "PUT", body: good.csr })).status, 400);
  t.equal((await rig.ask("/v1/sign/%zz", { method: "PUT", body: good.csr })).status, 400);
  t.equal((await rig.ask("/v1/sign/x/y", { method: "PUT", body: good.csr })).status, 404);
  t.equal((await rig.ask("/v1/signs", { method: "PUT", body: good.csr })).status, 404);
  const upper = await makeRequest("a.example.org", { dnsNames: ["A.Example.Org"] });
  t.equal((await rig.sign(await rig.authorize("a.example.org"), upper.csr)).status, 200);
});

t.test(
  "too many failed attempts burn a token, its end ends it, and so does its owner",
  async (t) => {
    const rig = await provisionRig(t);
    const good = await makeRequest("a");
    const bad = await makeRequest("b");
    const token = await rig.authorize("a");
    for (let attempt = 0; attempt < 3; attempt += 1) {
      t.equal((await rig.sign(token, bad.csr)).status, 401);
    }
    const burned = await rig.sign(token, good.csr);
    t.equal(burned.status, 401);
    t.match(burned.body, /too many attempts/);
    const short = await rig.authorize("a", { ttl: 10 });
    rig.server.clock.step(10_000);
    t.equal((await rig.sign(short, good.csr)).status, 401, "at its end");
    const taken = await rig.authorize("c");
    const { admin } = rig.server;
    const withdraw = (request: object) =>
      admin.unary<{ count: number }>(PROVISION_SERVICE, "Withdraw", request);
    t.same(await withdraw({ common_name: "c" }), { count: 1 });
    await refused(t, withdraw({ common_name: "c" }), { kind: "not_found" });
    await refused(t, withdraw({}), { kind: "invalid" });
    rig.server.clock.step(60_000);
    t.equal((await rig.sign(taken, (await makeRequest("c")).csr)).status, 401);
    const { grants } = await admin.unary<{ grants: { common_name: string; failures: number }[] }>(
      PROVISION_SERVICE,
      "ListGrants",
      {},
    );
    t.same(
      new Set(grants.map(({ common_name, failures }) => `${common_name} ${failures}`)),
      new Set(["a 0", "a 3"]),
    );
    const der = Buffer.from(good.csr.replaceAll(/-----[A-Z ]+-----|\n/g, ""), "base64");
    der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
    const label = "CERTIFICATE REQUEST-----";
    const forged = `-----BEGIN ${label}\n${der.toString("base64")}\n-----END ${label}\n`;
    const guessed = await rig.authorize("a");
    for (let attempt = 0; attempt < 3; attempt += 1) {
      rig.server.clock.step(20_000);
      t.equal((await rig.sign(guessed, forged)).status, 400, "a signature that does not fit");
    }
    rig.server.clock.step(20_000);
    t.match((await rig.sign(guessed, good.csr)).body, /too many attempts/);
  },
);
