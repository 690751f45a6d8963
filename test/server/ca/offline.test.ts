/** Authorities below a root that is asked by hand. */
import t, { type Test } from "tap";
import type { AuthoritySet } from "../../../src/server/ca/authority-set.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { verifyChain } from "../../../src/x509/chain.ts";
import { parseCsr, verifyCsr } from "../../../src/x509/csr.ts";
import { refused } from "../../support/refused.ts";
import { type CaOptions, TEST_EPOCH, TestCa } from "../../support/test-ca.ts";
import { DAY, Domain } from "./domain.ts";

const YEAR = 365 * DAY;

async function rig(t: Test) {
  const domain = await Domain.open();
  t.teardown(() => domain[Symbol.asyncDispose]());
  const root = await TestCa.create({ notAfter: TEST_EPOCH + 10 * YEAR });
  const open = () => domain.authorities({ upstream: "offline" });
  /** What the operator carries back. */
  const sign = async (
    csr: Uint8Array,
    options: CaOptions = {},
    by = root,
  ): Promise<Uint8Array[]> => {
    const request = parseCsr(csr);
    await verifyCsr(request);
    const signer = {
      keyType: request.keyType,
      publicKey: request.publicKey,
      sign: async () => new Uint8Array(),
    };
    const ca = await by.intermediate({
      key: { signer, pkcs8: new Uint8Array() },
      notBefore: domain.now - 10,
      notAfter: domain.now + YEAR,
      basicConstraints: { ca: true, pathLen: 0 },
      ...options,
    });
    return [...ca.intermediates, by.root.der];
  };
  return { domain, root, open, sign };
}

const statuses = (set: AuthoritySet): string[] => set.records("x509").map(({ status }) => status);

t.test("from the first request to the second root", async (t) => {
  const { domain, root, open, sign } = await rig(t);
  const first = await open();
  t.throws(() => first.activeX509(), /have a request signed and import it/);
  t.ok(first.activeJwt());
  t.match(first.warnings(), [/no X.509 authority yet/]);
  await first.rotate();
  t.same(statuses(first), [], "nothing is made by the clock");
  await refused(t, first.prepare("x509"), {
    kind: "precondition",
    message: /'assay authority x509 csr' makes/,
  });
  await refused(t, first.importX509([root.der]), {
    kind: "precondition",
    message: /there is no open request/,
  });

  const { id, csr } = await first.requestX509(false);
  t.same(parseCsr(csr).uris, ["spiffe://example.org"]);
  t.equal((await first.requestX509(false)).id, id, "the same request while it is open");
  await first[Symbol.asyncDispose]();

  await using set = await open();
  t.equal((await set.requestX509(false)).id, id, "after a restart, too");
  t.same(statuses(set), ["requested"]);
  for (const step of ["activate", "taint", "revoke"] as const) {
    await refused(
      t,
      set[step]("x509", id),
      { kind: "precondition" },
      `${step} what has no certificate`,
    );
  }
  const made = await set.importX509(await sign(csr));
  t.match(made, { id, status: "active" }, "it signs at once where none does");
  const { chain, certificate } = set.activeX509();
  await verifyChain(chain.map(parseCertificate), [root.certificate], domain.now);
  t.same(
    (await domain.bundle()).x509Authorities.map(({ der }) => Buffer.from(der)),
    [Buffer.from(root.der)],
    "the root alone",
  );
  t.equal(certificate.basicConstraints?.pathLen, 0);
  t.same(set.warnings(), []);

  // A second one overlaps the first.
  domain.pass(200 * DAY);
  const second = await set.requestX509(false);
  const next = await TestCa.create({
    name: "next root",
    notBefore: domain.now - 10,
    notAfter: domain.now + 10 * YEAR,
  });
  t.match(await set.importX509(await sign(second.csr, {}, next)), {
    id: second.id,
    status: "prepared",
  });
  t.equal(set.activeX509().id, id, "the first one goes on");
  t.equal((await domain.bundle()).x509Authorities.length, 2, "the second one's root is published");
  for (let day = 0; day < 170; day++) {
    domain.pass(DAY);
    await set.rotate();
    const { notAfter } = set.activeX509();
    if (notAfter - domain.now < DAY) t.fail(`nothing left on day ${day}`);
  }
  t.equal(set.activeX509().id, second.id, "and takes over before the first one ends");
});

