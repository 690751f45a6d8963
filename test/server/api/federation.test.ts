/**
 * What a server knows of other domains and servers, over its sockets: federation relationships stored and served, and
 * authorities that others put into the domain's own bundle.
 */
import t from "tap";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { refused } from "../../support/refused.ts";
import { BUNDLE_SERVICE, startTestServer } from "../../support/server.ts";
import { TestCa } from "../../support/test-ca.ts";
import { id, mint, uid } from "./calls.ts";
import { long, many, refuseAll } from "./hostile-requests.ts";

const SERVICE = "spire.api.server.trustdomain.v1.TrustDomain";
/** Where nobody listens. */
const URL = "https://localhost:1/bundle";

interface Relationship {
  readonly trust_domain: string;
  readonly bundle_endpoint_url: string;
  readonly trust_domain_bundle: { readonly sequence_number: string } | null;
}
interface Batch {
  readonly results: readonly {
    readonly status: { readonly code: number; readonly message: string };
    readonly federation_relationship: Relationship | null;
  }[];
}
interface Listed {
  readonly federation_relationships: readonly Relationship[];
  readonly next_page_token: string;
}

t.test("relationships: create, get, list, update, delete", async (t) => {
  const { admin } = await startTestServer(t);
  const ca = await TestCa.create({ trustDomain: "a.org" });
  const bundle = { trust_domain: "a.org", x509_authorities: [{ asn1: ca.der }] };
  const spiffe = { endpoint_spiffe_id: "spiffe://a.org/bundle" };
  const create = (...federation_relationships: object[]): Promise<Batch> =>
    admin.unary(SERVICE, "BatchCreateFederationRelationship", { federation_relationships });
  const list = (page: object = {}): Promise<Listed> =>
    admin.unary(SERVICE, "ListFederationRelationships", page);

  const made = await create(
    {
      trust_domain: "a.org",
      bundle_endpoint_url: URL,
      https_spiffe: spiffe,
      trust_domain_bundle: bundle,
    },
    { trust_domain: "spiffe://b.org", bundle_endpoint_url: URL, https_web: {} },
    { trust_domain: "a.org", bundle_endpoint_url: URL, https_web: {} },
    { trust_domain: "c.org", bundle_endpoint_url: URL, https_web: {} },
  );
  t.same(
    made.results.map(({ status }) => status.code),
    [0, 0, 6, 0],
  );
  const a = {
    trust_domain: "a.org",
    bundle_endpoint_url: URL,
    bundle_endpoint_profile: "https_spiffe",
    https_spiffe: spiffe,
    trust_domain_bundle: { x509_authorities: [{ asn1: Buffer.from(ca.der) }] },
  };
  t.match(made.results[0]?.federation_relationship, a);
  t.match(
    await admin.unary(SERVICE, "GetFederationRelationship", { trust_domain: "spiffe://a.org" }),
    a,
  );
  t.match(await admin.unary(BUNDLE_SERVICE, "GetFederatedBundle", { trust_domain: "a.org" }), {
    x509_authorities: [{ asn1: Buffer.from(ca.der) }],
  });
  t.match(await list(), {
    federation_relationships: [
      a,
      { trust_domain: "b.org", bundle_endpoint_profile: "https_web", trust_domain_bundle: null },
      { trust_domain: "c.org" },
    ],
    next_page_token: "",
  });
  const first = await list({ page_size: 2 });
  const rest = await list({ page_size: 2, page_token: first.next_page_token });
  t.same(
    [...first.federation_relationships, ...rest.federation_relationships].map(
      ({ trust_domain }) => trust_domain,
    ),
    ["a.org", "b.org", "c.org"],
  );
  t.match(await list({ output_mask: {} }), {
    federation_relationships: [
      { trust_domain: "a.org", bundle_endpoint_url: "", trust_domain_bundle: null },
      {},
      {},
    ],
  });

  const moved = "https://localhost:1/elsewhere?x=1";
  const updated = await admin.unary<Batch>(SERVICE, "BatchUpdateFederationRelationship", {
    federation_relationships: [
      { trust_domain: "a.org", bundle_endpoint_url: moved },
      { trust_domain: "unknown.org", bundle_endpoint_url: moved },
      { trust_domain: "b.org", bundle_endpoint_url: "http://b.org" },
    ],
    input_mask: { bundle_endpoint_url: true },
  });
  t.match(updated.results, [
    { status: { code: 0 }, federation_relationship: { ...a, bundle_endpoint_url: moved } },
    { status: { code: 5 }, federation_relationship: null },
    { status: { code: 3, message: /^bundle_endpoint_url/ } },
  ]);
  const whole = await admin.unary<Batch>(SERVICE, "BatchUpdateFederationRelationship", {
    federation_relationships: [
      { trust_domain: "a.org", bundle_endpoint_url: URL, https_web: {} },
      { trust_domain: "b.org", bundle_endpoint_url: URL },
    ],
  });
  t.match(whole.results, [
    {
      status: { code: 0 },
      federation_relationship: {
        bundle_endpoint_profile: "https_web",
        trust_domain_bundle: a.trust_domain_bundle, // none was given: the one that is there stays
      },
    },
    { status: { code: 3, message: /^bundle_endpoint_profile/ } },
  ]);

  for (const [domain, kind] of [
    ["a.org", "precondition"],
    ["unknown.org", "not_found"],
    ["?", "invalid"],
    ["", "invalid"],
  ] as const) {
    const refresh = admin.unary(SERVICE, "RefreshBundle", { trust_domain: domain });
    await refused(t, refresh, { kind }, `refresh '${domain}'`);
  }
  const deleted = await admin.unary<Batch>(SERVICE, "BatchDeleteFederationRelationship", {
    trust_domains: ["a.org", "a.org", "", "?"],
  });
  t.same(
    deleted.results.map(({ status }) => status.code),
    [0, 5, 3, 3],
  );
  t.equal((await list()).federation_relationships.length, 2);
  t.match(
    await admin.unary(BUNDLE_SERVICE, "GetFederatedBundle", { trust_domain: "a.org" }),
    { trust_domain: "a.org" },
    "the bundle stays",
  );
  await refused(t, admin.unary(SERVICE, "GetFederationRelationship", { trust_domain: "a.org" }), {
    kind: "not_found",
  });
});

