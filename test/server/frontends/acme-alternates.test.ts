/** RFC 8555 §7.4.2: chains to other roots, by cross certificates that an operator imports. */
import t from "tap";
import type { AcmeReply } from "../../support/acme-client.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { verifyChain } from "../../../src/x509/chain.ts";
import { parseCsr } from "../../../src/x509/csr.ts";
import { TestCa } from "../../support/test-ca.ts";
import { refused } from "../../support/refused.ts";
import { WEB, acmeRig, issue, readChain } from "./acme-rig.ts";

const DAY = 24 * 3600;
const SETS = "assay.authority.v1.Authority";

t.test("an authority that two roots have signed", async (t) => {
  const web = { ...WEB, upstreamAuthority: { offline: {} } };
  const rig = await acmeRig(t, {
    acme: { set: "web", profiles: ["server-7d"] },
    server: { authoritySets: new Map([["web", web]]) },
  });
  const { admin, clock } = rig.server;
  const now = Math.floor(clock.nowMs() / 1000);
  const lasts = (days: number) => ({ notBefore: now - DAY, notAfter: now + days * DAY });
  const roots = await Promise.all(
    ["ours", "older", "ending"].map((name) => TestCa.create({ name, ...lasts(1000) })),
  );
  const [ours, older, ending] = roots;
  if (ours === undefined || older === undefined || ending === undefined) throw new Error("three");
  const { csr } = await admin.unary<{ csr: Uint8Array }>(SETS, "RequestX509Authority", {
    set: "web",
  });
  const request = parseCsr(csr);
  const { keyType, publicKey } = request;
  const signer = { keyType, publicKey, sign: async () => new Uint8Array() };
  const bring = async (root: TestCa, days: number): Promise<unknown> => {
    const key = { signer, pkcs8: new Uint8Array() };
    const { der } = await root.intermediate({ key, ...lasts(days) });
    const certificates = [der, root.der];
    const request = { set: "web", certificates };
    return admin.unary(SETS, "ImportX509Authority", request);
  };
  await bring(ours, 365);
  const client = await rig.client();
  const links = (reply: AcmeReply<unknown>): readonly string[] => reply.links["alternate"] ?? [];
  const before = await issue(rig, client, ["a.example.org"]);
  t.same(links(await client.post(before.url, "")), [], "one root, one chain");

  t.match(await bring(older, 300), { authority: { alternate_root_subject_key_ids: [String] } });
  await bring(ending, 3);
  const { authorities } = await admin.unary<{ authorities: readonly object[] }>(
    SETS,
    "ListAuthorities",
    { kind: "X509", set: "web" },
  );
  t.match(authorities, [
    {
      slot: "ACTIVE",
      alternate_root_subject_key_ids: [older, ending].map((each) => each.certificate.subjectKeyId),
    },
  ]);
  const { url, pem } = await issue(rig, client, ["b.example.org"]);
  const main = await client.post(url, "");
  const [other = "", ...more] = links(main);
  t.same(more, [], "what the certificate would outlive is none of its chains");
  const alternate = await client.post(other, "");
  t.equal(alternate.status, 200);
  t.same(links(alternate), [url], "each names the others");
  const chains = [readChain(pem), readChain(alternate.text)];
  t.same(chains[0]?.leaf.raw, chains[1]?.leaf.raw, "the same certificate");
  for (const [at, root] of [ours, older].entries()) {
    const chain = chains[at]?.chain ?? [];
    t.equal(chain.length, 2, "without the root");
    const path = await verifyChain(chain, [parseCertificate(root.der)], now);
    t.equal(path.length, 3);
  }
  t.same(links(await client.post(before.url, "")), [], "what was made before stays as it is");

  const drop = (root: string) =>
    admin.unary(SETS, "RemoveX509Chain", { set: "web", root_subject_key_id: root });
  await refused(t, drop("00"), { kind: "not_found", message: /show --set web' names those roots/ });
  await refused(t, drop(""), { kind: "invalid", message: /root_subject_key_id/ });
  const olderId = older.certificate.subjectKeyId ?? "";
  t.match(await drop(olderId.toUpperCase()), {
    authorities: [
      { slot: "ACTIVE", alternate_root_subject_key_ids: [ending.certificate.subjectKeyId] },
    ],
  });
  const gone = { status: 404, body: { type: /malformed/ } };
  t.same(links(await client.post(url, "")), [], "not offered to who has its certificate already");
  t.match(await client.post(other, ""), gone);
  const later = await issue(rig, client, ["c.example.org"]);
  t.same(links(await client.post(later.url, "")), [], "nor with what is made from now on");
  await refused(t, drop(olderId), { kind: "not_found" });
  // Brought again, it is that of before.
  await bring(older, 300);
});