t.test("warnings begin 60 days before the end, and end with the next one", async (t) => {
  const { domain, open, sign } = await rig(t);
  await using set = await open();
  await set.importX509(await sign((await set.requestX509(false)).csr));
  domain.pass(304 * DAY);
  t.same(set.warnings(), []);
  domain.pass(2 * DAY);
  t.match(set.warnings(), [/^X.509 authority [0-9a-f]{40} ends in 59 days: have another signed/]);
  const { csr } = await set.requestX509(false);
  t.equal(set.warnings().length, 1, "a request is no certificate");
  await set.importX509(await sign(csr));
  t.same(set.warnings(), []);
  t.equal(set.upstreamNotAfter, TEST_EPOCH + 10 * YEAR);
  domain.pass(9 * YEAR);
  await set.rotate();
  t.throws(() => set.activeX509(), /no X.509 authority .* can sign now/, "long after the end");
  t.match(set.warnings().join("\n"), /ends in 0 days/);
});

t.test("a root that ends soon", async (t) => {
  const { domain, open, sign } = await rig(t);
  const brief = await TestCa.create({ name: "brief", notAfter: TEST_EPOCH + YEAR });
  await using set = await open();
  await set.importX509(
    await sign((await set.requestX509(false)).csr, { notAfter: TEST_EPOCH + 2 * YEAR }, brief),
  );
  t.equal(set.activeX509().notAfter, TEST_EPOCH + YEAR, "nothing outlives it");
  domain.pass(310 * DAY);
  t.match(set.warnings(), [
    /^upstream authority 'C=US, O=SPIFFE, CN=brief' ends in 55 days: renew it, nothing outlives it/,
  ]);
});

t.test("what is not imported", async (t) => {
  const { domain, root, open, sign } = await rig(t);
  await using set = await open();
  const { csr: lost } = await set.requestX509(false);
  const late = await sign(lost);
  const { csr, id } = await set.requestX509(true);
  const good = await sign(csr);
  const other = await TestCa.create({ name: "other" });
  const cases: readonly [string, readonly Uint8Array[], RegExp][] = [
    ["nothing", [], /no certificate is for the open request [0-9a-f]{40}/],
    ["for the request before", late, /no certificate is for the open request/],
    ["no root", good.slice(0, 1), /there is no root/],
    ["another root", [...good.slice(0, 1), other.der], /leads to no authority/],
    [
      "a workload's certificate",
      await sign(csr, { basicConstraints: { ca: false } }),
      /does not make the key an authority/,
    ],
    [
      "another trust domain",
      await sign(csr, { uris: ["spiffe://other.org"] }),
      /names something else/,
    ],
    ["ended", await sign(csr, { notBefore: domain.now - 20, notAfter: domain.now - 1 }), /expired/],
  ];
  for (const [name, certificates, message] of cases) {
    await refused(t, set.importX509(certificates), { kind: "precondition", message }, name);
  }
  await refused(t, set.importX509([Uint8Array.of(1, 2, 3)]), { kind: "invalid" }, "garbage");
  t.same(statuses(set), ["requested"], "the request stays open");
  t.same((await domain.bundle()).x509Authorities, []);
  t.equal(
    (await domain.keyManager.list()).filter((name) => name.includes("x509")).length,
    1,
    "the key of the first is gone",
  );
  await set.importX509([root.der, ...good]);
  t.equal(set.activeX509().id, id, "in any order");

  await using self = await Domain.open();
  await using own = await self.authorities();
  await refused(t, own.requestX509(false), {
    kind: "precondition",
    message: /upstreamAuthority\.offline/,
  });
  await refused(t, own.importX509(good), {
    kind: "precondition",
    message: /upstreamAuthority\.offline/,
  });
});

