/** SVIDs below an authority of ours that is in wrong hands, while the root above it is shared and trusted. */
import { createPrivateKey } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { BUILT_IN_PROFILES } from "../../../src/config/certificate-profiles.ts";
import type { Signer } from "../../../src/keys/contract.ts";
import {
  AllLost,
  NONE_LOST,
  lostAuthorities,
  worstLoss,
} from "../../../src/spiffe/lost-authorities.ts";
import type { X509Authority } from "../../../src/server/ca/authority.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { subjectKeyId } from "../../../src/x509/subject-key-id.ts";
import { refused } from "../../support/refused.ts";
import {
  AGENT_SERVICE,
  ENTRY_SERVICE,
  type SvidMessage,
  type TestServer,
  type TlsIdentity,
  identityOf,
  startTestServer,
} from "../../support/server.ts";
import { TestCa, forge } from "../../support/test-ca.ts";
import { csrOf, id, mint, uid } from "../api/calls.ts";

const DAY = 86_400;

/** One root above the trust domain's own authorities and above the set `web`, by files. */
async function rig(t: Parameters<typeof startTestServer>[0]) {
  const now = Math.floor(Date.now() / 1000);
  const life = { notBefore: now - 60, notAfter: now + 3650 * DAY };
  const root = await TestCa.create(life);
  const dir = t.testdir({});
  const [certFile, keyFile, bundleFile] = ["ca.pem", "ca.key", "roots.pem"].map((name) =>
    join(dir, name),
  ) as [string, string, string];
  const use = (ca: TestCa): void => {
    const key = createPrivateKey({ key: Buffer.from(ca.key.pkcs8), format: "der", type: "pkcs8" });
    writeFileSync(bundleFile, ca.root.pem);
    writeFileSync(certFile, ca.pem);
    writeFileSync(keyFile, key.export({ format: "pem", type: "pkcs8" }));
  };
  use(await root.intermediate({ ...life, name: "issuing" }));
  const upstreamAuthority = { disk: { certFile, keyFile, bundleFile, nameConstraints: false } };
  const server = await startTestServer(t, {
    config: {
      upstreamAuthority,
      authoritySets: new Map([
        [
          "web",
          {
            keyType: "ec-p256",
            ttlSeconds: 365 * DAY,
            upstreamAuthority,
            profiles: ["server-90d"],
          },
        ],
      ]),
      certificateProfiles: BUILT_IN_PROFILES,
      x509pop: { mode: "spiffe" },
    },
  });
  return { server, now, root, use };
}

/** What a thief makes with an authority's key: an SVID, directly below it or below another authority of its own. */
async function stolen(
  { signer, certificate, chain }: Pick<X509Authority, "signer" | "certificate" | "chain">,
  now: number,
  below?: { readonly signer: Signer; readonly publicKey: Uint8Array },
): Promise<TlsIdentity> {
  const { key } = await csrOf();
  const times = { notBefore: now - 10, notAfter: now + 3600 };
  const svid = (by: Signer, issuer: Uint8Array): Promise<Uint8Array> =>
    forge({
      ...times,
      signer: by,
      issuer,
      authorityKeyId: subjectKeyId(by.publicKey),
      subject: Uint8Array.of(0x30, 0),
      publicKey: key.signer.publicKey,
      uris: ["spiffe://example.org/admin"],
      basicConstraints: { ca: false },
      keyUsage: ["digitalSignature"],
    });
  if (below === undefined) {
    return identityOf([await svid(signer, certificate.subject), ...chain], key.pkcs8);
  }
  const subject = certificate.issuer; // any name will do
  const middle = await forge({
    ...times,
    signer,
    issuer: certificate.subject,
    subject,
    publicKey: below.publicKey,
    basicConstraints: { ca: true },
    keyUsage: ["keyCertSign"],
    authorityKeyId: "omit",
  });
  return identityOf([await svid(below.signer, subject), middle, ...chain], key.pkcs8);
}

const list = (server: TestServer, identity: TlsIdentity): Promise<unknown> =>
  server.connect(identity).unary(AGENT_SERVICE, "ListAgents", {});

