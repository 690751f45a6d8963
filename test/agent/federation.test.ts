/** Foreign bundles on open streams: entries that name domains, also to come, and entries for all of them. */
import t from "tap";
import type { BatchCreateEntryResponse__Output } from "../../src/rpc/gen/spire/api/server/entry/v1/BatchCreateEntryResponse.ts";
import type { ListEntriesResponse__Output } from "../../src/rpc/gen/spire/api/server/entry/v1/ListEntriesResponse.ts";
import type { X509SVIDResponse__Output } from "../../src/rpc/gen/X509SVIDResponse.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import { parseSelector } from "../../src/spiffe/selector.ts";
import { Domain, OWN_SELECTOR } from "../support/running.ts";
import { type TestAgent, startTestServer } from "../support/server.ts";
import { TestCa } from "../support/test-ca.ts";
import { WorkloadClient } from "../support/workload-client.ts";
import {
  PEER,
  PEER_SERVER,
  answering,
  caOfToday,
  endpointLeaf,
  serveBundle,
} from "../server/federation/endpoint.ts";

const OWN = "assay.entry.v1.Entry";
const SPIRE = "spire.api.server.entry.v1.Entry";

const entry = (federates_with: readonly string[], path = "/web") => ({
  spiffe_id: { trust_domain: "example.org", path },
  parent_id: { trust_domain: "example.org", path: "/host" },
  selectors: [parseSelector(OWN_SELECTOR)],
  federates_with,
});

const domains = ({ federated_bundles }: X509SVIDResponse__Output): string[] =>
  Object.keys(federated_bundles).sort();

async function setBundle(domain: Domain, trust_domain: string, ca?: TestCa): Promise<void> {
  const { der } = ca ?? (await TestCa.create({ trustDomain: trust_domain }));
  await domain.call("bundle.v1.Bundle", "BatchSetFederatedBundle", {
    bundle: [{ trust_domain, x509_authorities: [{ asn1: der }] }],
  });
}

t.test("what is fetched is on open streams within a second", async (t) => {
  const ca = await caOfToday();
  let served = { ...ca.bundle(), refreshHint: 60 };
  const url = await serveBundle(t, await endpointLeaf(ca), (request, response) =>
    answering(served)(request, response),
  );
  await using domain = await Domain.start();
  using admin = connectUnix(domain.server.socket);
  // The domain has no bundle yet: our own API takes the entry and says so.
  const warnings: string[] = [];
  await admin.unary(
    OWN,
    "BatchCreateEntry",
    { entries: [entry([PEER])] },
    { onWarning: (warning) => warnings.push(warning) },
  );
  t.match(warnings.join(), /there is no bundle of 'partner\.example' yet; workloads will see it/);
  const agent = await domain.startAgent({ syncIntervalMs: 3600_000 });
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  t.same(domains(await watch.next()), []);

  await domain.call("trustdomain.v1.TrustDomain", "BatchCreateFederationRelationship", {
    federation_relationships: [
      {
        trust_domain: PEER,
        bundle_endpoint_url: url,
        https_spiffe: { endpoint_spiffe_id: PEER_SERVER },
        trust_domain_bundle: { trust_domain: PEER, x509_authorities: [{ asn1: ca.der }] },
      },
    ],
  });
  t.same(domains(await watch.next()), [`spiffe://${PEER}`], "it has come");

  const next = await caOfToday();
  served = {
    ...served,
    x509Authorities: [...served.x509Authorities, { der: next.der, tainted: false }],
  };
  const bytes = async (): Promise<number> =>
    (await watch.next()).federated_bundles[`spiffe://${PEER}`]?.length ?? 0;
  await domain.call("trustdomain.v1.TrustDomain", "RefreshBundle", { trust_domain: PEER });
  t.equal(await bytes(), ca.der.length + next.der.length);
});

t.test("an entry for every domain: those that are there, and those that come", async (t) => {
  await using domain = await Domain.start();
  await setBundle(domain, "a.example");
  using admin = connectUnix(domain.server.socket);
  await admin.unary(OWN, "BatchCreateEntry", { entries: [entry(["*", "a.example"])] });
  const agent = await domain.startAgent({ syncIntervalMs: 3600_000 });
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  using jwt = client.jwtBundles();
  t.same(domains(await watch.next()), ["spiffe://a.example"]);
  t.same(Object.keys((await jwt.next()).bundles).sort(), [
    "spiffe://a.example",
    "spiffe://example.org",
  ]);
  await setBundle(domain, "b.example");
  t.same(domains(await watch.next()), ["spiffe://a.example", "spiffe://b.example"]);
  t.ok("spiffe://b.example" in (await jwt.next()).bundles);
  await domain.call("bundle.v1.Bundle", "BatchDeleteFederatedBundle", {
    trust_domains: ["a.example"],
    mode: "RESTRICT",
  });
  t.same(domains(await watch.next()), ["spiffe://b.example"], "no entry names it: it may go");
  // Another workload of the same agent has what its own entry names, and no more.
  const strange = entry([], "/strange");
  await admin.unary(OWN, "BatchUpdateEntry", {
    entries: [{ ...strange, id: (await listed(admin, OWN))[0]?.id }],
    input_mask: { federates_with: true },
  });
  t.same(domains(await watch.next()), [], "for none any more");
});

async function listed(admin: ReturnType<typeof connectUnix>, service: string) {
  const { entries } = await admin.unary<ListEntriesResponse__Output>(service, "ListEntries", {});
  return entries;
}