t.test("other chains: cross certificates of the key, and of its root", async (t) => {
  const { domain, root, open, sign } = await rig(t);
  const other = await TestCa.create({ name: "other", notAfter: TEST_EPOCH + YEAR / 2 });
  const third = await TestCa.create({ name: "third", notAfter: TEST_EPOCH + 10 * YEAR });
  const set = await open();
  const { csr } = await set.requestX509(false);
  const imported = await sign(csr);
  await set.importX509(imported);
  t.same(set.activeX509().alternates, []);
  const again = await set.importX509(imported);
  t.equal(again.alternates, undefined, "the same once more");

  const refusals: [string, Uint8Array[], RegExp][] = [
    [
      "another subject",
      await sign(csr, { name: "else" }, other),
      /another subject; .* byte for byte/,
    ],
    [
      "another key identifier",
      await sign(csr, { subjectKeyId: new Uint8Array(20) }, other),
      /another subject key identifier; it has to be [0-9a-f]{40}/,
    ],
    ["no root", (await sign(csr, {}, other)).slice(0, 1), /no root is among them/],
    ["the root that it has", [(await sign(csr))[0] ?? root.der, root.der], /no root is among them/],
    [
      "another's root",
      [(await sign(csr, {}, other))[0] ?? root.der, third.der],
      /leads to no authority/,
    ],
    [
      "no authority",
      await sign(csr, { basicConstraints: { ca: false } }, other),
      /does not make the key an authority/,
    ],
    [
      "another's key identifier",
      await sign(csr, { authorityKeyId: new Uint8Array(20) }, other),
      /another authority key identifier than its issuer/,
    ],
    ["nothing of ours", [third.der], /there is no open request/],
  ];
  for (const [title, certificates, message] of refusals) {
    await refused(t, set.importX509(certificates), { kind: "precondition", message }, title);
  }

  const crossed = await set.importX509(await sign(csr, {}, other));
  t.match(crossed, { status: "active", alternates: [{ notAfter: other.certificate.notAfter }] });
  // The root itself, by another root.
  const { certificate } = root;
  const key = { signer: root.key.signer, pkcs8: new Uint8Array() };
  const bridge = await third.intermediate({
    key,
    subject: certificate.subject,
    notAfter: TEST_EPOCH + 9 * YEAR,
    basicConstraints: { ca: true },
  });
  await set.importX509([bridge.der, third.der]);
  const { alternates, chain, certificate: own } = set.activeX509();
  t.equal(chain.length, 1);
  t.same(
    alternates.map((each) => each.chain.length),
    [1, 2],
  );
  for (const [at, top] of [other, third].entries()) {
    const path = (alternates[at]?.chain ?? []).map(parseCertificate);
    await verifyChain(path, [top.certificate], domain.now);
    t.same(path[0]?.publicKey, own.publicKey);
  }
  t.same(
    (await domain.bundle()).x509Authorities.map(({ der }) => Buffer.from(der)),
    [Buffer.from(root.der)],
    "nobody is told to trust the others",
  );
  await set.importX509([bridge.der, third.der]);
  t.equal(set.activeX509().alternates.length, 2, "once to each root");
  await set[Symbol.asyncDispose]();

  await using reopened = await open();
  t.equal(reopened.activeX509().alternates.length, 2, "after a restart");
  // What stands above the root stands above its successors, too.
  const next = await reopened.requestX509(false);
  const { id, alternates: kept = [] } = await reopened.importX509(await sign(next.csr));
  t.same(
    kept.map(({ chain: links }) => links.length),
    [2],
  );
  await reopened.activate("x509", id);
  t.equal(reopened.activeX509().alternates.length, 1);
});
