/** Every field of every request about entries, bundles and SVIDs, and bytes that are no requests at all. */
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import { connect as connectSocket } from "node:net";
import t from "tap";
import { STATUS_CODES } from "../../../src/rpc/status.ts";
import { refused } from "../../support/refused.ts";
import {
  BUNDLE_SERVICE,
  ENTRY_SERVICE,
  SVID_SERVICE,
  startTestServer,
} from "../../support/server.ts";
import { TestCa, testCsr } from "../../support/test-ca.ts";
import {
  AGENT_ID,
  BAD_IDS,
  type Row,
  id,
  long,
  many,
  refuseAll,
  selector,
} from "./hostile-requests.ts";
import { until } from "../../support/patience.ts";

t.test("entry service", async (t) => {
  const { admin, createEntry } = await startTestServer(t);
  const good = { spiffe_id: id("/a"), parent_id: id("/p"), selectors: [selector] };
  const filters: [string, object, RegExp][] = [
    ...BAD_IDS.filter(([, bad]) => bad !== null).flatMap(
      ([name, bad]): [string, object, RegExp][] => [
        [name, { by_spiffe_id: bad }, /^filter\.by_spiffe_id/],
        [name, { by_parent_id: bad }, /^filter\.by_parent_id/],
      ],
    ),
    ["reserved", { by_spiffe_id: AGENT_ID }, /^filter\.by_spiffe_id/],
    ["no selectors", { by_selectors: {} }, /^filter\.by_selectors/],
    ["bad selector", { by_selectors: { selectors: [{ type: "a" }] } }, /^filter\.by_selectors/],
    ["no domains", { by_federates_with: {} }, /^filter\.by_federates_with/],
    ["bad domain", { by_federates_with: { trust_domains: ["A B"] } }, /^filter\.by_federates_with/],
    [
      "too many domains",
      { by_federates_with: { trust_domains: many(1001, "a.org") } },
      /^filter\.by_federates_with/,
    ],
    ["long hint", { by_hint: { value: long(1025) } }, /^filter\.by_hint/],
  ];
  await refuseAll(t, admin, ENTRY_SERVICE, [
    ...filters.flatMap(([name, filter, field]): Row[] => [
      [name, "ListEntries", { filter }, field],
      [name, "CountEntries", { filter }, field],
    ]),
    ["negative page", "ListEntries", { page_size: -1 }, /^page_size/],
    ["token of nobody", "ListEntries", { page_size: 1, page_token: "a" }, /page token/],
    ["no id", "GetEntry", {}, /id is missing/],
    ["too many", "BatchCreateEntry", { entries: many(10_001, {}) }, /^entries/],
    ["too many", "BatchUpdateEntry", { entries: many(10_001, {}) }, /^entries/],
    ["too many", "BatchDeleteEntry", { ids: many(10_001, "a") }, /^ids/],
  ]);
  await refused(t, admin.unary(ENTRY_SERVICE, "GetEntry", { id: long(100_000) }), {
    kind: "not_found",
  });

  const entries: [string, object, RegExp, number?][] = [
    ...BAD_IDS.flatMap(([name, bad]): [string, object, RegExp][] => [
      [name, { ...good, spiffe_id: bad }, /^spiffe_id/],
      [name, { ...good, parent_id: bad }, /^parent_id/],
    ]),
    ["reserved", { ...good, spiffe_id: AGENT_ID }, /^spiffe_id/],
    ["no selectors", { ...good, selectors: [] }, /^selectors/],
    ["empty selector", { ...good, selectors: [{}] }, /^selectors\[0\]/],
    ["colon", { ...good, selectors: [{ type: "a:b", value: "c" }] }, /^selectors\[0\]/],
    ["NUL", { ...good, selectors: [{ type: "a", value: "c\u0000" }] }, /^selectors\[0\]/],
    ["long", { ...good, selectors: [{ type: "a", value: long(4097) }] }, /^selectors\[0\]/],
    [
      "many",
      { ...good, selectors: many(257, 0).map((_, i) => ({ type: "a", value: `${i}` })) },
      /selectors/,
    ],
    ["ttl", { ...good, x509_svid_ttl: -1 }, /^x509_svid_ttl/],
    ["ttl", { ...good, jwt_svid_ttl: -(2 ** 31) }, /^jwt_svid_ttl/],
    ["expiry", { ...good, expires_at: -1 }, /^expires_at/],
    ["late expiry", { ...good, expires_at: "9223372036854775807" }, /^expires_at/],
    ["hint", { ...good, hint: long(1025) }, /^hint/],
    ["hint in bytes", { ...good, hint: "ä".repeat(600) }, /hint/],
    ["hint", { ...good, hint: "\u001b[2J" }, /^hint/],
    ["dns", { ...good, dns_names: ["a b"] }, /dns/i],
    ["dns", { ...good, dns_names: ["*.*.org"] }, /dns/i],
    ["dns", { ...good, dns_names: many(65, 0).map((_, i) => `h${i}.org`) }, /dns/i],
    ["federation", { ...good, federates_with: ["Bad Domain"] }, /^federates_with\[0\]/],
    ["no bundle", { ...good, federates_with: ["other.org"] }, /other\.org/, 9],
    ["id", { ...good, id: "a/b" }, /id/],
    ["id", { ...good, id: long(256) }, /id/],
  ];
  interface Batch {
    results: { status: { code: number; message: string }; entry: { id: string } | null }[];
  }
  const { results } = await admin.unary<Batch>(ENTRY_SERVICE, "BatchCreateEntry", {
    entries: [...entries.map(([, entry]) => entry), good, good],
  });
  t.equal(results.length, entries.length + 2);
  for (const [index, [name, , message, code = 3]] of entries.entries()) {
    const result = results[index];
    t.equal(result?.entry, null, name);
    t.match(result?.status, { code, message }, name);
  }
  const [created, similar] = results.slice(-2);
  t.match(created?.status, { code: 0, message: "OK" });
  t.match(similar, { status: { code: 6 }, entry: { id: created?.entry?.id } });
  const updates = await admin.unary<Batch>(ENTRY_SERVICE, "BatchUpdateEntry", {
    entries: [{}, { id: "unknown" }, { id: created?.entry?.id, hint: "new" }],
    input_mask: { hint: true },
    output_mask: { hint: true, revision_number: true },
  });
  t.match(updates.results, [
    { status: { code: 3, message: /^id/ }, entry: null },
    { status: { code: 5 }, entry: null },
    { status: { code: 0 }, entry: { hint: "new", revision_number: "1", spiffe_id: null } },
  ]);
  const other = await createEntry({ ...good, spiffe_id: id("/b") });
  const deleted = await admin.unary<Batch>(ENTRY_SERVICE, "BatchDeleteEntry", {
    ids: [other, other, "", long(1000)],
  });
  t.same(
    deleted.results.map(({ status }) => status.code),
    [0, 5, 3, 5],
  );
});

