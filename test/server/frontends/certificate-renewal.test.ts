/** A one-time token's certificate of another set than the trust domain's own: it renews by its key, and by nothing else. */
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import t, { type Test } from "tap";
import { Networks } from "../../../src/base/networks.ts";
import { BUILT_IN_PROFILES } from "../../../src/config/certificate-profiles.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { type Logger, silentLogger } from "../../../src/observe/logger.ts";
import { proveHeld } from "../../../src/provision/renewal-proof.ts";
import type { GetPartsResponse__Output } from "../../../src/rpc/gen/assay/health/v1/GetPartsResponse.ts";
import type { NewCertificateResponse__Output } from "../../../src/rpc/gen/assay/certificate/v1/NewCertificateResponse.ts";
import { DATABASE_FILE } from "../../../src/server/data-folder/data-folder.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { createCsr } from "../../../src/x509/csr.ts";
import { parsePrometheus } from "../../support/prometheus.ts";
import { type Refusal, refused } from "../../support/refused.ts";
import { type TestServer, startTestServer } from "../../support/server.ts";
import { TestCa } from "../../support/test-ca.ts";
import { CERTIFICATE_SERVICE, entry, issuances } from "./ask-certificate.ts";

const DAY = 86_400;
type Key = Awaited<ReturnType<typeof generateKey>>;

interface Held {
  readonly der: Uint8Array;
  readonly key: Key;
}

const WEB = {
  keyType: "ec-p256",
  ttlSeconds: 365 * DAY,
  upstreamAuthority: {},
  profiles: ["server-90d"],
} as const;

async function rig(t: Test, logger: Logger = silentLogger) {
  const server = await startTestServer(t, {
    logger,
    config: {
      metricsListen: "127.0.0.1:0",
      authoritySets: new Map([["web", WEB]]),
      certificateProfiles: BUILT_IN_PROFILES,
      revocation: { crlTtl: 3600 },
      frontends: {
        certificates: {
          set: "web",
          profile: "server-90d",
          ttlSeconds: 600,
          networks: new Map([["/", Networks.parse(["fd00:1::/32"])]]),
          clusters: new Map(),
        },
      },
    },
  });
  const names = { id: "vm1", dns_names: ["vm1.example.org"] };
  await server.createEntry(entry("/vm1", "/spire/once", "token:once:entry:vm1", names));
  return server;
}

async function call(
  server: TestServer,
  fields: object | ((csr: Uint8Array) => Promise<object>),
  key?: Key,
) {
  const used = key ?? (await generateKey("ec-p256"));
  const csr = await createCsr({ uris: [], signer: used.signer });
  const proof = typeof fields === "function" ? await fields(csr) : fields;
  const response = await server
    .connect()
    .unary<NewCertificateResponse__Output>(CERTIFICATE_SERVICE, "NewCertificateByToken", {
      ...proof,
      csr,
    });
  const der = response.chain[0] ?? new Uint8Array();
  return { response, der, key: used };
}

const by =
  ({ der, key }: Held, more: object = {}) =>
  async (csr: Uint8Array): Promise<object> => ({
    certificate: { certificate: der, signature: await proveHeld(key.signer, csr, der) },
    ...more,
  });

async function tokenFor(server: TestServer): Promise<string> {
  const request = { entry_id: "vm1", ttl: 60 };
  const { token } = await server.admin.unary<{ token: string }>(
    "assay.token.v1.OneTime",
    "Create",
    request,
  );
  return token;
}

async function first(server: TestServer): Promise<Awaited<ReturnType<typeof call>>> {
  return call(server, { one_time_token: await tokenFor(server) });
}

async function revoke(server: TestServer, der: Uint8Array): Promise<void> {
  const { serial, authorityKeyId = "" } = parseCertificate(der);
  await server.admin.unary("assay.revocation.v1.Revocation", "RevokeX509SVID", {
    serial,
    authority_id: authorityKeyId,
  });
}

t.test("it stands for its token until it ends", async (t) => {
  const server = await rig(t);
  const one = await first(server);
  t.equal(one.response.spiffe_id, null);
  t.ok(one.response.server_bundle.length > 0, "the server's own authorities go along");
  const two = await call(server, by(one, { ip_addresses: ["fd00:1::9"] }));
  const leaf = parseCertificate(two.der);
  t.same([leaf.dnsNames, leaf.ipAddresses], [["vm1.example.org"], ["fd00:1::9"]]);
  t.match((await issuances(server)).at(-1), {
    caller: { role: "token", id: "certificate:vm1" },
    subject: { rule: "certificate", entryId: "vm1" },
  });
  t.ok(await call(server, by(one)), "an answer that was lost");
  const rsa = await call(server, by(two), await generateKey("rsa-2048"));
  t.ok(await call(server, by(rsa)), "with another type of key");
  await refused(t, call(server, by(rsa, { dns_names: ["vm2.example.org"] })), {
    kind: "denied",
    message: /vm2\.example\.org/,
  });
  server.clock.step(601_000);
  await refused(t, call(server, by(rsa)), { kind: "denied" }, "it has ended");
});