t.test("a set's authority below the trust domain's root", async (t) => {
  const { server, now } = await rig(t);
  await server.createEntry({
    spiffe_id: id("/admin"),
    parent_id: id("/host"),
    selectors: [uid("0")],
    admin: true,
  });
  const web = server.server.authoritySets.get("web");
  const lost = web.activeX509();
  const { key: own } = await csrOf();
  const forged = [
    await stolen(lost, now),
    await stolen(lost, now, { signer: own.signer, publicKey: own.signer.publicKey }),
  ];
  const honest = await mint(server, "/admin", 3600);
  const agent = await server.attest();
  const open = server.connect(forged[0]);
  await open.unary(AGENT_SERVICE, "ListAgents", {});
  for (const each of forged) await list(server, each); // one root for both: doc/authorities.md

  const { id: next } = await web.prepare("x509");
  await web.activate("x509", next);
  const why = { kind: "denied", message: /chains to a tainted authority/ } as const;
  for (const each of forged) await list(server, each);
  await web.taint("x509", lost.id);
  for (const each of forged) await refused(t, list(server, each), why);
  await refused(t, open.unary(AGENT_SERVICE, "ListAgents", {}), why, "a held connection");

  await web.revoke("x509", lost.id);
  const gone = { kind: "denied", message: /certificate is not trusted/ } as const;
  for (const each of forged) await refused(t, list(server, each), gone);
  await list(server, honest);
  await agent.channel.unary(ENTRY_SERVICE, "GetAuthorizedEntries", {});
});

t.test("an agent below a tainted root renews, and does nothing else", async (t) => {
  const { server, now, root, use } = await rig(t);
  const agent = await server.attest();
  const { authorities } = server.server;
  const next = await TestCa.create({ notBefore: now - 60, notAfter: now + 3650 * DAY });
  use(next);
  const { id: second } = await authorities.prepare("x509");
  await authorities.activate("x509", second);
  await authorities.taintUpstream(root.certificate.subjectKeyId ?? "");
  const sync = (identity: TlsIdentity): Promise<unknown> =>
    server.connect(identity).unary(ENTRY_SERVICE, "GetAuthorizedEntries", {});
  await refused(t, sync(agent.identity), { kind: "denied", message: /tainted authority; renew/ });
  const { key, csr } = await csrOf();
  const { svid } = await agent.channel.unary<{ svid: SvidMessage }>(AGENT_SERVICE, "RenewAgent", {
    params: { csr },
  });
  await sync(identityOf(svid.cert_chain, key.pkcs8));
  await authorities.revokeUpstream(root.certificate.subjectKeyId ?? "");
  await refused(t, sync(agent.identity), { kind: "denied", message: /is not trusted/ });
});

t.test("a lost key is known by whatever name", async (t) => {
  const root = await TestCa.create();
  const lost = await root.intermediate();
  const again = await root.intermediate({ key: lost.key, subjectKeyId: Uint8Array.of(1, 2) });
  const sound = await root.intermediate();
  const keyId = lost.certificate.subjectKeyId ?? "";
  const record = {
    id: keyId,
    set: "web",
    kind: "x509",
    status: "old",
    tainted: true,
    keyName: "",
    chain: [],
    roots: [],
    publicKey: Buffer.from(lost.key.signer.publicKey).toString("base64"),
    notBefore: 0,
    notAfter: 0,
    createdAt: 0,
  } as const;
  const tainted = lostAuthorities([record, { ...record, id: "aa", tainted: false }], []);
  const revoked = lostAuthorities([], [keyId]);
  const chain = async (ca: TestCa) => [
    parseCertificate((await ca.leaf()).der),
    ...ca.intermediates.map(parseCertificate),
  ];
  for (const [name, ca, expected] of [
    ["itself", lost, true],
    ["under another identifier", again, true],
    ["another authority", sound, false],
    ["the root", root, false],
  ] as const) {
    t.equal(worstLoss(await chain(ca), tainted), expected ? "tainted" : undefined, name);
    t.equal(worstLoss(await chain(ca), revoked), expected ? "revoked" : undefined, name);
    t.equal(worstLoss(await chain(ca), NONE_LOST), undefined);
  }
  t.equal(worstLoss((await chain(lost)).slice(0, 1), tainted), "tainted", "by its issuer's name");

  let parts = [NONE_LOST, tainted];
  const all = new AllLost(() => parts);
  const held = all.current();
  t.equal(all.current(), held);
  t.equal(worstLoss(await chain(lost), held), "tainted");
  parts = [revoked, tainted];
  t.equal(worstLoss(await chain(lost), all.current()), "revoked", "the worse of two");
});
