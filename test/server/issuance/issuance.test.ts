import { X509Certificate, createPublicKey, verify } from "node:crypto";
import t from "tap";
import { systemRandom } from "../../../src/base/random.ts";
import type { Random } from "../../../src/base/random.ts";
import { parseCompact, verifyCompact } from "../../../src/jwt/compact.ts";
import type { EntryRecord } from "../../../src/server/datastore/contract.ts";
import { longestTtlSeconds } from "../../../src/server/issuance/x509-profile.ts";
import { SpiffeId } from "../../../src/spiffe/spiffe-id.ts";
import { verifyX509Svid } from "../../../src/spiffe/x509-svid.ts";
import type { CertificateRequest } from "../../../src/x509/csr.ts";
import { distinguishedName, formatName } from "../../../src/x509/names.ts";
import { refused } from "../../support/refused.ts";
import { DAY, HOUR } from "../ca/domain.ts";
import { Fixture, TTL, leafOf, request } from "./fixture.ts";

const WEB = SpiffeId.parse("spiffe://example.org/web");

t.test(
  "a workload's X.509-SVID says what its entry says, and nothing of the CSR but its key",
  async (t) => {
    await using f = await Fixture.open();
    const entry = f.entry({ x509SvidTtl: 600, dnsNames: ["web.example.org", "*.web.example.org"] });
    const csr = await request({
      uris: ["spiffe://example.org/spire/server"],
      dnsNames: ["evil.example.org"],
      subject: distinguishedName([{ type: "CN", value: "evil" }]),
    });
    const issued = await f.issuance().workloadX509({ entry, csr });
    const leaf = leafOf(issued.chain);
    t.equal(issued.chain.length, 1);
    t.equal(issued.spiffeId.toString(), "spiffe://example.org/web");
    t.equal(issued.expiresAt, f.now + 600);
    t.equal(issued.serial, leaf.serial);
    t.match(leaf, {
      uris: ["spiffe://example.org/web"],
      dnsNames: ["web.example.org", "*.web.example.org"],
      notBefore: f.now - 10,
      notAfter: f.now + 600,
      sanCritical: false,
      keyUsageCritical: true,
      basicConstraints: { ca: false },
      extKeyUsage: ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"],
      authorityKeyId: f.set.activeX509().id,
      unknownCritical: [],
    });
    t.same([...(leaf.keyUsage ?? [])].sort(), [
      "digitalSignature",
      "keyAgreement",
      "keyEncipherment",
    ]);
    t.equal(formatName(leaf.subject), "C=US, O=SPIRE, CN=web.example.org");
    t.same(leaf.publicKey, csr.publicKey);
    const verified = await verifyX509Svid([leaf], await f.domain.bundle(), f.now);
    t.equal(verified.toString(), "spiffe://example.org/web");

    const second = new X509Certificate(issued.chain[0] ?? "");
    t.equal(
      second.subjectAltName,
      "DNS:web.example.org, DNS:*.web.example.org, URI:spiffe://example.org/web",
    );
    const root = new X509Certificate(Buffer.from(f.set.activeX509().certificate.raw));
    t.equal(second.checkIssued(root), true, "OpenSSL agrees about the issuer");
    t.equal(second.verify(root.publicKey), true, "and the signature");

    const plain = leafOf((await f.issuance().workloadX509({ entry: f.entry(), csr })).chain);
    t.equal(formatName(plain.subject), "C=US, O=SPIRE");
    t.equal(plain.notAfter, f.now + HOUR, "the server's default life");
  },
);

t.test("each sort of authority and requester key", async (t) => {
  for (const keyType of ["ec-p256", "ec-p384", "rsa-2048"] as const) {
    await using f = await Fixture.open(keyType);
    for (const leafType of ["ec-p256", "ec-p384", "rsa-2048"] as const) {
      const csr = await request({ keyType: leafType });
      const { chain } = await f.issuance().workloadX509({ entry: f.entry(), csr });
      t.ok(await verifyX509Svid([leafOf(chain)], await f.domain.bundle(), f.now), keyType);
    }
    const { token } = await f.issuance().mintJwt({ spiffeId: WEB, audience: ["a"], ttlSeconds: 0 });
    const parsed = parseCompact(token);
    t.equal(await verifyCompact(parsed, f.set.activeJwt().signer.publicKey), true);
  }
});

