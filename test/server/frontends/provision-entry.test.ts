/** What was authorized, and what has changed since: an entry, its grantor, the settings. Each has a rule. */
import { createHash, createPrivateKey, sign } from "node:crypto";
import t from "tap";
import { BUILT_IN_PROFILES } from "../../../src/config/certificate-profiles.ts";
import type { ServerConfig } from "../../../src/config/server/server-config.ts";
import { decodePem } from "../../../src/x509/pem.ts";
import { ENTRY_SERVICE } from "../../support/server.ts";
import {
  type Answer,
  PROVISION,
  PROVISION_SERVICE,
  type Request,
  type Rig,
  certificatesIn,
  leafIn,
  makeRequest,
  provisionRig,
} from "./provision-rig.ts";

const CN = "web.example.org";

/** An entry whose DNS names are `one.internal` and `two.internal`. */
const entryOf = (rig: Rig, more: object = {}): Promise<string> =>
  rig.server.createEntry({
    spiffe_id: { trust_domain: "example.org", path: "/web" },
    parent_id: { trust_domain: "example.org", path: "/host" },
    selectors: [{ type: "unix", value: "uid:1" }],
    dns_names: ["one.internal", "two.internal"],
    ...more,
  });

async function update(rig: Rig, id: string, fields: object): Promise<void> {
  const { results } = await rig.server.admin.unary<{ results: [{ status: { code: number } }] }>(
    ENTRY_SERVICE,
    "BatchUpdateEntry",
    {
      entries: [{ id, ...fields }],
      input_mask: Object.fromEntries(Object.keys(fields).map((name) => [name, true])),
    },
  );
  if (results[0].status.code !== 0) throw new Error(JSON.stringify(results));
}

interface Held {
  readonly pem: string;
  readonly request: Request;
}

/** @param asked DNS names of the request, besides the common name */
async function signed(rig: Rig, token: string, asked: readonly string[] = []): Promise<Held> {
  const request = await makeRequest(CN, { dnsNames: asked });
  const { status, body } = await rig.sign(token, request.csr);
  if (status !== 200) throw new Error(body);
  return { pem: body, request };
}

/** Over plain HTTP, with a proof as doc/provision.md has it. */
async function renew(
  rig: Rig,
  { pem, request }: Held,
  asked: readonly string[] = [],
): Promise<Answer & { readonly held: Held }> {
  const next = await makeRequest(CN, { dnsNames: asked });
  const digest = (text: string): string =>
    createHash("sha256")
      .update(decodePem(text)[0]?.der ?? "")
      .digest("hex");
  const newest = digest(pem);
  const proven = `assay provision renewal 1\n${digest(next.csr)}\n${newest}\n`;
  const signature = sign("sha256", Buffer.from(proven), createPrivateKey(request.keyPem));
  const answer = await rig.ask("/v1/renew", {
    method: "PUT",
    headers: { "renewal-proof": `${newest} ${signature.toString("base64")}` },
    body: `${next.csr}${pem}`,
  });
  return { ...answer, held: { pem: answer.body, request: next } };
}

