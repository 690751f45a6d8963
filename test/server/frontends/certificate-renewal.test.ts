/** A one-time token's certificate of another set than the trust domain's own: it renews by its key, and by nothing else. */
import t, { type Test } from "tap";
import { Networks } from "../../../src/base/networks.ts";
import { BUILT_IN_PROFILES } from "../../../src/config/certificate-profiles.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { proveHeld } from "../../../src/provision/renewal-proof.ts";
import type { NewCertificateResponse__Output } from "../../../src/rpc/gen/assay/certificate/v1/NewCertificateResponse.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { createCsr } from "../../../src/x509/csr.ts";
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

async function rig(t: Test) {
  const server = await startTestServer(t, {
    config: {
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

async function first(server: TestServer): Promise<Awaited<ReturnType<typeof call>>> {
  const request = { entry_id: "vm1", ttl: 60 };
  const { token } = await server.admin.unary<{ token: string }>(
    "assay.token.v1.OneTime",
    "Create",
    request,
  );
  return call(server, { one_time_token: token });
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
  await refused(t, call(server, by(one, { dns_names: ["vm2.example.org"] })), {
    kind: "denied",
    message: /vm2\.example\.org/,
  });
  server.clock.step(601_000);
  await refused(t, call(server, by(two)), { kind: "denied" }, "it has ended");
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
  const { serial, authorityKeyId = "" } = parseCertificate(der);
  await server.admin.unary("assay.revocation.v1.Revocation", "RevokeX509SVID", {
    serial,
    authority_id: authorityKeyId,
  });
  await refused(t, call(server, by(held)), denied, "once it was revoked");
  const again = await first(server);
  await server.admin.unary("spire.api.server.entry.v1.Entry", "BatchDeleteEntry", {
    ids: ["vm1"],
  });
  await refused(t, call(server, by(again)), denied, "once its entry is gone");
});