t.test("agent, server and minted SVIDs", async (t) => {
  await using f = await Fixture.open();
  const issuance = f.issuance();
  const csr = await request({});
  const agentId = SpiffeId.parse("spiffe://example.org/spire/agent/join_token/abc");
  const agent = await issuance.agentX509({ spiffeId: agentId, csr });
  t.match(leafOf(agent.chain), { uris: [agentId.toString()], notAfter: f.now + 2 * HOUR });
  const server = await issuance.serverX509({ publicKey: csr.publicKey });
  t.match(leafOf(server.chain), {
    uris: ["spiffe://example.org/spire/server"],
    dnsNames: { length: 0 },
  });
  const minted = await issuance.mintX509({
    spiffeId: WEB,
    publicKey: csr.publicKey,
    dnsNames: ["a.example.org"],
    ttlSeconds: 42,
    subject: distinguishedName([{ type: "O", value: "Own" }]),
  });
  t.match(leafOf(minted.chain), { uris: [WEB.toString()], notAfter: f.now + 42 });
  t.equal(formatName(leafOf(minted.chain).subject), "O=Own");
  const bare = { spiffeId: WEB, publicKey: csr.publicKey, dnsNames: [], ttlSeconds: 0 };
  const empty = await issuance.mintX509({ ...bare, subject: distinguishedName([]) });
  t.match(leafOf(empty.chain), { sanCritical: true }, "an empty subject makes the names critical");
  t.same(longestTtlSeconds(TTL), { x509: 2 * HOUR, jwt: 300 });
});

t.test("nothing outlives its authority, and an ended one signs nothing", async (t) => {
  await using f = await Fixture.open();
  const issuance = f.issuance();
  const csr = await request({});
  const entry = f.entry({ x509SvidTtl: 0x7fffffff, jwtSvidTtl: 0x7fffffff });
  const end = f.now + DAY;
  t.equal((await issuance.workloadX509({ entry, csr })).expiresAt, end);
  const { token, expiresAt } = await issuance.workloadJwt({ entry, audience: ["a"] });
  t.equal(expiresAt, end);
  t.equal(parseCompact(token).claims["exp"], end);
  f.domain.pass(DAY - 1);
  t.equal((await issuance.workloadX509({ entry, csr })).expiresAt, end);
  f.domain.pass(1);
  await refused(t, issuance.workloadX509({ entry, csr }), { kind: "unavailable" });
  await refused(t, issuance.workloadJwt({ entry, audience: ["a"] }), { kind: "unavailable" });
  f.domain.clock.step(-2 * DAY * 1000);
  await refused(
    t,
    issuance.workloadX509({ entry: f.entry(), csr }),
    { kind: "unavailable" },
    "a clock far behind",
  );
});

t.test("an entry with a template is no identity", async (t) => {
  await using f = await Fixture.open();
  const csr = await request({});
  const template = { id: "spiffe://example.org/w/{{unix.user}}", trustAgent: true };
  const entry = f.entry({ template });
  const refusal = { kind: "denied", message: /entry-1 is a template and no identity/ } as const;
  await refused(t, f.issuance().workloadX509({ entry, csr }), refusal);
  await refused(t, f.issuance().workloadJwt({ entry, audience: ["a"] }), refusal);
});

t.test("an entry that has expired issues nothing", async (t) => {
  await using f = await Fixture.open();
  const csr = await request({});
  const entry = f.entry({ expiresAt: f.now + 10 });
  const issuance = f.issuance();
  t.ok(await issuance.workloadX509({ entry, csr }));
  f.domain.pass(10);
  const message = /^registration entry entry-1 has expired/;
  await refused(t, issuance.workloadX509({ entry, csr }), { kind: "denied", message }, "X.509");
  const audience = ["a"];
  await refused(t, issuance.workloadJwt({ entry, audience }), { kind: "denied", message }, "JWT");
  f.domain.pass(-9);
  const pending = issuance.workloadX509({ entry, csr });
  f.domain.pass(9);
  await refused(t, pending, { kind: "denied", message }, "while its CSR is checked");
});

t.test("a CSR whose signature does not fit its key is refused", async (t) => {
  await using f = await Fixture.open();
  const issuance = f.issuance();
  const good = await request({});
  const other = await request({});
  const spiffeId = SpiffeId.parse("spiffe://example.org/spire/agent/x");
  const hostile: Record<string, CertificateRequest> = {
    "another key": { ...good, publicKey: other.publicKey },
    "another signature": { ...good, signature: other.signature },
    "no signature": { ...good, signature: new Uint8Array() },
    "a changed request": { ...good, info: other.info },
  };
  for (const [name, csr] of Object.entries(hostile)) {
    const kind = "invalid";
    await refused(t, issuance.workloadX509({ entry: f.entry(), csr }), { kind }, name);
    await refused(t, issuance.agentX509({ spiffeId, csr }), { kind }, `${name}, agent`);
  }
});