t.test("bundle service", async (t) => {
  const { admin } = await startTestServer(t);
  const ca = await TestCa.create({ trustDomain: "other.org" });
  const authority = { asn1: ca.der };
  const key = { public_key: ca.key.signer.publicKey, key_id: "k" };
  const rows: [string, object, RegExp][] = [
    ["nothing", {}, /^trust_domain/],
    ["own", { trust_domain: "example.org" }, /^trust_domain.*own/],
    ["own by ID", { trust_domain: "spiffe://example.org" }, /^trust_domain.*own/],
    ["bad domain", { trust_domain: "Other.org" }, /^trust_domain/],
    ["long domain", { trust_domain: long(256) }, /^trust_domain/],
    [
      "not DER",
      { trust_domain: "o.org", x509_authorities: [{ asn1: Buffer.from("x") }] },
      /X\.509/,
    ],
    ["no DER", { trust_domain: "o.org", x509_authorities: [{}] }, /X\.509/],
    [
      "two certificates in one",
      { trust_domain: "o.org", x509_authorities: [{ asn1: Buffer.concat([ca.der, ca.der]) }] },
      /X\.509/,
    ],
    ["too many", { trust_domain: "o.org", x509_authorities: many(1001, authority) }, /1000/],
    ["no key id", { trust_domain: "o.org", jwt_authorities: [{ ...key, key_id: "" }] }, /key id/],
    ["no key", { trust_domain: "o.org", jwt_authorities: [{ key_id: "k" }] }, /JWT/],
    [
      "expiry",
      { trust_domain: "o.org", jwt_authorities: [{ ...key, expires_at: -1 }] },
      /^jwt_authorities\[0\]\.expires_at/,
    ],
    ["hint", { trust_domain: "o.org", refresh_hint: -1 }, /^refresh_hint/],
    ["hint", { trust_domain: "o.org", refresh_hint: "9223372036854775807" }, /^refresh_hint/],
  ];
  interface Batch {
    results: { status: { code: number; message: string }; bundle: object | null }[];
  }
  const other = {
    trust_domain: "other.org",
    x509_authorities: [authority],
    jwt_authorities: [key],
  };
  for (const method of ["BatchCreateFederatedBundle", "BatchSetFederatedBundle"]) {
    const { results } = await admin.unary<Batch>(BUNDLE_SERVICE, method, {
      bundle: [...rows.map(([, bundle]) => bundle), other],
    });
    for (const [index, [name, , message]] of rows.entries()) {
      t.match(results[index], { status: { code: 3, message }, bundle: null }, `${method}: ${name}`);
    }
    t.match(results.at(-1), { status: { code: 0 }, bundle: { trust_domain: "other.org" } });
  }
  const again = await admin.unary<Batch>(BUNDLE_SERVICE, "BatchCreateFederatedBundle", {
    bundle: [other],
  });
  t.match(again.results, [{ status: { code: 6 } }]);
  const updated = await admin.unary<Batch>(BUNDLE_SERVICE, "BatchUpdateFederatedBundle", {
    bundle: [
      { trust_domain: "other.org", refresh_hint: 60 },
      { trust_domain: "unknown.org" },
      { trust_domain: "other.org", refresh_hint: -1 },
    ],
    input_mask: { refresh_hint: true },
    output_mask: { refresh_hint: true },
  });
  t.match(updated.results, [
    { status: { code: 0 }, bundle: { refresh_hint: "60", x509_authorities: [] } },
    { status: { code: 5 } },
    { status: { code: 3 } },
  ]);
  t.match(
    await admin.unary(BUNDLE_SERVICE, "GetFederatedBundle", { trust_domain: "spiffe://other.org" }),
    { x509_authorities: [{ asn1: Buffer.from(ca.der), tainted: false }], refresh_hint: "60" },
  );
  t.match(await admin.unary(BUNDLE_SERVICE, "CountBundles", {}), { count: 2 });
  t.match(await admin.unary(BUNDLE_SERVICE, "ListFederatedBundles", {}), {
    bundles: [{ trust_domain: "other.org" }],
  });
  await refuseAll(t, admin, BUNDLE_SERVICE, [
    ["own", "GetFederatedBundle", { trust_domain: "example.org" }, /^trust_domain/],
    ["none", "GetFederatedBundle", {}, /^trust_domain/],
    ["negative page", "ListFederatedBundles", { page_size: -1 }, /^page_size/],
    ["bad token", "ListFederatedBundles", { page_size: 1, page_token: "?" }, /page token/],
    ["too many", "BatchSetFederatedBundle", { bundle: many(10_001, {}) }, /^bundle/],
    ["too many", "BatchDeleteFederatedBundle", { trust_domains: many(10_001, "a") }, /^trust_d/],
  ]);
  await refused(t, admin.unary(BUNDLE_SERVICE, "GetFederatedBundle", { trust_domain: "u.org" }), {
    kind: "not_found",
  });
  const removed = await admin.unary<Batch>(BUNDLE_SERVICE, "BatchDeleteFederatedBundle", {
    trust_domains: ["other.org", "other.org", "example.org", "?"],
  });
  t.same(
    removed.results.map(({ status }) => status.code),
    [0, 5, 3, 3],
  );
});