t.test("names of an entry count as they are today", async (t) => {
  const rig = await provisionRig(t, { attempts: 2 });
  const id = await entryOf(rig);
  const token = await rig.authorize(CN, { entry_id: id, names: ["asked.example.org"] });
  const waiting = await rig.authorize(CN, { entry_id: id });
  const first = await signed(rig, token);
  const own = ["asked.example.org", CN];
  t.same(leafIn(first.pem).dnsNames, ["asked.example.org", "one.internal", "two.internal", CN]);

  await update(rig, id, { dns_names: ["one.internal", "three.internal", "asked.example.org"] });
  const stale = await renew(rig, first, ["two.internal"]);
  t.equal(stale.status, 401, "a name that was taken away is not authorized any more");
  t.match(stale.body, /not authorized/);
  const second = await renew(rig, first);
  t.same(leafIn(second.body).dnsNames, ["asked.example.org", "one.internal", CN], "and not in it");
  const third = await renew(rig, second.held, ["three.internal"]);
  t.same(
    leafIn(third.body).dnsNames,
    ["asked.example.org", "one.internal", "three.internal", CN],
    "a new one is there for whoever asks for it",
  );
  const fourth = await renew(rig, third.held);
  t.same(leafIn(fourth.body).dnsNames, leafIn(third.body).dnsNames, "and from then on");

  const late = await makeRequest(CN, { dnsNames: ["two.internal"] });
  t.equal((await rig.sign(waiting, late.csr)).status, 401, "nor for a token that waited");
  t.same(
    leafIn((await signed(rig, waiting, ["three.internal"])).pem).dnsNames,
    ["asked.example.org", "one.internal", "three.internal", CN],
    "which gets all of today's",
  );
  const lost = await rig.sign(token, first.request.csr);
  t.equal(lost.status, 401, "the first answer was followed by others");
  await update(rig, id, { dns_names: [] });
  const last = await renew(rig, fourth.held);
  t.same(leafIn(last.body).dnsNames, own, "what was authorized beside the entry stays");
});

t.test("a life that nobody named is bounded as others are", async (t) => {
  const HOUR = 3600;
  const lived = ({ notAfter, notBefore }: ReturnType<typeof leafIn>): number =>
    // Without what it begins earlier than it was made.
    Math.floor((notAfter - notBefore) / 60) * 60;
  const rig = await provisionRig(t);
  const id = await entryOf(rig);
  const path = "spiffe://example.org/web";
  const [waiting, byId] = [await rig.authorize(CN, { entry_id: id }), await rig.authorize(CN)];
  const byPath = await rig.authorize(CN, { spiffe_id: path });
  const first = await signed(rig, await rig.authorize(CN, { entry_id: id }));
  t.equal(lived(leafIn(first.pem)), HOUR, "as SVIDs live");
  await update(rig, id, { x509_svid_ttl: 600 });
  t.equal(lived(leafIn((await signed(rig, waiting)).pem)), 600, "the entry has one since");
  t.equal(lived(leafIn((await signed(rig, byPath)).pem)), 600, "by the ID, too");
  t.equal(lived(leafIn((await renew(rig, first)).body)), 600, "for a renewal, too");
  t.equal(lived(leafIn((await signed(rig, byId)).pem)), HOUR, "and for nobody else");

  await update(rig, id, { x509_svid_ttl: 2 * HOUR });
  const token = await rig.authorize(CN, { entry_id: id, life: 2 * HOUR });
  t.equal(lived(leafIn((await signed(rig, token)).pem)), 2 * HOUR, "what is named may be longer");
  await update(rig, id, { x509_svid_ttl: 0 });
  const late = await signed(rig, await rig.authorize(CN, { spiffe_id: path }));
  await update(rig, id, { x509_svid_ttl: 2 * HOUR });
  t.equal(lived(leafIn((await renew(rig, late)).body)), HOUR, "a bound makes nothing longer");

  const short = await provisionRig(t, { maxLifeSeconds: 600 });
  const { pem } = await signed(short, await short.authorize(CN));
  t.equal(lived(leafIn(pem)), 600, "nor does any outlive maxLife");
});

t.test("a lost answer is answered as it was", async (t) => {
  const rig = await provisionRig(t);
  const id = await entryOf(rig);
  const token = await rig.authorize(CN, { entry_id: id });
  const { pem, request } = await signed(rig, token, ["two.internal"]);
  await update(rig, id, { dns_names: [] });
  t.equal((await rig.sign(token, request.csr)).body, pem);
  await rig.server.admin.unary(ENTRY_SERVICE, "BatchDeleteEntry", { ids: [id] });
  t.equal((await rig.sign(token, request.csr)).body, pem, "nothing is signed for that");
});

