/** Foreign bundles kept fresh by a real server: two of our own, and peers that misbehave. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { ServerConfig } from "../../../src/config/server/server-config.ts";
import { createLogger } from "../../../src/observe/logger.ts";
import { encodeBundleDocument } from "../../../src/spiffe/bundle-document.ts";
import type { Bundle } from "../../../src/spiffe/bundle.ts";
import { encodePem } from "../../../src/x509/pem.ts";
import { temporaryFolder } from "../../support/caller.ts";
import { quiet } from "../../support/quiet.ts";
import { refused } from "../../support/refused.ts";
import { BUNDLE_SERVICE, type TestServer, startTestServer } from "../../support/server.ts";
import { TestCa } from "../../support/test-ca.ts";
import { PEER, PEER_SERVER, answering, caOfToday, endpointLeaf, serveBundle } from "./endpoint.ts";

const SERVICE = "spire.api.server.trustdomain.v1.TrustDomain";
const AUTHORITIES = "spire.api.server.localauthority.v1.LocalAuthority";

type Domains = NonNullable<NonNullable<ServerConfig["federation"]>["federatesWith"]>;

interface BundleMessage {
  readonly x509_authorities: readonly { readonly asn1: Uint8Array }[];
  readonly jwt_authorities: readonly object[];
  readonly refresh_hint: string;
}

const bundleOf = ({ admin }: TestServer, trust_domain: string): Promise<BundleMessage> =>
  admin.unary(BUNDLE_SERVICE, "GetFederatedBundle", { trust_domain });
const refresh = ({ admin }: TestServer, trust_domain: string): Promise<object> =>
  admin.unary(SERVICE, "RefreshBundle", { trust_domain });

function configured(
  endpointUrl: string,
  more: Partial<Domains extends ReadonlyMap<string, infer D> ? D : never> = {},
): Domains {
  const endpointSpiffeId = PEER_SERVER;
  return new Map([[PEER, { endpointUrl, profile: "https_spiffe", endpointSpiffeId, ...more }]]);
}

/** Moves on until the condition holds, round by round. */
async function until(
  { clock }: TestServer,
  what: string,
  holds: () => Promise<boolean> | boolean,
): Promise<void> {
  for (let step = 0; step < 400; step++) {
    await quiet();
    if (await holds()) return;
    await clock.advance(1000);
  }
  throw new Error(`${what}: not within 400 s of the clock`);
}

async function text(server: TestServer, path: string): Promise<string> {
  const { host, port } = server.server.metricsAddress ?? { host: "", port: 0 };
  return (await fetch(`http://${host}:${port}${path}`)).text();
}

t.test("two servers follow each other's authorities", async (t) => {
  const dir = temporaryFolder(t);
  const bundleEndpoint = {
    listen: "127.0.0.1:0",
    profile: "https_spiffe",
    refreshHint: 10,
  } as const;
  const a = await startTestServer(t, {
    config: { trustDomain: PEER, federation: { bundleEndpoint } },
  });
  const bundleFile = join(dir, "partner.pem");
  writeFileSync(bundleFile, await a.rootsPem());
  const url = `https://localhost:${a.server.bundleEndpointAddress?.port}/`;
  const b = await startTestServer(t, {
    config: { federation: { federatesWith: configured(url, { bundleFile }) } },
  });
  t.match(
    await bundleOf(b, PEER),
    { jwt_authorities: { length: 0 } },
    "the file's, from the start",
  );
  await until(
    b,
    "the first fetch",
    async () => (await bundleOf(b, PEER)).jwt_authorities.length > 0,
  );
  t.match(await bundleOf(b, PEER), { refresh_hint: "10", x509_authorities: { length: 1 } });

  await a.admin.unary(AUTHORITIES, "PrepareX509Authority", {});
  await b.clock.advance(10_000);
  await until(
    b,
    "the prepared one",
    async () => (await bundleOf(b, PEER)).x509_authorities.length > 1,
  );

  // The endpoint shows an SVID of the new authority; the bundle that was fetched verifies it.
  const { prepared } = await a.admin.unary<{ prepared: { authority_id: string } }>(
    AUTHORITIES,
    "GetX509AuthorityState",
    {},
  );
  await a.admin.unary(AUTHORITIES, "ActivateX509Authority", prepared);
  await a.clock.advance(2000);
  await refresh(b, PEER);

  // The other way round: by the API, with the first bundle in the request.
  await refused(t, refresh(a, "example.org"), { kind: "not_found" });
});