t.test("svid service", async (t) => {
  const server = await startTestServer(t);
  const { admin } = server;
  const csr = async (uris: string[], dnsNames: string[] = []) =>
    (await testCsr({ uris, dnsNames })).der;
  const good = await csr(["spiffe://example.org/a"]);
  const mint: [string, object, RegExp][] = [
    ["no CSR", {}, /^csr/],
    ["bad CSR", { csr: good.subarray(1) }, /^csr/],
    ["no URI", { csr: await csr([]) }, /^csr/],
    ["two URIs", { csr: await csr(["spiffe://example.org/a", "spiffe://example.org/b"]) }, /^csr/],
    ["no SPIFFE ID", { csr: await csr(["https://example.org/a"]) }, /^csr/],
    ["foreign", { csr: await csr(["spiffe://other.org/a"]) }, /^csr/],
    ["no path", { csr: await csr(["spiffe://example.org"]) }, /^csr/],
    ["an agent", { csr: await csr(["spiffe://example.org/spire/agent/a/b"]) }, /^csr/],
    ["the server", { csr: await csr(["spiffe://example.org/spire/server"]) }, /^csr/],
    ["bad name", { csr: await csr(["spiffe://example.org/a"], ["a..b"]) }, /dns/i],
    [
      "wildcard twice",
      { csr: await csr(["spiffe://example.org/a"], ["*.a.org", "b.a.org"]) },
      /^csr.*wildcard/,
    ],
    ["ttl", { csr: good, ttl: -1 }, /ttl/],
  ];
  const workload = id("/a");
  await refuseAll(t, admin, SVID_SERVICE, [
    ...mint.map(([name, request, field]): Row => [name, "MintX509SVID", request, field]),
    ...BAD_IDS.map(
      ([name, bad]): Row => [name, "MintJWTSVID", { id: bad, audience: ["a"] }, /^id/],
    ),
    ["an agent", "MintJWTSVID", { id: AGENT_ID, audience: ["a"] }, /^id/],
    ["no audience", "MintJWTSVID", { id: workload }, /audience/],
    ["empty audience", "MintJWTSVID", { id: workload, audience: [""] }, /audience/],
    ["many audiences", "MintJWTSVID", { id: workload, audience: many(65, "a") }, /audience/],
    ["long audience", "MintJWTSVID", { id: workload, audience: [long(5000)] }, /audience/],
    ["ttl", "MintJWTSVID", { id: workload, audience: ["a"], ttl: -1 }, /ttl/],
  ]);
  const agent = await server.attest();
  await refuseAll(t, agent.channel, SVID_SERVICE, [
    ["nothing", "BatchNewX509SVID", {}, /^params/],
    ["too many", "BatchNewX509SVID", { params: many(10_001, {}) }, /^params/],
    ["no entry", "NewJWTSVID", { audience: ["a"] }, /^entry_id/],
    ["long entry", "NewJWTSVID", { entry_id: long(256), audience: ["a"] }, /^entry_id/],
  ]);
  const expiring = await server.createEntry({
    spiffe_id: workload,
    parent_id: agent.id,
    selectors: [selector],
    expires_at: Math.floor(server.clock.nowMs() / 1000) + 60,
  });
  const fetch = () =>
    agent.channel.unary<{ results: { status: { code: number } }[] }>(
      SVID_SERVICE,
      "BatchNewX509SVID",
      { params: [{ entry_id: expiring, csr: good }] },
    );
  await until("it is signed", async () => (await fetch()).results[0]?.status.code === 0);
  t.match((await fetch()).results, [{ status: { code: 0 } }]);
  server.clock.step(61_000);
  const [late] = (await fetch()).results;
  t.ok([5, 7].includes(late?.status.code ?? 0), "an entry that has expired gets nothing");
});