t.test("what an entry has become decides about tokens and renewals", async (t) => {
  const rig = await provisionRig(t);
  const { server } = rig;
  const { clock, admin } = server;
  const { token: api } = await admin.unary<{ token: string }>(PROVISION_SERVICE, "CreateApiToken", {
    name: "ci",
    ttl: 86_400,
    allow_entries: true,
  });
  const byApi = async (query: string): Promise<string> => {
    const token = `${query}-`.padEnd(32, "x").replaceAll(/[^a-z]/g, "y");
    const answer = await rig.ask(`/v1/authorize?cn=${CN}&token=${token}&${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${api}` },
    });
    if (answer.status !== 200) throw new Error(answer.body);
    return token;
  };
  const byAdmin = (id: string) => rig.authorize(CN, { entry_id: id, life: 3600 });
  const byPath = () => rig.authorize(CN, { spiffe_id: "spiffe://example.org/web" });
  const remove = (id: string) => admin.unary(ENTRY_SERVICE, "BatchDeleteEntry", { ids: [id] });
  const spiffe_id = { trust_domain: "example.org", path: "/other" };
  const gone = /is gone, or has expired; have it authorized anew/;
  const reserved = /an administrator's or a downstream server's/;
  type Case = readonly [
    title: string,
    make: (id: string) => Promise<string>,
    change: (id: string) => Promise<unknown>,
    answer: RegExp | undefined,
  ];
  const cases: readonly Case[] = [
    ["nothing", byAdmin, async () => undefined, undefined],
    ["it is gone", byAdmin, remove, gone],
    ["the last one of the ID is gone", byPath, remove, /no registration entry has this spiffe id/],
    ["it has another SPIFFE ID", byAdmin, (id) => update(rig, id, { spiffe_id }), /another spiffe/],
    ["no entry has the ID", byPath, (id) => update(rig, id, { spiffe_id }), /no registration ent/],
    [
      "an admin's, by an API token",
      (id) => byApi(`entry=${id}`),
      (id) => update(rig, id, { admin: true }),
      reserved,
    ],
    [
      "by the ID",
      () => byApi("spiffeId=spiffe://example.org/web"),
      (id) => update(rig, id, { downstream: true }),
      reserved,
    ],
    [
      "an admin's, by an administrator",
      byAdmin,
      (id) => update(rig, id, { admin: true }),
      undefined,
    ],
    [
      "it has expired",
      byAdmin,
      async (id) => {
        await update(rig, id, { expires_at: Math.floor(clock.nowMs() / 1000) + 1800 });
        clock.step(1_801_000);
      },
      gone,
    ],
  ];
  for (const [title, make, change, answer] of cases) {
    // What was refused before is forgotten.
    clock.step(60_000);
    const id = await entryOf(rig);
    const used = await make(id);
    const held = await signed(rig, used);
    const unused = await rig.authorize(CN, { entry_id: id });
    await change(id);
    const renewed = await renew(rig, held);
    t.equal(renewed.status, answer === undefined ? 200 : 403, `${title}: ${renewed.body}`);
    if (answer !== undefined) t.match(renewed.body, answer, title);
    if (answer === gone) {
      const late = await rig.sign(unused, (await makeRequest(CN)).csr);
      t.match([late.status, late.body], [403, gone], `${title}: a token that waited`);
    }
    await remove(id);
  }
});

t.test("the API token that authorized may go: what was used is renewed", async (t) => {
  const rig = await provisionRig(t);
  const { admin } = rig.server;
  const id = await entryOf(rig);
  const { token: api } = await admin.unary<{ token: string }>(PROVISION_SERVICE, "CreateApiToken", {
    name: "ci",
    ttl: 600,
    allow_entries: true,
  });
  const token = "a-token-of-the-pipeline".padEnd(32, "x");
  const made = await rig.ask(`/v1/authorize?cn=${CN}&token=${token}&entry=${id}`, {
    method: "POST",
    headers: { authorization: `Bearer ${api}` },
  });
  t.equal(made.status, 200, made.body);
  const first = await signed(rig, token);
  await admin.unary(PROVISION_SERVICE, "DeleteApiToken", { name: "ci" });
  const second = await renew(rig, first);
  t.equal(second.status, 200, second.body);
  // A new one of the same name has no part in that: it could be held to less.
  await admin.unary(PROVISION_SERVICE, "CreateApiToken", { name: "ci", ttl: 600 });
  const third = await renew(rig, second.held);
  t.equal(third.status, 200, third.body);
  await admin.unary(PROVISION_SERVICE, "Withdraw", { common_name: CN });
  t.equal((await renew(rig, third.held)).status, 403, "withdrawn");
});