t.test("hostile relationships", async (t) => {
  const { admin } = await startTestServer(t);
  const good = { trust_domain: "a.org", bundle_endpoint_url: URL, https_web: {} };
  const urls = [
    "",
    "partner.example",
    "http://partner.example",
    "HTTP://partner.example",
    "file:///etc/passwd",
    "https:partner.example",
    "https:/partner.example",
    "https:///partner.example",
    "https://",
    "https://?x",
    "https://#x",
    "https://user@partner.example",
    "https://user:secret@partner.example",
    "https://:@partner.example",
    "https://@partner.example",
    "https://partner.example\\@evil.example",
    "https://partner.example:99999",
    "https://partner.example:x",
    "https://[::1",
    "https://a b.example",
    " https://partner.example",
    "https://partner.example\n",
    "https://part\tner.example",
    "https://partner.example/\u0000",
    "https://pärtner.example",
    "https://%zz.example",
    `https://partner.example/${long(2048)}`,
  ];
  const rows: [string, object, RegExp][] = [
    ...urls.map((bundle_endpoint_url): [string, object, RegExp] => [
      JSON.stringify(bundle_endpoint_url.slice(0, 60)),
      { ...good, bundle_endpoint_url },
      /^bundle_endpoint_url/,
    ]),
    ...["", "other.org", "spiffe://", "spiffe://A.org/x", "https://a.org", "spiffe://a.org/"].map(
      (endpoint_spiffe_id): [string, object, RegExp] => [
        `endpoint ID '${endpoint_spiffe_id}'`,
        { trust_domain: "a.org", bundle_endpoint_url: URL, https_spiffe: { endpoint_spiffe_id } },
        /^endpoint_spiffe_id/,
      ],
    ),
    ["no profile", { trust_domain: "a.org", bundle_endpoint_url: URL }, /^bundle_endpoint_profile/],
    ["own domain", { ...good, trust_domain: "example.org" }, /own trust domain/],
    ...["", "A.org", "a org", "a.org/x", "../a", long(256)].map(
      (trust_domain): [string, object, RegExp] => [
        `trust domain '${trust_domain.slice(0, 20)}'`,
        { ...good, trust_domain },
        /^trust_domain/,
      ],
    ),
    [
      "the bundle of another domain",
      { ...good, trust_domain_bundle: { trust_domain: "b.org" } },
      /b\.org/,
    ],
    ["a bundle without a domain", { ...good, trust_domain_bundle: {} }, /^trust_domain_bundle/],
    [
      "a bundle that cannot be read",
      { ...good, trust_domain_bundle: { trust_domain: "a.org", x509_authorities: [{}] } },
      /X\.509 authority 1/,
    ],
    [
      "a hint out of bounds",
      { ...good, trust_domain_bundle: { trust_domain: "a.org", refresh_hint: -1 } },
      /refresh_hint/,
    ],
  ];
  for (const method of ["BatchCreateFederationRelationship", "BatchUpdateFederationRelationship"]) {
    const { results } = await admin.unary<Batch>(SERVICE, method, {
      federation_relationships: rows.map(([, relationship]) => relationship),
    });
    t.equal(results.length, rows.length);
    for (const [index, [name, , message]] of rows.entries()) {
      t.match(results[index]?.status, { code: 3, message }, `${method}: ${name}`);
      t.equal(results[index]?.federation_relationship, null);
    }
  }
  t.match(await admin.unary(SERVICE, "ListFederationRelationships", {}), {
    federation_relationships: { length: 0 },
  });
  t.match(await admin.unary(BUNDLE_SERVICE, "ListFederatedBundles", {}), {
    bundles: { length: 0 },
  });
  const items = { federation_relationships: many(10_001, {}) };
  await refuseAll(t, admin, SERVICE, [
    ["none", "GetFederationRelationship", {}, /^trust_domain/],
    ["bad", "GetFederationRelationship", { trust_domain: "A B" }, /^trust_domain/],
    ["negative page", "ListFederationRelationships", { page_size: -1 }, /^page_size/],
    [
      "token of nobody",
      "ListFederationRelationships",
      { page_size: 1, page_token: "a" },
      /page token/,
    ],
    ["too many", "BatchCreateFederationRelationship", items, /^federation_relationships/],
    ["too many", "BatchUpdateFederationRelationship", items, /^federation_relationships/],
    [
      "too many",
      "BatchDeleteFederationRelationship",
      { trust_domains: many(10_001, "a") },
      /^trust_domains/,
    ],
  ]);
});

