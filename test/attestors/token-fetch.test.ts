/** SVIDs without an agent: the command and the call behind it, against a real server and a real issuer. */
import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { bytesEqual } from "../../src/base/bytes.ts";
import type { AuditRecord } from "../../src/observe/audit.ts";
import { parseCompact } from "../../src/jwt/compact.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { parseCertificates } from "../../src/x509/certificate.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { emptyEnvironment, start } from "../cli/program.ts";
import { TestIssuer, oidcConfig, oidcSection } from "../support/oidc-issuer.ts";
import { refused } from "../support/refused.ts";
import { TestCa } from "../support/test-ca.ts";
import { type TestServer, startTestServer } from "../support/server.ts";
import { until } from "../support/patience.ts";
import { quiet } from "../support/quiet.ts";

const SERVICE = "assay.token.v1.Token";

const FETCH = { attestNodes: false, fetch: { maxTtl: 600 } };

function entry(path: string, selectors: readonly string[], more: object = {}): object {
  return {
    spiffe_id: { trust_domain: "example.org", path },
    parent_id: { trust_domain: "example.org", path: "/spire/token/ci" },
    selectors: selectors.map((value) => ({ type: "oidc", value })),
    ...more,
  };
}

interface X509Answer {
  readonly svids: readonly {
    readonly id: { readonly path: string };
    readonly cert_chain: readonly Uint8Array[];
    readonly expires_at: string;
    readonly hint: string;
  }[];
}

type Key = Awaited<ReturnType<typeof generateKey>>;

async function fetchX509(
  server: TestServer,
  token: string,
  { key, spiffeId = "" }: { readonly key?: Key; readonly spiffeId?: string } = {},
): Promise<X509Answer> {
  const { signer } = key ?? (await generateKey("ec-p256"));
  const csr = await createCsr({ uris: ["spiffe://example.org/admin"], signer });
  return server
    .connect()
    .unary<X509Answer>(SERVICE, "NewX509SVID", { token, csr, spiffe_id: spiffeId });
}

function audit(server: TestServer): AuditRecord[] {
  const dir = join(server.dataDir, "audit");
  const text = readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"));
  return text
    .join("")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as AuditRecord);
}

