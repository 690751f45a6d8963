import { X509Certificate, createPrivateKey } from "node:crypto";
import t from "tap";
import { bundlePem } from "../../src/agent/sds/bundle-pem.ts";
import type { AgentConfig } from "../../src/config/agent/agent-config.ts";
import type { Node } from "../../src/rpc/gen/envoy/config/core/v3/Node.ts";
import { type LogFields, type Logger, silentLogger } from "../../src/observe/logger.ts";
import { encodeCrlTbs, finishCrl } from "../../src/x509/crl.ts";
import { decodePem, encodePem } from "../../src/x509/pem.ts";
import { refused } from "../support/refused.ts";
import { Domain, id } from "../support/running.ts";
import {
  type Answer,
  type OpenSecret,
  SECRET_TYPE,
  SdsClient,
  ack,
  nack,
  namesOf,
} from "../support/sds-client.ts";
import { TestCa } from "../support/test-ca.ts";

const OWN = "spiffe://example.org";

interface Scene extends AsyncDisposable {
  readonly domain: Domain;
  readonly client: SdsClient;
  readonly first: string;
}

/** A domain with two entries for this process, of which the first federates with other.test. */
async function scene(
  change: Partial<AgentConfig> = {},
  onLine: (message: string, fields: LogFields) => void = () => undefined,
): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const logger: Logger = {
    ...silentLogger,
    warn: (message, fields) => onLine(message, fields ?? {}),
    child: () => logger,
  };
  const domain = stack.use(await Domain.start({}, logger));
  await setForeign(domain, "other.test");
  const first = await domain.entry({ path: "/one", more: { federates_with: ["other.test"] } });
  await domain.entry({ path: "/two" });
  const agent = await domain.startAgent(change);
  const client = stack.use(new SdsClient(agent.socket));
  return { domain, client, first, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** @returns its one authority, PEM */
async function setForeign(domain: Domain, trustDomain: string): Promise<string> {
  const { der } = await TestCa.create({ trustDomain });
  await domain.call("bundle.v1.Bundle", "BatchSetFederatedBundle", {
    bundle: [{ trust_domain: trustDomain, x509_authorities: [{ asn1: Buffer.from(der) }] }],
  });
  return encodePem("CERTIFICATE", der);
}

/** Has the SVID of an entry made anew. */
async function change(domain: Domain, entryId: string, dnsName: string): Promise<void> {
  await domain.call("entry.v1.Entry", "BatchUpdateEntry", {
    entries: [{ id: entryId, dns_names: [dnsName] }],
    input_mask: { dns_names: true },
  });
}

function leafOf(secret: OpenSecret | undefined): X509Certificate {
  return new X509Certificate(secret?.certificates ?? "");
}

t.test("each name gives its secret, under that name", async (t) => {
  await using at = await scene();
  const { client, domain } = at;
  const roots = await domain.bundlePem();
  const { secrets, typeUrl } = await client.fetch("default", id("/two"), "ROOTCA", OWN, "ALL");
  t.equal(typeUrl, SECRET_TYPE);
  t.same(namesOf({ secrets }), ["default", id("/two"), "ROOTCA", OWN, "ALL"]);
  const [first, second, rootca, own, all] = secrets;
  t.equal(leafOf(first).subjectAltName, `URI:${id("/one")}`, "the first SVID");
  t.equal(leafOf(second).subjectAltName, `URI:${id("/two")}`);
  const key = createPrivateKey(second?.key ?? "");
  t.ok(leafOf(second).checkPrivateKey(key), "with its own key");
  t.equal(decodePem(second?.key ?? "")[0]?.label, "PRIVATE KEY");
  t.same(rootca?.domains, [["example.org", roots]], "names without a scheme");
  t.same(own?.domains, rootca?.domains, "ROOTCA and the domain's ID together");
  t.same(
    all?.domains?.map(([name]) => name),
    ["example.org", "other.test"],
  );

  t.same(namesOf(await client.fetch("spiffe://other.test")), ["spiffe://other.test"]);
  const everything = await client.fetch();
  t.same(namesOf(everything), [id("/one"), id("/two"), OWN, "spiffe://other.test"]);
  t.same(namesOf(await client.fetch("*", "default")).sort(), [
    "default",
    OWN,
    id("/one"),
    id("/two"),
    "spiffe://other.test",
  ]);
  t.same(namesOf(await client.fetch("", "ROOTCA", "ROOTCA")), ["ROOTCA"]);
});

t.test("names that nobody has do not spoil the others", async (t) => {
  await using at = await scene();
  const { client } = at;
  const names = ["file-root:system", "default", id("/three"), "spiffe://third.test"];
  t.same(namesOf(await client.fetch(...names)), ["default"]);
  await refused(t, client.fetch("file-root:system"), { kind: "not_found" });
  using stream = client.stream();
  t.same(namesOf(await stream.ask({ resource_names: names })), ["default"]);
});

t.test("names can be chosen, and plain authorities asked for", async (t) => {
  await using at = await scene({
    sds: {
      defaultSvidName: "me",
      defaultBundleName: "roots",
      defaultAllBundlesName: "everyone",
      disableSpiffeCertValidation: true,
    },
  });
  const { client, domain } = at;
  const { secrets } = await client.fetch("me", "roots", "everyone", "default", "ROOTCA", "ALL");
  t.same(namesOf({ secrets }), ["me", "roots"], "plain authorities of all domains are one pool");
  t.equal(secrets[1]?.trusted, await domain.bundlePem());
  const node: Node = {
    metadata: { fields: { disable_spiffe_cert_validation: { boolValue: false } } },
  };
  const own = await client.fetchWith({ resource_names: ["roots", "everyone"], node });
  t.same(
    own.secrets.map(({ domains }) => domains?.length),
    [1, 2],
  );
});

t.test("a proxy says which validator it has", async (t) => {
  const metadata = (value: object): Node => ({
    metadata: { fields: { disable_spiffe_cert_validation: value } },
  });
  const build = (major_number: number, minor_number: number): Node => ({
    user_agent_build_version: { version: { major_number, minor_number, patch: 9 } },
  });
  const cases: readonly (readonly [string, Node | undefined, boolean])[] = [
    ["no node", undefined, false],
    ["true", metadata({ boolValue: true }), true],
    ["false", metadata({ boolValue: false }), false],
    ["text", metadata({ stringValue: "true" }), true],
    ["text of Go's", metadata({ stringValue: "T" }), true],
    ["other text", metadata({ stringValue: "yes" }), false],
    ["number", metadata({ numberValue: 1 }), false],
    ["null", metadata({ nullValue: "NULL_VALUE" }), false],
    ["list", metadata({ listValue: { values: [{ boolValue: true }] } }), false],
    ["no value at all", metadata({}), false],
    ["Envoy 1.17", build(1, 17), true],
    ["Envoy 1.18", build(1, 18), false],
    ["Envoy 2.0", build(2, 0), false],
    ["Envoy 0.9", build(0, 9), true],
    ["a version of words", { user_agent_version: "1.2" }, false],
    ["a build without a version", { user_agent_build_version: {} }, false],
  ];
  await using at = await scene();
  for (const [name, node, isPlain] of cases) {
    const { secrets } = await at.client.fetchWith({
      resource_names: ["ROOTCA"],
      ...(node === undefined ? {} : { node }),
    });
    t.equal(secrets[0]?.trusted !== undefined, isPlain, name);
  }
  using stream = at.client.stream();
  const plain = metadata({ boolValue: true });
  const answer = await stream.ask({ resource_names: ["ROOTCA"], node: plain });
  const later = await stream.ask(ack(answer, "ROOTCA", OWN));
  t.ok(
    later.secrets.every(({ trusted }) => trusted !== undefined),
    "the node of the first request holds for the stream",
  );
});

t.test("a stream answers when its names change and when what they stand for does", async (t) => {
  await using at = await scene();
  const { client, domain, first } = at;
  using stream = client.stream();
  const one = await stream.ask({ resource_names: ["default"], type_url: SECRET_TYPE });
  stream.send(ack(one, "default"));
  const two = await stream.ask(ack(one, "default", "ROOTCA"));
  t.same(namesOf(two), ["default", "ROOTCA"], "all of it, and nothing for the acknowledgement");
  t.not(two.nonce, one.nonce);
  stream.send(ack(two, "default", "ROOTCA"));

  await change(domain, first, "one.test");
  const three = await stream.next();
  t.same(namesOf(three), ["default", "ROOTCA"]);
  t.match(leafOf(three.secrets[0]).subjectAltName, /DNS:one\.test/);
  t.not(three.version, two.version);

  stream.send(ack(two, "spiffe://other.test"));
  stream.send(ack(three, id("/two")));
  t.same(namesOf(await stream.next()), [id("/two")], "a stale nonce counts for nothing");
});

t.test("what was rejected is not sent again until something changes", async (t) => {
  const said: LogFields[] = [];
  await using at = await scene({}, (message, fields) => {
    if (message === "a proxy rejected its secrets") said.push(fields);
  });
  const { client, domain, first } = at;
  using stream = client.stream();
  const one = await stream.ask({ resource_names: ["default"] });
  for (let i = 0; i < 100; i++) await stream.taken(nack(one, "default"));
  const two = await stream.ask(nack(one, "default", "ROOTCA"));
  t.same(namesOf(two), ["default", "ROOTCA"], "a rejection may ask for other names");
  stream.send(nack(two, "default", "ROOTCA"));
  await change(domain, first, "again.test");
  const three = await stream.next();
  t.match(leafOf(three.secrets[0]).subjectAltName, /DNS:again\.test/);
  t.match(said[0], { reason: "cannot use it" });
  t.ok(said.length <= 30, "a proxy that rejects for ever does not fill the log");
});

t.test("a stream goes on where one of before a restart ended", async (t) => {
  await using at = await scene();
  using stream = at.client.stream();
  const one = await stream.ask({
    resource_names: ["default"],
    version_info: "7",
    response_nonce: "of another agent",
  });
  t.same(namesOf(one), ["default"], "the old nonce and version are answered");
  using rejecting = at.client.stream();
  const two = await rejecting.ask({ ...nack(one, "ROOTCA"), response_nonce: "old" });
  t.same(namesOf(two), ["ROOTCA"]);
  using again = at.client.stream();
  const three = await again.ask({ resource_names: ["default"] });
  t.equal(three.version, one.version, "the same state has the same version");
});

t.test("differences: what is new, what is gone, what the proxy has", async (t) => {
  await using at = await scene();
  const { client, domain, first } = at;
  using stream = client.delta();
  const one = await stream.ask({ resource_names_subscribe: ["default", "ROOTCA", "nobody"] });
  t.same(namesOf(one), ["default", "ROOTCA"]);
  t.same(one.removed, ["nobody"], "a proxy need not wait for it");
  const two = await stream.ask({
    response_nonce: one.nonce,
    resource_names_subscribe: ["ROOTCA", "spiffe://other.test"],
  });
  t.same(namesOf(two).sort(), ["ROOTCA", "spiffe://other.test"], "asked for anew, sent anew");

  stream.send({
    response_nonce: two.nonce,
    resource_names_unsubscribe: ["spiffe://other.test"],
    error_detail: { code: 3, message: "no" },
  });
  await setForeign(domain, "other.test");
  await change(domain, first, "one.test");
  const three = await stream.next();
  t.same(namesOf(three), ["default"], "nothing of what is not asked for any more");

  using back = client.delta();
  const four = await back.ask({
    resource_names_subscribe: ["default", "ROOTCA", id("/two")],
    initial_resource_versions: { ...one.versions, default: "old" },
  });
  t.same(namesOf(four).sort(), ["default", id("/two")], "without what the proxy has");

  await domain.deleteEntry(first);
  const five = await back.next();
  t.same(namesOf(five), ["default"], "the next SVID is the first one now");
  t.equal(leafOf(five.secrets[0]).subjectAltName, `URI:${id("/two")}`);
});

t.test("differences of everything", async (t) => {
  await using at = await scene();
  const { client, domain } = at;
  using stream = client.delta();
  const one = await stream.ask({ type_url: SECRET_TYPE });
  t.same(namesOf(one), [id("/one"), id("/two"), OWN, "spiffe://other.test"]);
  const third = await domain.entry({ path: "/three" });
  t.same(namesOf(await stream.next()), [id("/three")]);
  await domain.deleteEntry(third);
  t.same((await stream.next()).removed, [id("/three")]);
  stream.send({ resource_names_unsubscribe: ["*"] });
  const named = await stream.ask({ resource_names_subscribe: ["default"] });
  t.same(namesOf(named), ["default"]);
  const all = await stream.ask({ resource_names_subscribe: ["*", "default"] });
  t.ok(namesOf(all).includes("default"));
});

t.test("a caller without an identity has the own bundle, and its SVID when it comes", async (t) => {
  await using domain = await Domain.start();
  const agent = await domain.startAgent();
  using client = new SdsClient(agent.socket);
  t.same(namesOf(await client.fetch("ROOTCA", "default")), ["ROOTCA"]);
  await refused(t, client.fetch("default"), { kind: "denied", message: /no identity issued/ });
  using stream = client.stream();
  using delta = client.delta();
  const one = await stream.ask({ resource_names: ["default", "ROOTCA"] });
  t.same(namesOf(one), ["ROOTCA"]);
  t.same((await delta.ask({ resource_names_subscribe: ["default"] })).removed, ["default"]);
  const entryId = await domain.entry({ path: "/late" });
  t.same(namesOf(await stream.next()), ["default", "ROOTCA"]);
  t.same(namesOf(await delta.next()), ["default"]);

  await domain.deleteEntry(entryId);
  t.same((await delta.next()).removed, ["default"]);
  await domain.entry({ path: "/late" });
  t.same(namesOf(await delta.next()), ["default"], "and again");
});

t.test("a side that is closed goes on listening", async (t) => {
  await using at = await scene();
  using stream = at.client.stream();
  stream.send({ resource_names: ["default"] });
  stream.end();
  t.same(namesOf(await stream.next()), ["default"]);
  await change(at.domain, at.first, "closed.test");
  t.same(namesOf(await stream.next()), ["default"]);
});

t.test("a stream ends with the agent, and says to come again", async (t) => {
  await using domain = await Domain.start();
  await domain.entry({ path: "/one" });
  const agent = await domain.startAgent();
  using client = new SdsClient(agent.socket);
  using stream = client.stream();
  const one = await stream.ask({ resource_names: ["default"] });
  const ended = refused(t, stream.next(), { kind: "unavailable" });
  await agent[Symbol.asyncDispose]();
  await ended;
  await domain.startAgent({ joinToken: undefined });
  using again = client.stream();
  const two = await again.ask(ack(one, "default"));
  t.same(namesOf(two), ["default"]);
});

t.test("hostile requests end their stream and nothing else", async (t) => {
  const many = Array.from({ length: 1001 }, (_, i) => `secret-${i}`);
  const cases: readonly (readonly [string, object, string, RegExp])[] = [
    ["another type", { type_url: `${SECRET_TYPE}s` }, "invalid", /type_url is/],
    ["too many names", { resource_names: many }, "limited", /at most 1000/],
    ["a name too long", { resource_names: ["x".repeat(2049)] }, "limited", /2048 bytes/],
    ["one too long in bytes", { resource_names: ["\u00e9".repeat(1025)] }, "limited", /2048/],
  ];
  await using at = await scene();
  const { client } = at;
  using witness = client.stream();
  const seen = await witness.ask({ resource_names: ["default"] });
  for (const [name, request, kind, message] of cases) {
    using stream = client.stream();
    await refused(t, stream.ask(request), { kind, message } as object, name);
    await refused(t, client.fetchWith(request), { kind, message } as object, name);
    using delta = client.delta();
    const { resource_names, ...more } = request as { resource_names?: string[] };
    const subscribe = resource_names ?? [];
    await refused(
      t,
      delta.ask({ ...more, resource_names_subscribe: subscribe }),
      { kind, message } as object,
      name,
    );
  }

  using growing = client.delta();
  await growing.ask({ resource_names_subscribe: many.slice(0, 999) });
  await refused(t, growing.ask({ resource_names_subscribe: ["a", "b"] }), { kind: "limited" });
  using claiming = client.delta();
  await refused(
    t,
    claiming.ask({ initial_resource_versions: Object.fromEntries(many.map((n) => [n, "1"])) }),
    { kind: "limited" },
  );
  using late = client.stream();
  const one = await late.ask({ resource_names: ["default"] });
  await refused(t, late.ask({ ...ack(one, "default"), type_url: "x" }), { kind: "invalid" });

  using thousand = client.stream();
  const known = await thousand.ask({ resource_names: ["default", ...many.slice(0, 999)] });
  t.same(namesOf(known), ["default"], "a thousand names are answered by those that there are");
  t.same(namesOf(await witness.ask(ack(seen, "ROOTCA"))), ["ROOTCA"], "others go on");
});

t.test("authorities come with their revocation lists, of all of them or of none", async (t) => {
  await using domain = await Domain.start({ revocation: { crlTtl: 86_400 } });
  await domain.entry({ path: "/one" });
  const agent = await domain.startAgent();
  using client = new SdsClient(agent.socket);
  using stream = client.stream();
  const labels = ({ secrets }: Answer): string[] =>
    decodePem(secrets[0]?.domains?.[0]?.[1] ?? "").map(({ label }) => label);
  let answer = await stream.ask({ resource_names: ["ROOTCA"] });
  t.same(labels(answer), ["CERTIFICATE", "X509 CRL"]);

  await domain.call("localauthority.v1.LocalAuthority", "PrepareX509Authority", {});
  const seen = [];
  while (labels(answer).length < 4) seen.push(labels((answer = await stream.next())));
  t.same(labels(answer), ["CERTIFICATE", "CERTIFICATE", "X509 CRL", "X509 CRL"]);
  t.ok(
    seen.every((each) => each.includes("X509 CRL")),
    "the one in use has its list all along",
  );
});

t.test("lists are left out where an authority has none", async (t) => {
  const one = await TestCa.create();
  const below = await one.intermediate();
  const authority = (der: Uint8Array) => ({ der, tainted: false });
  const bundle = { ...one.bundle(), crls: [] };
  const crl = await listOf(one);
  const pem = (...labels: string[]): RegExp =>
    new RegExp(
      `^${labels.map((label) => `-----BEGIN ${label}-----[^-]*-----END ${label}-----\n`).join("")}$`,
    );
  t.match(bundlePem({ ...bundle, crls: [crl] }), pem("CERTIFICATE", "X509 CRL"));
  t.match(bundlePem(bundle), pem("CERTIFICATE"));
  t.match(bundlePem({ ...bundle, crls: [Buffer.from("x")] }), pem("CERTIFICATE"));
  t.match(
    bundlePem({ ...bundle, crls: [await listOf(await TestCa.create())] }),
    pem("CERTIFICATE"),
  );
  const next = await TestCa.create({ name: "next" });
  const old = await TestCa.create({ name: "old", notBefore: one.certificate.notBefore - 60 });
  const withOther = (other: TestCa) => ({
    ...bundle,
    x509Authorities: [authority(one.der), authority(other.der)],
    crls: [crl],
  });
  const two = ["CERTIFICATE", "CERTIFICATE"];
  t.match(bundlePem(withOther(next)), pem(...two, "X509 CRL"), "the next one has signed nothing");
  const nextId = next.certificate.subjectKeyId ?? "";
  t.match(bundlePem(withOther(next), new Set([nextId])), pem(...two), "now it has");
  t.match(bundlePem(withOther(old)), pem(...two), "one of before revocation was turned on");
  t.match(
    bundlePem({ ...bundle, x509Authorities: [authority(below.der)], crls: [await listOf(below)] }),
    pem("CERTIFICATE"),
    "an authority that is no root",
  );
});

async function listOf({ certificate, key }: TestCa): Promise<Uint8Array> {
  const tbs = encodeCrlTbs(
    {
      issuer: certificate.subject,
      authorityKeyId: Buffer.from(certificate.subjectKeyId ?? "", "hex"),
      number: 1,
      thisUpdate: 1_700_000_000,
      nextUpdate: 1_900_000_000,
      revoked: [],
    },
    key.signer.keyType,
  );
  return finishCrl(tbs, key.signer);
}
