/** A downstream server over TLS gets an intermediate authority, and nobody else does. */
import t from "tap";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { refused } from "../../support/refused.ts";
import { SVID_SERVICE, startTestServer } from "../../support/server.ts";
import { csrOf, id, mint, uid } from "./calls.ts";
import { type Row, long, refuseAll } from "./hostile-requests.ts";

interface Answer {
  readonly ca_cert_chain: readonly Uint8Array[];
  readonly x509_authorities: readonly Uint8Array[];
}

t.test("NewDownstreamX509CA", async (t) => {
  const server = await startTestServer(t);
  const { admin, clock } = server;
  const entryId = await server.createEntry({
    spiffe_id: id("/downstream"),
    parent_id: id("/host"),
    selectors: [uid("1")],
    downstream: true,
  });
  const channel = server.connect(await mint(server, "/downstream", 600));
  const { csr } = await csrOf();
  const now = Math.floor(clock.nowMs() / 1000);
  const ask = (request: object): Promise<Answer> =>
    channel.unary(SVID_SERVICE, "NewDownstreamX509CA", request);

  for (const [preferred_ttl, life] of [
    [0, 86_400],
    [600, 600],
    [2 ** 31 - 1, 86_400],
  ] as const) {
    const { ca_cert_chain, x509_authorities } = await ask({ csr, preferred_ttl });
    t.equal(ca_cert_chain.length, 1);
    const [ca, root] = [ca_cert_chain[0], x509_authorities[0]].map((der) =>
      parseCertificate(der ?? new Uint8Array()),
    );
    t.equal(ca?.notAfter, now + life, `${preferred_ttl} s`);
    t.same(ca?.uris, ["spiffe://example.org"]);
    t.same(ca?.issuer, root?.subject);
    t.equal(x509_authorities.length, 1);
  }

  const row = (name: string, request: object, field: RegExp): Row => [
    name,
    "NewDownstreamX509CA",
    request,
    field,
  ];
  await refuseAll(t, channel, SVID_SERVICE, [
    row("nothing", {}, /^csr/),
    row("no CSR", { csr: Buffer.from(long(100)) }, /^csr/),
    row("cut short", { csr: csr.subarray(0, -1) }, /^csr/),
    row("too long", { csr: Buffer.alloc(20_000, 0x30) }, /^csr/),
    row("negative life", { csr, preferred_ttl: -1 }, /^preferred_ttl/),
    row("negative life", { csr, preferred_ttl: -(2 ** 31) }, /^preferred_ttl/),
  ]);
  const forged = Buffer.from(csr);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  await refused(t, ask({ csr: forged }), { kind: "invalid" }, "a signature of nobody");

  // The admin right is another one, and neither agents nor the socket have this one.
  await server.createEntry({
    spiffe_id: id("/boss"),
    parent_id: id("/host"),
    selectors: [uid("2")],
    admin: true,
  });
  for (const other of [
    admin,
    server.connect(),
    server.connect(await mint(server, "/boss", 600)),
    (await server.attest()).channel,
  ]) {
    const call = other.unary(SVID_SERVICE, "NewDownstreamX509CA", { csr });
    await refused(t, call, { message: /authorization denied/ });
  }
  await admin.unary("spire.api.server.entry.v1.Entry", "BatchDeleteEntry", { ids: [entryId] });
  await refused(t, ask({ csr }), { kind: "denied" }, "without the entry no more");
});

t.test("below a tainted authority: refused, and led to a new connection", async (t) => {
  const server = await startTestServer(t);
  await server.createEntry({
    spiffe_id: id("/downstream"),
    parent_id: id("/host"),
    selectors: [uid("1")],
    downstream: true,
  });
  const channel = server.connect(await mint(server, "/downstream", 600));
  const { csr } = await csrOf();
  const ask = (): Promise<Answer> => channel.unary(SVID_SERVICE, "NewDownstreamX509CA", { csr });
  await ask();
  const { authorities } = server.server;
  const { id: old } = authorities.activeX509();
  await authorities.activate("x509", (await authorities.prepare("x509")).id);
  await authorities.taint("x509", old);
  while (channel.connected) {
    // The bundle, by which callers are judged, follows the commit.
    await ask().catch((error: Error) => t.match(error.message, /tainted authority; renew it/));
    await server.clock.advance(600);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const renewed = server.connect(await mint(server, "/downstream", 600));
  const { ca_cert_chain } = await renewed.unary<Answer>(SVID_SERVICE, "NewDownstreamX509CA", {
    csr,
  });
  t.equal(ca_cert_chain.length, 1);
});