t.test("bytes that no client of ours would send", async (t) => {
  const server = await startTestServer(t);
  const session = connectHttp2("http://localhost", {
    createConnection: () => connectSocket(server.socket),
  });
  t.teardown(() => session.destroy());
  const create = `/${ENTRY_SERVICE}/BatchCreateEntry`;
  const getEntry = `/${ENTRY_SERVICE}/GetEntry`;
  const deleteBundles = `/${BUNDLE_SERVICE}/BatchDeleteFederatedBundle`;
  const text = (field: number, bytes: Uint8Array) =>
    Buffer.concat([Buffer.from([(field << 3) | 2, bytes.length]), bytes]);
  const rows: [string, string, Uint8Array, number][] = [
    ["not protobuf", create, frame(Buffer.alloc(100, 0xff)), STATUS_CODES.invalid],
    ["cut off", create, frame(Buffer.from([0x0a, 0x7f, 0x01])), STATUS_CODES.invalid],
    ["no message at all", getEntry, Buffer.alloc(0), STATUS_CODES.invalid],
    [
      "two messages",
      getEntry,
      Buffer.concat([frame(Buffer.alloc(0)), frame(Buffer.alloc(0))]),
      STATUS_CODES.invalid,
    ],
    ["unknown mode", deleteBundles, frame(Buffer.from([0x10, 0x09])), STATUS_CODES.invalid],
    [
      "id that is not UTF-8",
      getEntry,
      frame(text(1, Buffer.from([0xc3, 0x28]))),
      STATUS_CODES.invalid,
    ],
    [
      "unknown fields are passed over",
      `/${ENTRY_SERVICE}/CountEntries`,
      frame(text(15, Buffer.from("x"))),
      0,
    ],
    ["5 MB", create, frame(Buffer.alloc(5 << 20)), STATUS_CODES.limited],
    ["unknown method", `/${ENTRY_SERVICE}/Unheard`, frame(Buffer.alloc(0)), 12],
    ["unknown service", "/no.such.Service/Method", frame(Buffer.alloc(0)), 12],
  ];
  for (const [name, path, body, code] of rows) {
    t.equal(await rawCall(session, path, body), code, name);
  }
  const hint = text(14, Buffer.from([0xff, 0xfe]));
  const entry = Buffer.concat([
    text(2, Buffer.concat([text(1, Buffer.from("example.org")), text(2, Buffer.from("/a"))])),
    text(3, Buffer.concat([text(1, Buffer.from("example.org")), text(2, Buffer.from("/p"))])),
    text(4, Buffer.concat([text(1, Buffer.from("a")), text(2, Buffer.from("b"))])),
    hint,
  ]);
  t.equal(await rawCall(session, create, frame(text(1, entry))), STATUS_CODES.invalid, "a hint");
  t.match(await server.admin.unary(ENTRY_SERVICE, "CountEntries", {}), { count: 0 });
  await server.admin.unary("grpc.health.v1.Health", "Check", {});
  await refused(t, server.admin.unary("grpc.health.v1.Health", "Check", { service: "none" }), {
    kind: "not_found",
  });
});

function frame(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

/** @returns the gRPC status */
function rawCall(session: ClientHttp2Session, path: string, body: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
    });
    let status: string | undefined;
    const note = (headers: Record<string, unknown>): void => {
      if (typeof headers["grpc-status"] === "string") status = headers["grpc-status"];
    };
    stream.on("response", note);
    stream.on("trailers", note);
    stream.on("error", reject);
    stream.on("close", () => resolve(Number(status)));
    stream.resume();
    stream.end(body);
  });
}