interface Bundle {
  readonly x509_authorities: readonly { readonly asn1: Uint8Array }[];
  readonly jwt_authorities: readonly { readonly key_id: string; readonly expires_at: string }[];
}

t.test("authorities of others in the domain's own bundle", async (t) => {
  const server = await startTestServer(t);
  const { admin, clock } = server;
  const soon = Math.floor(clock.nowMs() / 1000) + 3600;
  const ended = await TestCa.create({ notAfter: soon - 3600 });
  const ca = await TestCa.create({ notAfter: soon });
  const other = await generateKey("ec-p384");
  const key = { key_id: "their-key", public_key: other.signer.publicKey };
  const before = await admin.unary<Bundle>(BUNDLE_SERVICE, "GetBundle", {});

  const added = await admin.unary<Bundle>(BUNDLE_SERVICE, "AppendBundle", {
    x509_authorities: [{ asn1: ca.der }, { asn1: ca.der }],
    jwt_authorities: [{ ...key, expires_at: soon }],
  });
  t.equal(added.x509_authorities.length, before.x509_authorities.length + 1);
  t.same(
    added.jwt_authorities.map(({ key_id }) => key_id),
    [...before.jwt_authorities.map(({ key_id }) => key_id), "their-key"],
  );
  t.match(
    await admin.unary(BUNDLE_SERVICE, "AppendBundle", {
      jwt_authorities: [{ ...key, expires_at: soon + 1 }],
      output_mask: { jwt_authorities: true },
    }),
    { x509_authorities: [], jwt_authorities: added.jwt_authorities },
    "what is there stays as it is",
  );
  t.same(await admin.unary(BUNDLE_SERVICE, "GetBundle", {}), added);
  await refused(
    t,
    admin.unary(BUNDLE_SERVICE, "AppendBundle", {
      jwt_authorities: [{ ...key, public_key: (await generateKey("ec-p256")).signer.publicKey }],
    }),
    { kind: "exists", message: /their-key/ },
  );
  const append = (request: object, field: RegExp): [string, string, object, RegExp] => [
    field.source,
    "AppendBundle",
    request,
    field,
  ];
  await refuseAll(t, admin, BUNDLE_SERVICE, [
    append({}, /no authority to append/),
    append({ x509_authorities: [{}] }, /X\.509 authority 1 .*cannot be read/),
    append({ x509_authorities: [{ asn1: Buffer.from("x") }] }, /cannot be read/),
    append({ x509_authorities: [{ asn1: Buffer.concat([ca.der, ca.der]) }] }, /cannot be read/),
    append({ x509_authorities: [{ asn1: ended.der }] }, /X\.509 authority .* has ended/),
    append({ jwt_authorities: [{ ...key, key_id: "k", expires_at: 1 }] }, /JWT .* has ended/),
    append({ jwt_authorities: [{ ...key, key_id: "" }] }, /key id/),
    append({ jwt_authorities: [{ ...key, key_id: long(256) }] }, /key id/),
    append({ jwt_authorities: [{ key_id: "k" }] }, /cannot be read/),
    append({ jwt_authorities: [{ ...key, expires_at: -1 }] }, /^jwt_authorities\[0\]\.expires_at/),
    append(
      { jwt_authorities: many(1001, 0).map((_, i) => ({ ...key, key_id: `k${i}` })) },
      /more than 1000/,
    ),
  ]);
  t.same(await admin.unary(BUNDLE_SERVICE, "GetBundle", {}), added, "nothing was half done");
  const keys = (count: number, name: string) =>
    many(count, 0).map((_, i) => ({ ...key, key_id: `${name}${i}` }));
  await refuseAll(t, admin, BUNDLE_SERVICE, [
    append({ jwt_authorities: keys(1000, "k") }, /bundle of example\.org has more than 1000/),
  ]);

  await server.createEntry({
    spiffe_id: id("/downstream"),
    parent_id: id("/host"),
    selectors: [uid("1")],
    downstream: true,
  });
  const downstream = server.connect(await mint(server, "/downstream", 600));
  const publish = (jwt_authority: object | null) =>
    downstream.unary<Bundle>(BUNDLE_SERVICE, "PublishJWTAuthority", { jwt_authority });
  t.same(
    (await publish({ ...key, key_id: "second" })).jwt_authorities.map(({ key_id }) => key_id),
    [...added.jwt_authorities.map(({ key_id }) => key_id), "second"],
  );
  await refused(t, publish(null), { kind: "invalid", message: /^jwt_authority/ });
  await refused(t, publish({}), { kind: "invalid", message: /key id/ });
  await refused(t, publish({ ...key, expires_at: "9223372036854775807" }), { kind: "invalid" });
  for (const channel of [admin, server.connect(), server.connect(await mint(server, "/a", 600))]) {
    const call = channel.unary(BUNDLE_SERVICE, "PublishJWTAuthority", { jwt_authority: key });
    await refused(t, call, { message: /authorization denied/ });
  }
});
