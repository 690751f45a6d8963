import t from "tap";
import { connectUnix } from "../../src/rpc/channel.ts";
import type { SubscribeToJWTBundlesResponse__Output } from "../../src/rpc/gen/spiffe/broker/SubscribeToJWTBundlesResponse.ts";
import type { SubscribeToX509BundlesResponse__Output } from "../../src/rpc/gen/spiffe/broker/SubscribeToX509BundlesResponse.ts";
import type { SubscribeToX509SVIDResponse__Output } from "../../src/rpc/gen/spiffe/broker/SubscribeToX509SVIDResponse.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { decodePem } from "../../src/x509/pem.ts";
import {
  BrokerClient,
  type Identity,
  PID_TYPE,
  SLEEP,
  identityOf,
  process,
  scene,
  untilEnded,
} from "../support/broker-scene.ts";
import { refused } from "../support/refused.ts";
import { id } from "../support/running.ts";
import { TestCa } from "../support/test-ca.ts";
import { Watch, WorkloadClient } from "../support/workload-client.ts";
import { PATIENCE_MS } from "../support/patience.ts";

t.test("a broker gets what a process has, as long as it runs", async (t) => {
  const { local, identity, child, domain, agentId } = await scene(t);
  using client = new BrokerClient(local, identity);
  using watch = client.x509(process(child.pid));
  const one = await watch.next();
  t.same(
    one.svids.map(({ spiffe_id }) => spiffe_id),
    [id("/sleep")],
  );
  t.equal(client.server, agentId, "the agent shows its own SVID");
  t.ok(one.svids[0]?.x509_svid_key.length);
  t.ok(one.svids[0]?.bundle.length);

  using bundles = client.watch<SubscribeToX509BundlesResponse__Output>(
    "SubscribeToX509Bundles",
    process(child.pid),
  );
  t.same(Object.keys((await bundles.next()).bundles), ["spiffe://example.org"]);
  using keys = client.watch<SubscribeToJWTBundlesResponse__Output>(
    "SubscribeToJWTBundles",
    process(child.pid),
  );
  t.match(String((await keys.next()).bundles["spiffe://example.org"]), /"keys":\[\{/);
  const { svids } = await client.jwt({ ...process(child.pid), audience: ["db"] });
  t.same(
    svids.map(({ spiffe_id }) => spiffe_id),
    [id("/sleep")],
  );

  await domain.entry({ path: "/two", selectors: [`unix:path:${SLEEP}`] });
  t.equal((await watch.next()).svids.length, 2);
  await domain.entry({ path: "/admin", selectors: [`unix:path:${SLEEP}`], more: { admin: true } });
  await domain.entry({ path: "/three", selectors: [`unix:path:${SLEEP}`] });
  t.same(
    (await watch.next()).svids.map(({ spiffe_id }) => spiffe_id),
    [id("/sleep"), id("/two"), id("/three")],
    "of no administrator",
  );
  const over = { kind: "not_found", reason: "WORKLOAD_NOT_FOUND" } as const;
  const ended = [watch, bundles, keys].map((each) => refused(t, each.next(), over));
  child.kill("SIGKILL");
  await Promise.all(ended);
});

t.test("over TCP a process is named only by a broker that may", async (t) => {
  const mayNot = await scene(t);
  using denied = new BrokerClient(mayNot.remote, mayNot.identity);
  await refused(t, denied.x509(process(mayNot.child.pid)).next(), {
    kind: "denied",
    message: /pidOverTcp/,
  });
  const may = await scene(t, [{ id: id("/broker"), pidOverTcp: true, pods: false }]);
  using client = new BrokerClient(may.remote, may.identity);
  using watch = client.x509(process(may.child.pid));
  t.equal((await watch.next()).svids[0]?.spiffe_id, id("/sleep"));
});

t.test("who is no broker", async (t) => {
  const { local, remote, identity, child } = await scene(t, [
    { id: id("/other"), pidOverTcp: true, pods: false },
    { id: "spiffe://other.test/broker", pidOverTcp: true, pods: false },
  ]);
  const request = process(child.pid);
  const foreign = await TestCa.create({ trustDomain: "other.test" });
  const forged = await TestCa.create();
  const now = Math.floor(Date.now() / 1000);
  const times = { notBefore: now - 60, notAfter: now + 600 };
  const leaf = (ca: TestCa, path: string): Promise<Identity> =>
    ca.leaf({ spiffeId: `spiffe://${ca.trustDomain}${path}`, ...times });
  const cases: readonly (readonly [string, Identity | undefined, object])[] = [
    ["without a certificate", undefined, { kind: "unauthenticated" }],
    ["with another SPIFFE ID", identity, { kind: "denied", message: /not configured as a broker/ }],
    ["of an unknown domain", await leaf(foreign, "/broker"), { kind: "unauthenticated" }],
    ["signed by somebody", await leaf(forged, "/other"), { kind: "unauthenticated" }],
  ];
  for (const [name, who, expected] of cases) {
    for (const target of [local, remote]) {
      using client = new BrokerClient(target, who);
      await refused(t, client.x509(request).next(), expected, name);
      await refused(t, client.jwt({ ...request, audience: ["a"] }), expected, name);
    }
  }
});

t.test("a broker whose SVID is revoked is none any more", async (t) => {
  const { domain, local, remote, identity, child, workloadApi } = await scene(t, undefined, {
    revocation: { crlTtl: 24 * 3600 },
  });
  using client = new BrokerClient(local, identity);
  using watch = client.x509(process(child.pid));
  await watch.next();
  using workload = new WorkloadClient(workloadApi);
  using own = workload.x509();
  await own.next();
  const revoked = { kind: "unauthenticated", message: /was revoked/ } as const;
  const over = refused(t, untilEnded(watch), revoked, "its open stream");
  const renewed = own.next();
  const admin = connectUnix(domain.server.socket);
  t.teardown(() => admin.close());
  const { serial } = parseCertificate(decodePem(identity.certPem)[0]?.der ?? new Uint8Array());
  await admin.unary("assay.revocation.v1.Revocation", "RevokeX509SVID", { serial });
  await over;
  for (const target of [local, remote]) {
    using again = new BrokerClient(target, identity);
    await refused(t, again.x509(process(child.pid)).next(), revoked, target);
    await refused(t, again.jwt({ ...process(child.pid), audience: ["a"] }), revoked, target);
  }
  let next = await renewed;
  while (identityOf(next).certPem === identity.certPem) next = await own.next();
  using successor = new BrokerClient(local, identityOf(next));
  t.equal((await successor.x509(process(child.pid)).next()).svids[0]?.spiffe_id, id("/sleep"));
});

t.test("a broker of another trust domain, as long as its bundle trusts it", async (t) => {
  const { domain, local, remote, child } = await scene(t, [
    { id: "spiffe://other.test/broker", pidOverTcp: true, pods: false },
  ]);
  const now = Math.floor(Date.now() / 1000);
  const times = { notBefore: now - 60, notAfter: now + 600 };
  const foreign = await TestCa.create({ trustDomain: "other.test", ...times });
  const setBundle = (ca: TestCa) =>
    domain.call("bundle.v1.Bundle", "BatchSetFederatedBundle", {
      bundle: [{ trust_domain: "other.test", x509_authorities: [{ asn1: Buffer.from(ca.der) }] }],
    });
  await setBundle(foreign);
  const identity = await foreign.leaf({ spiffeId: "spiffe://other.test/broker", ...times });
  const other = await foreign.leaf({ spiffeId: "spiffe://other.test/else", ...times });
  const unknown = { kind: "unauthenticated", message: /does not know/ } as const;
  {
    using early = new BrokerClient(local, identity);
    await refused(t, early.x509(process(child.pid)).next(), unknown, "before any entry names it");
  }
  await domain.entry({
    path: "/federated",
    selectors: [`unix:path:${SLEEP}`],
    more: { federates_with: ["other.test"] },
  });
  using client = new BrokerClient(local, identity);
  const late = performance.now() + PATIENCE_MS;
  const open = async (): Promise<Watch<SubscribeToX509SVIDResponse__Output>> => {
    const stream = client.x509(process(child.pid));
    const answer = await stream.next().catch((error: unknown) => error);
    if (!(answer instanceof Error)) return stream;
    if (!unknown.message.test(answer.message) || performance.now() > late) throw answer;
    return open(); // the agent has not been told yet
  };
  using watch = await open();
  using far = new BrokerClient(remote, identity);
  t.ok((await far.x509(process(child.pid)).next()).svids.length > 0, "over TCP");
  using stranger = new BrokerClient(local, other);
  await refused(t, stranger.x509(process(child.pid)).next(), { kind: "denied" });

  const over = refused(t, untilEnded(watch), { kind: "unauthenticated" }, "with its authority");
  await setBundle(await TestCa.create({ trustDomain: "other.test", ...times }));
  await over;
  await refused(t, far.x509(process(child.pid)).next(), { kind: "unauthenticated" });
});

t.test("requests that are refused, each with its reason", async (t) => {
  const { local, identity, child, domain, entryId } = await scene(t);
  using client = new BrokerClient(local, identity);
  const invalid = { kind: "invalid", reason: "WORKLOAD_REFERENCE_INVALID" };
  const missing = { kind: "not_found", reason: "WORKLOAD_NOT_FOUND" };
  const of = (type_url: string, value: Uint8Array): object => ({
    reference: { reference: { type_url, value } },
  });
  const cases: readonly (readonly [string, object, object])[] = [
    ["no reference", {}, invalid],
    ["an empty one", { reference: {} }, invalid],
    ["pid 0", process(0), invalid],
    ["a pid below 0", process(-1), invalid],
    ["a pid that nobody has", process(0x7fffffff), missing],
    ["no pid", of(PID_TYPE, new Uint8Array()), invalid],
    ["a pid that is broken", of(PID_TYPE, Buffer.of(8)), invalid],
    ["another type", of("type.googleapis.com/spiffe.broker.Other", new Uint8Array()), invalid],
  ];
  for (const [name, request, expected] of cases) {
    await refused(t, client.x509(request).next(), expected, name);
    await refused(t, client.jwt({ ...request, audience: ["a"] }), expected, name);
  }
  await refused(t, client.jwt(process(child.pid)), { kind: "invalid", message: /audience/ });
  const entitled = { kind: "denied", reason: "WORKLOAD_NOT_ENTITLED" } as const;
  const wrong = { ...process(child.pid), audience: ["a"], spiffe_id: id("/other") };
  await refused(t, client.jwt(wrong), entitled);
  using watch = client.x509(process(child.pid));
  await watch.next();
  const over = refused(t, watch.next(), entitled);
  await domain.deleteEntry(entryId);
  await over;

  for (const metadata of [{}, { "broker.spiffe.io": "True" }]) {
    using plain = new BrokerClient(local, identity, metadata);
    await refused(t, plain.x509(process(child.pid)).next(), {
      kind: "invalid",
      message: /security header/,
    });
  }
});