t.test("assay fetch --via oidc", async (t) => {
  await using issuer = await TestIssuer.start();
  const config = oidcConfig(oidcSection(issuer, FETCH));
  const server = await startTestServer(t, { config });
  const partner = await TestCa.create();
  const bundles = "spire.api.server.bundle.v1.Bundle";
  await server.admin.unary(bundles, "BatchCreateFederatedBundle", {
    bundle: [{ trust_domain: "partner.org", x509_authorities: [{ asn1: partner.der }] }],
  });
  await server.createEntry(
    entry("/deploy", ["ci:repository:acme/app", "ci:ref:refs/heads/main"], {
      dns_names: ["deploy.example.org"],
      federates_with: ["partner.org"],
    }),
  );
  const dir = t.testdir({});
  const bundle = join(dir, "bundle.pem");
  writeFileSync(bundle, await server.rootsPem());
  const tokenFile = join(dir, "token");
  const newToken = (ref = "refs/heads/main"): void =>
    writeFileSync(
      tokenFile,
      issuer.token({ claims: { repository: "acme/app", ref, jti: String(Math.random()) } }),
    );
  newToken();
  const assay = (...args: string[]) =>
    start(["fetch", ...args], {
      ...emptyEnvironment(dir),
      ASSAY_SERVER: server.target,
    }).ended;
  const via = ["--via", "oidc", "--token-file", tokenFile, "--trust-bundle", bundle];

  const key = join(dir, "job.key");
  const svid = join(dir, "svid");
  const federated = join(svid, "federated");
  mkdirSync(federated, { recursive: true, mode: 0o700 });
  chmodSync(svid, 0o700);
  writeFileSync(join(federated, "former.org.pem"), "");
  const first = await assay("x509", ...via, "--key-file", key, "--write", svid);
  t.equal(first.code, 0, first.err);
  t.same(readdirSync(federated), ["partner.org.pem"], "those of today, and no others");
  t.equal(readFileSync(join(federated, "partner.org.pem"), "utf8"), partner.pem);
  t.match(first.out, /^spiffe:\/\/example\.org\/deploy\n/);
  t.match(first.out, /dns names +deploy\.example\.org/);
  t.equal(readFileSync(join(svid, "key.pem"), "utf8"), readFileSync(key, "utf8"));
  t.equal(statSync(key).mode & 0o777, 0o600);
  t.equal(readFileSync(join(svid, "bundle.pem"), "utf8"), readFileSync(bundle, "utf8"));

  const jwt = await assay("jwt", ...via, "--key-file", key, "--audience", "db", "--output", "json");
  t.equal(jwt.code, 0, jwt.err);
  const [{ token, spiffeId }] = JSON.parse(jwt.out) as [{ token: string; spiffeId: string }];
  t.equal(spiffeId, "spiffe://example.org/deploy");
  t.match(parseCompact(token).claims, { sub: spiffeId, aud: ["db"] });

  const again = await assay("x509", ...via);
  t.equal(again.code, 1);
  t.match(again.err, /gives no identity here; .* \(request [0-9a-f]+\); .*--key-file/);
  newToken("refs/heads/evil");
  const other = await assay("x509", ...via);
  t.match(other.err, /gives no identity here/, "and says no more than before");
  t.notMatch(other.err, /entries|claims|main/);

  const wrong: readonly (readonly [readonly string[], number, RegExp])[] = [
    [["x509", "--via", "oidc", "--trust-bundle", bundle], 2, /needs --token-file/],
    [["x509", "--via", "oidc", "--token-file", tokenFile], 2, /needs --trust-bundle/],
    [["x509", "--via", "magic"], 2, /oidc/],
    [["x509", "--token-file", tokenFile], 2, /--token-file has a meaning with --via only/],
    [["x509", ...via, "--socket", "/x"], 2, /--socket has no meaning/],
    [["x509", ...via, "--trust-domain", "other.org"], 1, /not spiffe:\/\/other\.org/],
    [["x509", ...via, "--key-file", bundle], 1, /no unencrypted PKCS #8 key/],
    [
      ["x509", "--via", "oidc", "--token-file", bundle, "--trust-bundle", bundle],
      1,
      /no token in it/,
    ],
  ];
  for (const [args, code, message] of wrong) {
    const ran = await assay(...args);
    t.equal(ran.code, code, `${args.join(" ")}: ${ran.err}`);
    t.match(ran.err, message);
  }
});

t.test("what is issued follows the entries, and the audit log knows for whom", async (t) => {
  await using issuer = await TestIssuer.start();
  const config = oidcConfig(oidcSection(issuer, FETCH));
  const server = await startTestServer(t, { config });
  const deploy = await server.createEntry(
    entry("/deploy", ["ci:job:deploy"], { x509_svid_ttl: 7200, hint: "d" }),
  );
  await server.createEntry(entry("/any", ["ci:aud:assay://example.org"], { x509_svid_ttl: 60 }));
  await server.createEntry(
    entry("/child", ["ci:job:deploy"], {
      parent_id: { trust_domain: "example.org", path: "/deploy" },
    }),
  );
  await server.createEntry(
    entry("/other-issuer", ["ci:job:deploy"], {
      parent_id: { trust_domain: "example.org", path: "/spire/token/lab" },
    }),
  );
  await server.createEntry(entry("/gone", ["ci:job:deploy"], { expires_at: 1000 }));
  await server.admin.unary("assay.template.v1.Templates", "BatchCreateEntry", {
    entries: [
      {
        entry: entry("/family", ["ci:job:deploy"]),
        template: { id: "spiffe://example.org/family/{{unix.user}}", trust_agent: true },
      },
    ],
  });
  const token = issuer.token({ claims: { job: "deploy" } });
  const key = await generateKey("ec-p256");
  const { svids } = await fetchX509(server, token, { key });
  t.same(
    svids.map(({ id }) => id.path),
    ["/deploy", "/any"],
    "no children, no other issuers, no prefixes of families",
  );
  t.equal(svids[0]?.hint, "d");
  const now = Math.floor(server.clock.nowMs() / 1000);
  t.same(
    svids.map(({ expires_at: at }) => Number(at) - now),
    [600, 60],
    "never long-lived",
  );
  const [leaf] = parseCertificates(svids[0]?.cert_chain[0] ?? new Uint8Array());
  t.same(leaf?.uris, ["spiffe://example.org/deploy"], "names in the request count for nothing");
  t.ok(bytesEqual(leaf?.publicKey ?? new Uint8Array(), key.signer.publicKey));
  const only = await fetchX509(server, token, { key, spiffeId: "spiffe://example.org/any" });
  t.same(
    only.svids.map(({ id }) => id.path),
    ["/any"],
  );

  const issued = audit(server).filter(({ action }) => action === "x509.workload");
  t.match(
    issued.find(({ subject }) => subject?.entryId === deploy),
    {
      kind: "issuance",
      method: `/${SERVICE}/NewX509SVID`,
      caller: { role: "token", id: "oidc:ci:sub:repo:acme/app:ref:refs/heads/main" },
      subject: { spiffeId: "spiffe://example.org/deploy", entryId: deploy },
    },
  );
});

t.test("whoever is refused learns nothing, the operator everything", async (t) => {
  await using issuer = await TestIssuer.start();
  await using closed = await TestIssuer.start();
  const config = oidcConfig(oidcSection(issuer, FETCH), oidcSection(closed, { alias: "closed" }));
  const server = await startTestServer(t, { config });
  await server.createEntry(entry("/deploy", ["ci:job:deploy"]));
  const good = { job: "deploy" };
  const used = issuer.token({ claims: good });
  await fetchX509(server, used);
  const mine = issuer.token({ claims: { ...good, jti: "mine" } });
  const cases: readonly (readonly [string, string, RegExp, string?])[] = [
    ["no token", "words", /compact form/],
    ["1 MB", "a".repeat(1 << 20), /longer than/],
    ["expired", issuer.token({ claims: { ...good, exp: 1000 } }), /has expired/],
    ["audience", issuer.token({ claims: { ...good, aud: "x" } }), /another audience/],
    ["issuer", issuer.token({ claims: { ...good, iss: "https://x" } }), /not configured/],
    ["issuer not for this", closed.token({ claims: good }), /closed are not exchanged/],
    [
      "no entry",
      issuer.token({ claims: { job: "test" } }),
      /^0 entries below spiffe:\/\/example.org\/spire\/token\/ci match/,
    ],
    [
      "another entry",
      mine,
      /^1 entries .*, none of them spiffe:\/\/example.org\/root/,
      "spiffe://example.org/root",
    ],
    ["stolen", used, /used with another key/],
  ];
  for (const [name, token, reason, spiffeId = ""] of cases) {
    const attempt = fetchX509(server, token, { spiffeId });
    const veil =
      /^the token gives no identity here; the server's audit log says why \(request \w+\)$/;
    await refused(t, attempt, { kind: "denied", message: veil }, name);
    const record = audit(server)
      .filter(({ kind }) => kind === "denial")
      .at(-1);
    t.match(record, { action: `/${SERVICE}/NewX509SVID`, outcome: "denied", reason }, name);
  }
  t.notOk(JSON.stringify(audit(server)).includes(used.slice(-40)), "tokens are never written down");
  t.ok(await fetchX509(server, mine), "a refused token is bound to nobody yet");

  const channel = server.connect();
  const csr = await createCsr({ uris: [], signer: (await generateKey("ec-p256")).signer });
  const bad: readonly (readonly [string, object, RegExp])[] = [
    ["NewX509SVID", { token: used }, /^csr: /],
    ["NewX509SVID", { token: used, csr: Buffer.alloc(40) }, /^csr: /],
    ["NewX509SVID", { token: used, csr: damaged(csr) }, /signature/],
    ["NewX509SVID", { csr }, /^token: is missing/],
    ["NewJWTSVID", { token: used, csr }, /^audience: is missing/],
    ["NewJWTSVID", { token: used, csr, audience: Array(40).fill("a") }, /^audience: /],
  ];
  for (const [method, request, message] of bad) {
    await refused(t, channel.unary(SERVICE, method, request), { kind: "invalid", message });
  }
  issuer.answer = (_request, response) => {
    response.writeHead(500).end();
    return true;
  };
  await server.clock.advance(2 * 3_600_000);
  const exp = Math.floor(server.clock.nowMs() / 1000) + 60;
  await refused(
    t,
    fetchX509(server, issuer.token({ claims: { ...good, exp } })),
    { kind: "unavailable", message: /^the token cannot be checked now; try again$/ },
    "an issuer that is away",
  );
});

t.test("attempts from one address are limited", async (t) => {
  await using issuer = await TestIssuer.start();
  const limits = { attestPerSecond: 1, signPerSecond: 0 };
  const config = { ...oidcConfig(oidcSection(issuer, FETCH)), limits };
  const server = await startTestServer(t, { config });
  const csr = await createCsr({ uris: [], signer: (await generateKey("ec-p256")).signer });
  const channel = server.connect();
  // The server's clock stands still: nobody else's turn comes.
  const over = new AbortController();
  const outcomes: string[] = [];
  const attempts = Array.from({ length: 60 }, () =>
    channel
      .unary(SERVICE, "NewX509SVID", { token: "x", csr }, { signal: over.signal })
      .catch((error: { kind: string }) => outcomes.push(error.kind)),
  );
  await until("some are answered", () => outcomes.length >= 10);
  await quiet();
  over.abort();
  await Promise.all(attempts);
  t.equal(outcomes.filter((kind) => kind === "denied").length, 10, outcomes.join(" "));
});

function damaged(csr: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(csr);
  const last = copy.length - 1;
  copy[last] = (copy[last] ?? 0) ^ 1;
  return copy;
}