t.test("settings of today hold for what was authorized before", async (t) => {
  const dir = t.testdir();
  const set = {
    keyType: "ec-p256",
    ttlSeconds: 365 * 86_400,
    upstreamAuthority: {},
    profiles: ["peer"],
  } as const;
  const sets = new Map([
    ["web", set],
    ["next", set],
  ]);
  const peer = BUILT_IN_PROFILES.get("peer");
  if (peer === undefined) throw new Error("there is no peer");
  const held = new Map([
    ...BUILT_IN_PROFILES,
    ["peer", { ...peer, maxTtlSeconds: 86_400 }] as const,
  ]);
  const base: Partial<ServerConfig> = {
    dataDir: `${dir}/data`,
    keyManager: { kind: "disk", keyFile: `${dir}/key` },
    authoritySets: sets,
  };
  const run = async <T>(
    change: Partial<typeof PROVISION>,
    work: (rig: Rig) => Promise<T>,
    more: Partial<ServerConfig> = {},
  ): Promise<T> => {
    const provision = { ...PROVISION, set: "web", ...change };
    const rig = await provisionRig(
      t,
      {},
      { config: { ...base, ...more, frontends: { provision } } },
    );
    try {
      return await work(rig);
    } finally {
      await rig.server.stop();
    }
  };
  const DAYS = 86_400;
  const lifeOf = (pem: string): number => {
    const { notAfter, notBefore } = leafIn(pem);
    return Math.round((notAfter - notBefore) / DAYS);
  };
  const [waiting, other, first] = await run({}, async (rig) => [
    await rig.authorize(CN, { life: 30 * DAYS }),
    await rig.authorize(CN, { life: 30 * DAYS }),
    await signed(rig, await rig.authorize(CN, { life: 30 * DAYS })),
  ]);
  t.equal(lifeOf(first.pem), 30);
  const second = await run({ maxLifeSeconds: 7 * DAYS }, async (rig) => {
    t.equal(lifeOf((await signed(rig, waiting)).pem), 7, "maxLife, for a token that waited");
    return renew(rig, first);
  });
  t.equal(lifeOf(second.body), 7, "and for a renewal");

  const third = await run({}, async (rig) => {
    const before = await renew(rig, second.held);
    await rig.server.server.reload(async () => ({
      config: { ...rig.server.config, certificateProfiles: held },
      settings: [],
    }));
    const refusedOne = await renew(rig, before.held);
    t.match(
      [refusedOne.status, refusedOne.body],
      [403, /what was authorized is not allowed any more: .*life/],
      "the profile signs less: nothing is cut short",
    );
    const late = await rig.sign(other, (await makeRequest(CN)).csr);
    t.match([late.status, late.body], [403, /not allowed any more/], "a token that waited");
    return before;
  });
  await run({ set: "next" }, async (rig) => {
    const under = await renew(rig, third.held);
    t.equal(under.status, 401, "a certificate of another set than today's is not known");
    t.equal((await rig.sign(other, (await makeRequest(CN)).csr)).status, 200, "tokens count still");
    const roots = certificatesIn((await rig.ask("/v1/ca")).body);
    const fresh = await signed(rig, await rig.authorize(CN));
    t.equal(leafIn(fresh.pem).authorityKeyId, roots[0]?.subjectKeyId, "and have today's");
  });
});