t.test("IDs, names and lives outside the profile are refused", async (t) => {
  await using f = await Fixture.open();
  const issuance = f.issuance();
  const csr = await request({});
  const { publicKey } = csr;
  const workload = (fields: Partial<EntryRecord>): Promise<unknown> =>
    issuance.workloadX509({ entry: f.entry(fields), csr });
  const agent = (id: string): Promise<unknown> =>
    issuance.agentX509({ spiffeId: SpiffeId.parse(id), csr });
  const mint = (fields: object): Promise<unknown> =>
    issuance.mintX509({ spiffeId: WEB, publicKey, dnsNames: [], ttlSeconds: 0, ...fields });
  const cases: readonly [string, () => Promise<unknown>, RegExp][] = [
    [
      "foreign workload",
      () => workload({ spiffeId: "spiffe://other.org/web" }),
      /not of trust domain/,
    ],
    ["no path", () => workload({ spiffeId: "spiffe://example.org" }), /has no path/],
    [
      "server as workload",
      () => workload({ spiffeId: "spiffe://example.org/spire/server" }),
      /profile 'workload'/,
    ],
    [
      "agent as workload",
      () => workload({ spiffeId: "spiffe://example.org/spire/agent/x" }),
      /profile 'workload'/,
    ],
    ["no ID", () => workload({ spiffeId: "web" }), /scheme/],
    ["negative life", () => workload({ x509SvidTtl: -1 }), /ttl is not/],
    ["broken life", () => workload({ x509SvidTtl: 0.5 }), /ttl is not/],
    ["no number", () => workload({ x509SvidTtl: Number.NaN }), /ttl is not/],
    ["endless life", () => workload({ x509SvidTtl: 2 ** 31 }), /ttl is not/],
    ["bad DNS name", () => workload({ dnsNames: ["a..b"] }), /dns name/],
    ["DNS name with a zero", () => workload({ dnsNames: ["a\0.example.org"] }), /dns name/],
    [
      "many DNS names",
      () => workload({ dnsNames: Array(257).fill("a.org") as string[] }),
      /at most 256/,
    ],
    ["workload as agent", () => agent("spiffe://example.org/web"), /profile 'agent'/],
    ["server as agent", () => agent("spiffe://example.org/spire/server"), /profile 'agent'/],
    ["foreign agent", () => agent("spiffe://other.org/spire/agent/x"), /not of trust domain/],
    [
      "minted server",
      () => mint({ spiffeId: SpiffeId.parse("spiffe://example.org/spire/server") }),
      /profile 'mint'/,
    ],
    [
      "minted agent",
      () => mint({ spiffeId: SpiffeId.parse("spiffe://example.org/spire/agent/a") }),
      /profile 'mint'/,
    ],
    [
      "minted root",
      () => mint({ spiffeId: SpiffeId.parse("spiffe://example.org") }),
      /has no path/,
    ],
    ["minted key", () => mint({ publicKey: publicKey.subarray(1) }), /public key is not supported/],
    ["minted subject", () => mint({ subject: Uint8Array.of(0x30, 0x05) }), /./],
    ["long subject", () => mint({ subject: new Uint8Array(2000) }), /longer than 1024/],
    ["minted life", () => mint({ ttlSeconds: -5 }), /ttl is not/],
  ];
  for (const [name, ask, message] of cases) {
    await refused(t, ask(), { kind: "invalid", message }, name);
  }
  for (const field of ["x509SvidSeconds", "jwtSvidSeconds", "agentSvidSeconds"] as const) {
    for (const seconds of [0, -1, 1.5, 2 ** 31, Number.NaN]) {
      const ttl = { ...TTL, [field]: seconds };
      t.throws(
        () => f.issuance({ ttl }),
        { kind: "invalid", message: /^ttl of/ },
        `${field} ${seconds}`,
      );
    }
  }
});