t.test("whoever has not its key has nothing", async (t) => {
  const server = await rig(t);
  const held = await first(server);
  const { der } = held;
  const stranger = await generateKey("ec-p256");
  const ca = await TestCa.create();
  const foreign = await ca.leaf({ uris: [], dnsNames: ["vm1.example.org"] });
  const denied = { kind: "denied", message: /the proof gives no certificate here/ } as const;
  const cases: readonly (readonly [string, (csr: Uint8Array) => Promise<object>, Refusal])[] = [
    ["another key's signature", by({ der, key: stranger }), denied],
    ["none", async () => ({ certificate: { certificate: der } }), denied],
    [
      "of another request",
      async () => {
        const csr = await createCsr({ uris: [], signer: stranger.signer });
        return {
          certificate: { certificate: der, signature: await proveHeld(held.key.signer, csr, der) },
        };
      },
      denied,
    ],
    ["a stranger's certificate", by({ der: foreign.der, key: foreign }), denied],
    ["an authority's certificate", by({ der: ca.der, key: ca.key }), denied],
    ["no certificate", by({ der: Buffer.from("x"), key: stranger }), denied],
    ["empty", async () => ({ certificate: {} }), denied],
    [
      "its digest as a token",
      async () => {
        const { createHash } = await import("node:crypto");
        const digest = createHash("sha256").update(der).digest("hex");
        return { one_time_token: `certificate ${digest}` };
      },
      denied,
    ],
    [
      "too long",
      by({ der: Buffer.alloc(20_000), key: stranger }),
      { kind: "invalid", message: /certificate/ },
    ],
  ];
  for (const [name, fields, expected] of cases) {
    await refused(t, call(server, fields), expected, name);
  }
  t.ok(await call(server, by(held)), "and the holder still has it");
  await revoke(server, der);
  await refused(t, call(server, by(held)), denied, "once it was revoked");
  const again = await first(server);
  await server.admin.unary("spire.api.server.entry.v1.Entry", "BatchDeleteEntry", {
    ids: ["vm1"],
  });
  await refused(t, call(server, by(again)), denied, "once its entry is gone");
});

t.test("whoever renews again and again takes nobody's place", async (t) => {
  const server = await rig(t);
  using database = new DatabaseSync(join(server.dataDir, DATABASE_FILE));
  const count = (): unknown =>
    database.prepare("SELECT count(*) AS n FROM renewable_certificates").get()?.["n"];
  const denied = { kind: "denied", message: /the proof gives no certificate here/ } as const;
  const one = await first(server);
  const lost = [];
  for (let i = 0; i < 5; i++) lost.push(await call(server, by(one)));
  t.equal(count(), 4, "three and the one that is shown");
  const [oldest = one, , third = one, , newest = one] = lost;
  await refused(t, call(server, by(oldest)), denied, "newer ones took its place");
  t.ok(await call(server, by(third)), "answers that overtook each other");
  t.equal(count(), 4);
  await revoke(server, newest.der);
  await refused(t, call(server, by(third)), denied, "a later one was revoked");
});

t.test("places that run out are told of before, and cost no token", async (t) => {
  const warned: unknown[] = [];
  const logger: Logger = {
    ...silentLogger,
    child: () => logger,
    warn: (message, fields) => {
      if (message.startsWith("places")) warned.push(fields);
    },
  };
  const server = await rig(t, logger);
  using database = new DatabaseSync(join(server.dataDir, DATABASE_FILE));
  const held = await first(server);
  const tell = async (): Promise<string | undefined> => {
    await server.clock.advance(31_000);
    const { parts } = await server.admin.unary<GetPartsResponse__Output>(
      "assay.health.v1.Health",
      "GetParts",
      {},
    );
    return parts.find(({ name }) => name === "renewable certificates")?.reason;
  };
  const fill = (from: number, to: number): void => {
    const end = Math.floor(server.clock.nowMs() / 1000) + 600;
    database.exec(`WITH RECURSIVE n(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i < ${to})
      INSERT INTO renewable_certificates (hash, token_hash, entry_id, authority_id, serial, expires_at)
      SELECT 'x' || i, 'x' || i, 'vm1', '', '', ${end} FROM n`);
  };
  fill(1, 79_998);
  t.equal(await tell(), "");
  t.same(warned, []);
  fill(79_999, 79_999);
  const low = /^80000 of 100000 places are taken; .* shorter ttl/;
  t.match(await tell(), low);
  t.match(await tell(), low, "for as long as it lasts");
  t.same(warned, [{ taken: 80_000, places: 100_000 }], "and once in the log");
  const { host = "", port = 0 } = server.server.metricsAddress ?? {};
  const text = await (await fetch(`http://${host}:${port}/metrics`)).text();
  t.equal(parsePrometheus(text).value("assay_server_renewable_certificates"), 80_000);
  fill(80_000, 99_999);
  const token = await tokenFor(server);
  const key = await generateKey("ec-p256");
  await refused(t, call(server, { one_time_token: token }, key), {
    kind: "limited",
    message: /100000 certificates .* the token still counts/,
  });
  t.ok(await call(server, by(held)), "a renewal has its place");
  database.exec("UPDATE renewable_certificates SET expires_at = 0 WHERE hash LIKE 'x%'");
  t.ok(await call(server, { one_time_token: token }), "the token was not spent, by no key");
  t.equal(await tell(), "");
});