t.test("SPIRE's API knows neither, in neither direction", async (t) => {
  const rig = await startTestServer(t);
  const { admin } = rig;
  const create = async (service: string, federates_with: readonly string[], path: string) => {
    const { results } = await admin.unary<BatchCreateEntryResponse__Output>(
      service,
      "BatchCreateEntry",
      { entries: [entry(federates_with, path)] },
    );
    return results[0];
  };
  t.match(await create(SPIRE, ["*"], "/a"), {
    status: { code: 3, message: /^federates_with\[0\]: / },
  });
  t.match(await create(SPIRE, ["x.example"], "/a"), {
    status: { code: 9, message: /no bundle of the federated trust domain 'x\.example'/ },
  });
  for (const name of ["b.example", "a.example"]) {
    const ca = await TestCa.create({ trustDomain: name });
    await admin.unary("spire.api.server.bundle.v1.Bundle", "BatchSetFederatedBundle", {
      bundle: [{ trust_domain: name, x509_authorities: [{ asn1: ca.der }] }],
    });
  }
  t.match(await create(OWN, ["*"], "/all"), { entry: { federates_with: ["*"] } });
  t.match(await create(OWN, ["x.example"], "/pending"), { status: { code: 0 } });
  t.match(await create(OWN, ["*x"], "/wrong"), { status: { code: 3 } });
  const [all, pending] = await listed(admin, OWN);
  t.same(all?.federates_with, ["*"]);
  const [shown] = await listed(admin, SPIRE);
  t.same(shown?.federates_with, ["a.example", "b.example"], "by name");
  t.match(await admin.unary(OWN, "GetEntry", { id: all?.id }), { federates_with: ["*"] });
  t.match(await admin.unary(SPIRE, "GetEntry", { id: all?.id }), {
    federates_with: ["a.example", "b.example"],
  });
  const update = (service: string) =>
    admin.unary<BatchCreateEntryResponse__Output>(service, "BatchUpdateEntry", {
      entries: [{ id: pending?.id, federates_with: ["y.example"] }],
      input_mask: { federates_with: true },
    });
  t.match((await update(SPIRE)).results[0], { status: { code: 9 } });
  t.match((await update(OWN)).results[0], { entry: { federates_with: ["y.example"] } });
  t.match(
    (
      await admin.unary<BatchCreateEntryResponse__Output>(SPIRE, "BatchUpdateEntry", {
        entries: [{ id: pending?.id, hint: "h" }],
        input_mask: { hint: true },
      })
    ).results[0],
    { status: { code: 0 } },
    "another field of it may change",
  );
});

t.test("an agent of SPIRE's is told of every domain by name", async (t) => {
  const rig = await startTestServer(t);
  const { admin } = rig;
  const agent: TestAgent = await rig.attest(
    await rig.createToken({ agent_id: { trust_domain: "example.org", path: "/host" } }),
  );
  const bundle = async (name: string): Promise<void> => {
    const ca = await TestCa.create({ trustDomain: name });
    await admin.unary("spire.api.server.bundle.v1.Bundle", "BatchSetFederatedBundle", {
      bundle: [{ trust_domain: name, x509_authorities: [{ asn1: ca.der }] }],
    });
  };
  interface Answer {
    readonly entries: readonly {
      readonly id: string;
      readonly federates_with: readonly string[];
      readonly revision_number: string;
    }[];
    readonly entry_revisions: readonly { readonly id: string; readonly revision_number: string }[];
    readonly more: boolean;
  }
  const sync = async (ids: readonly string[] = []): Promise<Answer> => {
    using stream = agent.channel.stream<object, Answer>(SPIRE, "SyncAuthorizedEntries");
    await stream.send({});
    const found: Answer = { entries: [], entry_revisions: [], more: false };
    const all = { entries: [...found.entries], entry_revisions: [...found.entry_revisions] };
    let isAsked = false;
    for await (const answer of stream) {
      all.entries.push(...answer.entries);
      all.entry_revisions.push(...answer.entry_revisions);
      if (answer.more) continue;
      if (isAsked || ids.length === 0) break;
      isAsked = true;
      await stream.send({ ids });
    }
    return { ...all, more: false };
  };
  await bundle("a.example");
  const { results } = await admin.unary<BatchCreateEntryResponse__Output>(OWN, "BatchCreateEntry", {
    entries: [entry(["*"], "/all")],
  });
  const allId = results[0]?.entry?.id ?? "";
  const shown = ({ entries }: Pick<Answer, "entries">) => entries.find(({ id }) => id === allId);
  t.match(shown(await sync()), { federates_with: ["a.example"], revision_number: "0" });
  await bundle("b.example");
  t.match(
    shown(await sync()),
    { federates_with: ["a.example", "b.example"], revision_number: "0" },
    "few entries come whole: no new revision, no new SVID",
  );
  const authorized = await agent.channel.unary<Answer>(SPIRE, "GetAuthorizedEntries", {});
  t.same(shown(authorized)?.federates_with, ["a.example", "b.example"]);

  // Many come as revisions first; the agent asks again for what has another one.
  await admin.unary(OWN, "BatchCreateEntry", {
    entries: Array.from({ length: 600 }, (_, i) => entry([], `/n${i}`)),
  });
  const revision = async (): Promise<string> =>
    (await sync()).entry_revisions.find((each) => each.id === allId)?.revision_number ?? "";
  const before = await revision();
  t.equal(await revision(), before, "the same while the domains are");
  const whole = (await sync([allId])).entries[0];
  t.match(whole, { federates_with: ["a.example", "b.example"], revision_number: before });
  await bundle("c.example");
  t.not(await revision(), before);
  t.same((await sync([allId])).entries[0]?.federates_with, ["a.example", "b.example", "c.example"]);
});