t.test("serial numbers are positive, of 128 bits and never zero", async (t) => {
  await using f = await Fixture.open();
  const csr = await request({});
  const serialOf = async (...draws: readonly Uint8Array[]): Promise<string> => {
    const queue = [...draws];
    const random: Random = {
      bytes: (length) => (length === 16 ? queue.shift() : undefined) ?? systemRandom.bytes(length),
      unit: () => 0,
    };
    const issuance = f.issuance({ random });
    const { serial, chain } = await issuance.workloadX509({ entry: f.entry(), csr });
    t.equal(leafOf(chain).serial, serial);
    t.equal(
      BigInt(`0x${new X509Certificate(chain[0] ?? "").serialNumber}`),
      BigInt(`0x${serial}`),
      "as OpenSSL reads it",
    );
    return serial;
  };
  const bytes = (fill: number, last: number): Uint8Array =>
    new Uint8Array(16).fill(fill).fill(last, 15);
  t.equal(await serialOf(bytes(0, 1)), "1");
  t.equal(await serialOf(bytes(0, 16)), "10");
  t.equal(await serialOf(bytes(0, 128)), "80", "top bit of the first byte");
  t.equal(await serialOf(bytes(255, 255)), "f".repeat(32), "the largest");
  t.equal(await serialOf(bytes(0, 0), bytes(0, 7)), "7", "zero is drawn again");
});

t.test("JWT-SVIDs: header, claims and signature", async (t) => {
  await using f = await Fixture.open();
  const entry = f.entry({ jwtSvidTtl: 120 });
  const audience = ["https://api.example.org/Path?x=1", "b", "b"];
  const issued = await f.issuance().workloadJwt({ entry, audience: ["", ...audience] });
  t.match(issued, { issuedAt: f.now, expiresAt: f.now + 120 });
  const [head = "", body = "", signature = ""] = issued.token.split(".");
  const json = (part: string): unknown => JSON.parse(Buffer.from(part, "base64url").toString());
  const { keyId, signer } = f.set.activeJwt();
  t.same(json(head), { alg: "ES256", kid: keyId, typ: "JWT" });
  t.same(json(body), { sub: WEB.toString(), aud: audience, exp: f.now + 120, iat: f.now });
  const key = createPublicKey({ key: Buffer.from(signer.publicKey), format: "der", type: "spki" });
  const data = Buffer.from(`${head}.${body}`);
  const raw = { key, dsaEncoding: "ieee-p1363" } as const;
  t.equal(verify("sha256", data, raw, Buffer.from(signature, "base64url")), true);

  const one = await f.issuance().workloadJwt({ entry: f.entry(), audience: ["a"] });
  t.match(parseCompact(one.token).claims, { aud: ["a"], exp: f.now + 300 }, "a list, even of one");
  const jwtIssuer = "https://issuer.example.org";
  const withId = f.entry({ jwtSvidIncludeJti: true });
  const ids = new Set<unknown>();
  for (let i = 0; i < 3; i++) {
    const { token } = await f
      .issuance({ jwtIssuer })
      .workloadJwt({ entry: withId, audience: ["a"] });
    const { claims } = parseCompact(token);
    t.equal(claims["iss"], jwtIssuer);
    ids.add(claims["jti"]);
  }
  t.equal(ids.size, 3, "each token has an id of its own");
  const minted = await f.issuance().mintJwt({ spiffeId: WEB, audience: ["a"], ttlSeconds: 7 });
  t.equal(minted.expiresAt, f.now + 7);
});

t.test("JWT-SVIDs: audiences and IDs out of range are refused", async (t) => {
  await using f = await Fixture.open();
  const issuance = f.issuance();
  const entry = f.entry();
  const bad: Record<string, [readonly string[], RegExp]> = {
    none: [[], /audience is missing/],
    "empty ones only": [["", ""], /audience is missing/],
    "65": [Array.from({ length: 65 }, (_, i) => `a${i}`), /more than 64 audiences/],
    long: [["a".repeat(4097)], /longer than 4096 bytes/],
    "long together": [["ä".repeat(1024), "ä".repeat(1025)], /longer than 4096 bytes/],
    "half a surrogate": [["a\ud800"], /not valid unicode/],
  };
  for (const [name, [audience, message]] of Object.entries(bad)) {
    await refused(t, issuance.workloadJwt({ entry, audience }), { kind: "invalid", message }, name);
  }
  const most = Array.from({ length: 64 }, (_, i) => `a${i}`);
  t.ok(await issuance.workloadJwt({ entry, audience: most }));
  t.ok(await issuance.workloadJwt({ entry, audience: ["ä".repeat(2048)] }));
  for (const id of [
    "spiffe://other.org/web",
    "spiffe://example.org",
    "spiffe://example.org/spire/server",
  ]) {
    const spiffeId = SpiffeId.parse(id);
    const ask = issuance.mintJwt({ spiffeId, audience: ["a"], ttlSeconds: 0 });
    await refused(t, ask, { kind: "invalid", message: /is no workload of trust domain/ }, id);
  }
  const ask = issuance.mintJwt({ spiffeId: WEB, audience: ["a"], ttlSeconds: -1 });
  await refused(t, ask, { kind: "invalid", message: /ttl is not/ });
});