t.test("relationships by the API take effect at once, and so do their ends", async (t) => {
  const ca = await caOfToday();
  let served: Bundle = { ...ca.bundle(), refreshHint: 60 };
  let asked = 0;
  const first = Promise.withResolvers<void>();
  const url = await serveBundle(t, await endpointLeaf(ca), (request, response) => {
    asked += 1;
    first.resolve();
    answering(served)(request, response);
  });
  const rig = await startTestServer(t, { config: { metricsListen: "127.0.0.1:0" } });
  const create = (fields: object): Promise<unknown> =>
    rig.admin.unary(SERVICE, "BatchCreateFederationRelationship", {
      federation_relationships: [{ trust_domain: PEER, bundle_endpoint_url: url, ...fields }],
    });
  const https_spiffe = { endpoint_spiffe_id: PEER_SERVER };
  await create({ https_spiffe });
  await refused(t, refresh(rig, PEER), { kind: "precondition", message: /no bundle of/ });
  t.equal(asked, 0);
  // Once the bundle is there the endpoint can be verified: nobody waits for the next round.
  await rig.admin.unary(BUNDLE_SERVICE, "BatchSetFederatedBundle", {
    bundle: [{ trust_domain: PEER, x509_authorities: [{ asn1: ca.der }] }],
  });
  await first.promise; // though the clock stands still
  const fetched = async (): Promise<string> => (await bundleOf(rig, PEER)).refresh_hint;
  await until(rig, "what was fetched", async () => (await fetched()) === "60");

  // A bundle set by hand holds until the next round.
  await rig.admin.unary(BUNDLE_SERVICE, "BatchSetFederatedBundle", {
    bundle: [{ trust_domain: PEER, x509_authorities: [{ asn1: ca.der }], refresh_hint: 7 }],
  });
  t.equal(await fetched(), "7");
  await refresh(rig, PEER);
  t.equal(await fetched(), "60");

  const keyless: Bundle = { ...served, x509Authorities: [], jwtAuthorities: [], refreshHint: 30 };
  served = keyless;
  await refresh(rig, PEER);
  t.match(await bundleOf(rig, PEER), { x509_authorities: { length: 0 } }, "all keys revoked");

  // Nothing verifies the endpoint any more; the operator has to begin anew.
  await refused(t, refresh(rig, PEER), { message: /does not prove to be/ });
  const gone = await TestCa.create({ trustDomain: PEER, notBefore: 1, notAfter: 2 });
  served = { ...keyless, x509Authorities: gone.bundle().x509Authorities };
  await rig.admin.unary(BUNDLE_SERVICE, "BatchSetFederatedBundle", {
    bundle: [{ trust_domain: PEER, x509_authorities: [{ asn1: ca.der }] }],
  });
  const complaint = /partner\.example has no authority that is valid/;
  await until(rig, "expired roots", async () => complaint.test(await text(rig, "/ready")));
  t.match(await bundleOf(rig, PEER), { x509_authorities: [{ asn1: Buffer.from(gone.der) }] });

  const before = asked;
  await rig.admin.unary(SERVICE, "BatchDeleteFederationRelationship", { trust_domains: [PEER] });
  await refused(t, refresh(rig, PEER), { kind: "not_found" });
  await rig.clock.advance(3600_000);
  await quiet();
  t.equal(asked, before, "nobody asks any more");
  t.ok(await bundleOf(rig, PEER), "the bundle stays");
});

t.test("one bad peer fails alone; its last good bundle stays", async (t) => {
  const lines: string[] = [];
  const logger = createLogger({
    level: "info",
    format: "text",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  const dir = temporaryFolder(t);
  const ca = await caOfToday();
  const good = await caOfToday("good.example");
  let isBad = false;
  let isSlow = false;
  const bad = await serveBundle(t, await endpointLeaf(ca), (request, response) => {
    if (isSlow) response.write("{");
    else if (isBad) response.writeHead(503).end("down for repair");
    else answering({ ...ca.bundle(), refreshHint: 20 })(request, response);
  });
  let goodAsked = 0;
  const goodId = "spiffe://good.example/spire/server";
  const other = await serveBundle(t, await endpointLeaf(good, goodId), (request, response) => {
    goodAsked += 1;
    answering({ ...good.bundle(), refreshHint: 20 })(request, response);
  });
  const domain = (name: string, ofCa: typeof ca, endpointUrl: string, endpointSpiffeId: string) => {
    const bundleFile = join(dir, name);
    writeFileSync(bundleFile, encodePem("CERTIFICATE", ofCa.der));
    return [name, { endpointUrl, profile: "https_spiffe", endpointSpiffeId, bundleFile }] as const;
  };
  const federatesWith = new Map([
    domain(PEER, ca, bad, PEER_SERVER),
    domain("good.example", good, other, goodId),
  ]);
  const rig = await startTestServer(t, {
    logger,
    config: { federation: { federatesWith }, metricsListen: "127.0.0.1:0" },
  });
  await until(
    rig,
    "both",
    () => goodAsked > 0 && lines.filter((l) => /bundle changed/.test(l)).length === 2,
  );
  t.match(await text(rig, "/ready"), /"federation":"ok"/);

  isBad = true;
  const goodBefore = goodAsked;
  await rig.clock.advance(21_000);
  await until(rig, "a failure", () =>
    lines.some((l) => /was not fetched; the last one stays/.test(l)),
  );
  t.ok(goodAsked > goodBefore, "the other is asked as ever");
  for (let round = 0; round < 8; round++) {
    await rig.clock.advance(20_000);
    await quiet();
  }
  t.equal(lines.filter((l) => /was not fetched/.test(l)).length, 1, "one line for one trouble");
  t.match(await bundleOf(rig, PEER), { x509_authorities: [{ asn1: Buffer.from(ca.der) }] });
  const ready = await fetch(`http://127.0.0.1:${rig.server.metricsAddress?.port}/ready`);
  t.equal(ready.status, 200, "a foreign domain is no reason to be not ready");
  t.match(
    await ready.text(),
    /"federation":"1 of 2 foreign bundles need a look: partner\.example not fetched for \d+ s \(.*status 503\)"/,
  );
  const metrics = await text(rig, "/metrics");
  t.match(metrics, /assay_server_federated_domains\{state="all"\} 2\n/);
  t.match(metrics, /assay_server_federated_domains\{state="failing"\} 1\n/);
  t.match(metrics, /assay_server_federated_domains\{state="late"\} 1\n/);
  t.match(metrics, /federated_bundle_age_seconds\{trust_domain_id="partner\.example"\} 1[6-9]\d/);
  t.match(metrics, /federated_bundle_failures\{trust_domain_id="good\.example"\} 0\n/);
  t.match(metrics, /bundle_manager_fetch_federated_bundle\{status="Unknown"\} \d/);

  isSlow = true;
  const slow = refused(t, refresh(rig, PEER), { kind: "precondition", message: /within 20 s/ });
  await until(rig, "the deadline", () => lines.some((l) => /within 20 s/.test(l)));
  await slow;
  isSlow = false;
  isBad = false;
  // The loop itself may be in a slow fetch just then, which only the clock ends.
  const back = refresh(rig, PEER).catch(() => refresh(rig, PEER));
  await until(rig, "recovery", () => lines.some((l) => /fetched again/.test(l)));
  await back;
  t.match(await text(rig, "/ready"), /"federation":"ok"/);
});

t.test("a clock that is a day off trusts nobody, and forgets nobody", async (t) => {
  const ca = await caOfToday();
  const bundleFile = join(temporaryFolder(t), "partner.json");
  writeFileSync(bundleFile, encodeBundleDocument(ca.bundle()));
  const url = await serveBundle(t, await endpointLeaf(ca), answering(ca.bundle()));
  const federatesWith = configured(url, { bundleFile });
  const rig = await startTestServer(t, {
    config: { federation: { federatesWith }, metricsListen: "127.0.0.1:0" },
  });
  await refresh(rig, PEER);
  for (const [name, ms, message] of [
    ["ahead", 86_400_000, /does not prove to be .*: certificate expired at/],
    ["behind", -2 * 86_400_000, /does not prove to be .*: certificate is not valid before/],
  ] as const) {
    rig.clock.step(ms);
    await refused(t, refresh(rig, PEER), { kind: "precondition", message }, name);
    t.match(await bundleOf(rig, PEER), { x509_authorities: { length: 1 } });
    t.match(
      await text(rig, "/metrics"),
      /federated_bundle_age_seconds\{[^}]*\} \d/,
      "no negative age",
    );
  }
  rig.clock.step(86_400_000);
  await refresh(rig, PEER);
});

t.test("domains of the configuration file", async (t: Test) => {
  const dir = temporaryFolder(t);
  const ca = await caOfToday();
  const url = await serveBundle(t, await endpointLeaf(ca), answering(ca.bundle()));
  const bundleFile = join(dir, "partner.pem");
  writeFileSync(bundleFile, encodePem("CERTIFICATE", ca.der));
  const federation = { federatesWith: configured(url, { bundleFile }) };
  const rig = await startTestServer(t, { config: { federation } });
  const { results } = await rig.admin.unary<{ results: readonly object[] }>(
    SERVICE,
    "BatchCreateFederationRelationship",
    { federation_relationships: [{ trust_domain: PEER, bundle_endpoint_url: url, https_web: {} }] },
  );
  t.match(results[0], { status: { code: 6, message: /configuration file.*change it there/ } });
  for (const [method, request] of [
    ["BatchDeleteFederationRelationship", { trust_domains: [PEER] }],
    [
      "BatchUpdateFederationRelationship",
      {
        federation_relationships: [{ trust_domain: PEER, bundle_endpoint_url: url }],
        input_mask: { bundle_endpoint_url: true },
      },
    ],
  ] as const) {
    const answer = await rig.admin.unary<{ results: readonly object[] }>(SERVICE, method, request);
    t.match(answer.results[0], { status: { code: 9, message: /configuration file/ } }, method);
  }
  await refresh(rig, PEER);

  const change = (next: ServerConfig["federation"]) =>
    rig.server.reload(async () => ({
      config: { ...rig.config, ...(next === undefined ? {} : { federation: next }) },
      settings: ["federation"],
    }));
  const none = configured(url, { bundleFile: join(dir, "none") });
  await refused(t, change({ federatesWith: none }), {
    kind: "precondition",
    message:
      /federation\.federatesWith\.partner\.example\.bundleFile: .*none cannot be read \(ENOENT\)/,
  });
  await refresh(rig, PEER);
  await change({ federatesWith: new Map() });
  await refused(t, refresh(rig, PEER), { kind: "not_found" });
  await change(federation);
  await refresh(rig, PEER);

  for (const [name, content, message] of [
    ["empty", "", /there is no certificate in it/],
    ["no bundle", "{}", /no list 'keys'/],
    ["too large", " ".repeat(1 << 21), /larger than/],
  ] as const) {
    const file = join(dir, name);
    writeFileSync(file, content);
    const federatesWith = configured(url, { bundleFile: file });
    const start = startTestServer(t, { config: { federation: { federatesWith } } });
    await refused(t, start, { message }, name);
  }
});
