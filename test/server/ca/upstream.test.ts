/** Authorities that somebody else signs: what is checked, published, tainted and revoked, and what its troubles do. */
import t, { type Test } from "tap";
import { fail } from "../../../src/base/errors.ts";
import { type Logger, silentLogger } from "../../../src/observe/logger.ts";
import type { AuthoritySetOptions } from "../../../src/server/ca/authority-set.ts";
import { OwnBundleAppender } from "../../../src/server/bundles/own-bundle.ts";
import type { SignedCa } from "../../../src/server/upstream/contract.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { verifyChain } from "../../../src/x509/chain.ts";
import { refused } from "../../support/refused.ts";
import { TEST_EPOCH, TestCa } from "../../support/test-ca.ts";
import { HeldUpstream } from "../upstream/held-upstream.ts";
import { DAY, Domain, HOUR, TRUST_DOMAIN } from "./domain.ts";

const YEAR = 365 * DAY;
const long = { notAfter: TEST_EPOCH + 10 * YEAR } as const;
const idOf = (ca: TestCa): string => ca.certificate.subjectKeyId ?? "";

interface Rig {
  readonly domain: Domain;
  readonly root: TestCa;
  readonly held: HeldUpstream;
  readonly open: (options?: Partial<AuthoritySetOptions>) => ReturnType<Domain["authorities"]>;
}

async function rig(t: Test): Promise<Rig> {
  const domain = await Domain.open();
  t.teardown(() => domain[Symbol.asyncDispose]());
  const root = await TestCa.create(long);
  const held = new HeldUpstream(await root.intermediate({ ...long, name: "issuing" }));
  return {
    domain,
    root,
    held,
    open: (options) => domain.authorities({ upstream: held.upstream, ...options }),
  };
}

const rootsOf = async (domain: Domain): Promise<Record<string, boolean>> =>
  Object.fromEntries(
    (await domain.bundle()).x509Authorities.map(({ der, tainted }) => [
      parseCertificate(der).subjectKeyId,
      tainted,
    ]),
  );

t.test("the chain goes with SVIDs, the root alone into the bundle", async (t) => {
  const { domain, root, held, open } = await rig(t);
  await using set = await open();
  const { certificate, chain, id, notAfter } = set.activeX509();
  t.same(await rootsOf(domain), { [idOf(root)]: false });
  t.equal(id, certificate.subjectKeyId);
  t.same(
    chain.map((der) => Buffer.from(der)),
    [Buffer.from(certificate.raw), Buffer.from(held.issuing.der)],
    "its own certificate first, no root",
  );
  t.equal(notAfter, domain.now + DAY);
  t.equal(set.upstreamOf(set.records("x509")[0] as never), idOf(root));
  await verifyChain(chain.map(parseCertificate), [root.certificate], domain.now);
});

t.test("rotation: the root stays when authorities below it go", async (t) => {
  const { domain, root, open } = await rig(t);
  await using set = await open();
  for (let hour = 0; hour < 4 * 24; hour++) {
    domain.pass(HOUR);
    await set.rotate();
    const { notAfter } = set.activeX509();
    if (notAfter < domain.now + HOUR) t.fail(`an SVID would be cut short at hour ${hour}`);
  }
  t.ok(set.records("x509").length < 6, "old ones are pruned");
  t.same(await rootsOf(domain), { [idOf(root)]: false });
});

t.test("what the upstream signs is looked at before anyone relies on it", async (t) => {
  const { root, held, open } = await rig(t);
  await using set = await open();
  const before = set.activeX509().id;
  const other = await TestCa.create({ ...long, name: "other" });
  const own = (signed: SignedCa): Uint8Array => signed.chain[0] ?? new Uint8Array();
  const remake =
    (options: object, by: () => TestCa = () => held.issuing) =>
    async (signed: SignedCa) => {
      const key = {
        signer: {
          keyType: "ec-p256",
          publicKey: parseCertificate(own(signed)).publicKey,
          sign: async () => new Uint8Array(),
        } as const,
        pkcs8: new Uint8Array(),
      };
      const ca = await by().intermediate({ key, ...long, ...options });
      return { chain: ca.intermediates, roots: signed.roots };
    };
  const strict = await root.intermediate({
    ...long,
    name: "strict",
    basicConstraints: { ca: true, pathLen: 0 },
  });
  const over = await root.intermediate({
    name: "over",
    notAfter: TEST_EPOCH - 1,
    notBefore: TEST_EPOCH - 100,
  });
  const soon = await root.intermediate({ name: "soon", notAfter: TEST_EPOCH + 10 });
  const cases: readonly [string, NonNullable<HeldUpstream["answer"]>, RegExp][] = [
    ["empty chain", async ({ roots }) => ({ chain: [], roots }), /the chain is empty/],
    ["no root", async ({ chain }) => ({ chain, roots: [] }), /there is no root/],
    ["wrong root", async ({ chain }) => ({ chain, roots: [other.der] }), /leads to no authority/],
    ["a link is missing", async (s) => ({ ...s, chain: [own(s)] }), /leads to no authority/],
    ["another key", async (s) => ({ ...s, chain: held.issuing.intermediates }), /another key/],
    ["garbage", async (s) => ({ ...s, chain: [Uint8Array.of(1)] }), /cannot be read/],
    [
      "a leaf as root",
      async (s) => ({ ...s, roots: [...s.roots, (await root.leaf()).der] }),
      /a root is no certificate authority/,
    ],
    [
      "too many",
      async (s) => ({ ...s, chain: Array(9).fill(own(s)) as Uint8Array[] }),
      /more than 8/,
    ],
    [
      "no authority",
      remake({ basicConstraints: { ca: false } }),
      /does not make the key an authority/,
    ],
    ["may not sign", remake({ keyUsage: ["cRLSign"] }), /does not make the key an authority/],
    ["another trust domain", remake({ uris: ["spiffe://other.org"] }), /names something else/],
    ["a workload's name", remake({ uris: ["spiffe://example.org/a"] }), /names something else/],
    ["a DNS name", remake({ dnsNames: ["a.example.org"] }), /names something else/],
    ["no key id", remake({ subjectKeyId: "omit" }), /no subject key identifier/],
    ["no path length left", remake({}, () => strict), /allows? .*0/],
    ["an expired link", remake({}, () => over), /expired at/],
    ["a link that ends now", remake({}, () => soon), /ends within 30 s/],
    [
      "signed by nobody",
      remake({ authorityKeyId: "omit", signer: other.key.signer }),
      /signature does not fit/,
    ],
  ];
  for (const [name, answer, message] of cases) {
    held.answer = answer;
    await refused(t, set.prepare("x509"), { kind: "precondition", message }, name);
  }
  t.equal(set.activeX509().id, before);
  t.equal(set.records("x509").length, 1, "nothing of it is left");
});

t.test("times are those of the whole path", async (t) => {
  const { domain, root, held, open } = await rig(t);
  held.issuing = await root.intermediate({ name: "brief", notAfter: TEST_EPOCH + 2 * HOUR });
  await using set = await open();
  t.equal(set.activeX509().notAfter, domain.now + 2 * HOUR);
  domain.pass(HOUR + 1800);
  await refused(t, set.rotate(), {
    kind: "precondition",
    message: /would end no later than the active one, as the upstream authority itself ends; renew/,
  });
  t.match(set.troubles, [/would end no later/]);
  const { signed } = held;
  await set.rotate();
  t.equal(held.signed, signed, "not asked in each round");
  held.issuing = await root.intermediate({ name: "renewed", notAfter: TEST_EPOCH + 2 * DAY });
  domain.pass(60);
  await set.rotate();
  t.same(set.troubles, [], "and the renewed one is used");
  t.same(
    set.records("x509").map(({ status }) => status),
    ["active", "prepared"],
  );
});

t.test("an upstream that is away, slow or refuses", async (t) => {
  const { domain, held, open } = await rig(t);
  held.answer = () => Promise.reject(fail("denied", "no"));
  await refused(t, open(), { kind: "denied" }, "somebody has to do something: said at the start");

  held.answer = () => Promise.reject(fail("unavailable", "away"));
  const errors: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    error: (message) => errors.push(message),
    child: () => logger,
  };
  await using set = await open({ logger });
  t.match(errors, [/upstream authority failed; it is asked again/]);
  t.throws(() => set.activeX509(), /can sign now/, "started, and waits");
  t.ok(set.activeJwt(), "JWT keys need nobody");

  const asked = Promise.withResolvers<void>();
  held.answer = (_signed, _request, signal) => {
    asked.resolve();
    return new Promise((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason)),
    );
  };
  const slow = set.rotate();
  slow.catch(() => undefined); // looked at below
  await asked.promise;
  await domain.clock.advance(31_000);
  await refused(t, slow, { kind: "deadline", message: /upstream held did not answer within 30 s/ });

  held.answer = undefined;
  await set.rotate();
  const { id } = set.activeX509();
  t.same(set.troubles, []);

  held.answer = () => Promise.reject(fail("unavailable", "away"));
  for (let round = 0; round < 6 * 60 * 14; round++) {
    domain.pass(10);
    await set.rotate().catch(() => undefined); // the next round is another try
  }
  t.equal(set.activeX509().id, id, "the active one signs on");
  t.match(set.troubles, [/away/]);
  t.ok(held.signed < 40, `asked ever more rarely: ${held.signed} times in 14 hours`);
  await using again = await open();
  t.equal(again.activeX509().id, id, "a restart does not need the upstream");
});

t.test("taint and revoke an upstream's root", async (t) => {
  const { domain, root, held, open } = await rig(t);
  await using set = await open();
  const first = set.activeX509().id;
  await refused(t, set.taintUpstream(idOf(root)), {
    kind: "conflict",
    message: /is the root of the active authority/,
  });
  await set.prepare("x509");
  await refused(t, set.taint("x509", first), { kind: "precondition", message: /is active/ });

  const next = await TestCa.create({ ...long, name: "next" });
  held.issuing = await next.intermediate({ ...long, name: "issuing" });
  const { id } = await set.prepare("x509");
  t.same(
    await rootsOf(domain),
    { [idOf(root)]: false, [idOf(next)]: false },
    "published before use",
  );
  await refused(t, set.taintUpstream(idOf(next)), { kind: "conflict", message: /of the prepared/ });
  await set.activate("x509", id);
  await refused(t, set.taint("x509", first), {
    kind: "precondition",
    message: /is signed by an upstream authority; taint and revoke that with --upstream/,
  });
  await refused(t, set.revokeUpstream(idOf(root)), {
    kind: "precondition",
    message: /is not tainted; taint it first/,
  });
  await refused(t, set.taintUpstream("00ff"), { kind: "not_found" });

  const spelled = idOf(root)
    .toUpperCase()
    .replaceAll(/(..)(?=.)/g, "$1:");
  t.equal(await set.taintUpstream(spelled), idOf(root), "as openssl writes it, too");
  t.same(await rootsOf(domain), { [idOf(root)]: true, [idOf(next)]: false });
  t.ok(
    set
      .records("x509")
      .filter(({ status }) => status === "old")
      .every(({ tainted }) => tainted),
  );
  await refused(t, set.taintUpstream(idOf(root)), {
    kind: "precondition",
    message: /tainted already/,
  });
  await refused(t, set.taintUpstream(idOf(next)), { kind: "conflict", message: /of the active/ });
  t.equal(await set.revokeUpstream(idOf(root)), idOf(root));
  t.same(await rootsOf(domain), { [idOf(next)]: false });
  t.same(
    set.records("x509").map((record) => record.id),
    [id],
  );
  await refused(t, set.revokeUpstream(idOf(root)), { kind: "not_found" });
});

t.test("what the upstream tells is followed, in an order that agents can follow", async (t) => {
  const { domain, root, held, open } = await rig(t);
  await using set = await open();
  const first = set.activeX509().id;
  const next = await TestCa.create({ ...long, name: "next" });
  const seen = (...roots: [TestCa, boolean][]) => ({
    x509Authorities: roots.map(([{ der }, tainted]) => ({ der, tainted })),
    jwtAuthorities: [],
  });
  await set.followUpstream(seen([root, false], [next, false]), true);
  t.same(await rootsOf(domain), { [idOf(root)]: false, [idOf(next)]: false }, "new roots at once");
  const { sequence } = await domain.bundle();
  await set.followUpstream(seen([root, false], [next, false]), true);
  t.equal((await domain.bundle()).sequence, sequence, "nothing new changes nothing");

  held.answer = () => Promise.reject(fail("unavailable", "away"));
  await refused(t, set.followUpstream(seen([root, true], [next, false]), true), {
    kind: "unavailable",
  });
  t.same(
    await rootsOf(domain),
    { [idOf(root)]: false, [idOf(next)]: false },
    "not tainted while it is in use",
  );
  held.answer = undefined;
  held.issuing = await next.intermediate({ ...long, name: "issuing" });
  domain.pass(300);
  await set.followUpstream(seen([root, true], [next, false]), true);
  t.not(set.activeX509().id, first, "another authority took over");
  t.same(await rootsOf(domain), { [idOf(root)]: true, [idOf(next)]: false });
  t.match(set.records("x509")[0], { id: first, status: "old", tainted: true });

  await set.followUpstream(seen([next, false]), false);
  t.same(
    await rootsOf(domain),
    { [idOf(root)]: true, [idOf(next)]: false },
    "gone from a part: that says nothing",
  );
  await set.followUpstream(seen(), true);
  t.same(
    await rootsOf(domain),
    { [idOf(root)]: true, [idOf(next)]: false },
    "an empty bundle neither",
  );
  await set.followUpstream(seen([next, false]), true);
  t.same(await rootsOf(domain), { [idOf(next)]: false }, "revoked at the upstream, revoked here");
});

t.test("what was revoked here alone does not come back from the upstream", async (t) => {
  const { domain, root, held, open } = await rig(t);
  const next = await TestCa.create({ ...long, name: "next" });
  const other = await TestCa.create({ ...long, name: "other" });
  await using set = await open();
  const seen = {
    x509Authorities: [root, next].map(({ der }) => ({ der, tainted: false })),
    jwtAuthorities: (await domain.bundle()).jwtAuthorities,
  };
  const [oldKey] = seen.jwtAuthorities;
  held.issuing = await next.intermediate({ ...long, name: "issuing" });
  await set.prepare("x509");
  await set.activate("x509", set.records("x509").at(-1)?.id ?? "");
  await set.taintUpstream(idOf(root));
  await set.revokeUpstream(idOf(root));
  await set.prepare("jwt");
  await set.activate("jwt", set.records("jwt").at(-1)?.id ?? "");
  await set.taint("jwt", oldKey?.keyId ?? "");
  await set.revoke("jwt", oldKey?.keyId ?? "");
  const kept = { [idOf(next)]: false };
  t.same(await rootsOf(domain), kept);
  const keys = async (): Promise<readonly string[]> =>
    (await domain.bundle()).jwtAuthorities.map(({ keyId }) => keyId);
  t.notOk((await keys()).includes(oldKey?.keyId ?? ""));

  for (const isWhole of [false, true]) {
    await set.followUpstream(seen, isWhole);
    t.same(await rootsOf(domain), kept, "looked at");
    t.notOk((await keys()).includes(oldKey?.keyId ?? ""), "nor the JWT key");
  }
  held.answer = async ({ chain, roots }) => ({ chain, roots: [...roots, root.der] });
  await set.prepare("x509");
  t.same(await rootsOf(domain), kept, "beside the root of the next one");
  held.answer = undefined;
  held.issuing = await root.intermediate({ ...long, name: "again" });
  await refused(t, set.prepare("x509"), {
    kind: "precondition",
    message: /below the root [0-9a-f]+, which was revoked here/,
  });
  const { clock, datastore } = domain;
  const appender = new OwnBundleAppender({ trustDomain: TRUST_DOMAIN, datastore, clock });
  const none = { x509Authorities: [], jwtAuthorities: [] };
  await refused(t, appender.append({ ...none, x509Authorities: seen.x509Authorities }), {
    kind: "precondition",
    message: /X\.509 authority .* was revoked here/,
  });
  await refused(t, appender.append({ ...none, jwtAuthorities: seen.jwtAuthorities }), {
    kind: "precondition",
    message: /JWT authority .* was revoked here/,
  });
  await appender.append({ ...none, x509Authorities: [{ der: other.der, tainted: false }] });

  await set[Symbol.asyncDispose]();
  held.issuing = await next.intermediate({ ...long, name: "issuing" });
  await using again = await open();
  await again.followUpstream(seen, true);
  t.same(await rootsOf(domain), { ...kept, [idOf(other)]: false }, "nor after a restart");
});

t.test(
  "a tainted root above one that is only prepared, and one that was revoked meanwhile",
  async (t) => {
    const { domain, root, held, open } = await rig(t);
    await using set = await open();
    const [second, third] = [
      await TestCa.create({ ...long, name: "second" }),
      await TestCa.create({ ...long, name: "third" }),
    ];
    held.issuing = await second.intermediate({ ...long, name: "issuing" });
    held.answer = async ({ chain, roots }) => ({ chain, roots: [third.der, ...roots] });
    const { id } = await set.prepare("x509");
    t.same(await rootsOf(domain), {
      [idOf(root)]: false,
      [idOf(second)]: false,
      [idOf(third)]: false,
    });
    await set.taintUpstream(idOf(third));
    await set.revokeUpstream(idOf(third));
    await set.activate("x509", id);
    t.same(await rootsOf(domain), { [idOf(root)]: false, [idOf(second)]: false }, "not back");

    held.issuing = await root.intermediate({ ...long, name: "again" });
    held.answer = undefined;
    const { id: unlucky } = await set.prepare("x509");
    await set.followUpstream(
      {
        x509Authorities: [
          { der: root.der, tainted: true },
          { der: second.der, tainted: false },
        ],
        jwtAuthorities: [],
      },
      true,
    );
    t.same(await rootsOf(domain), { [idOf(root)]: true, [idOf(second)]: false });
    held.issuing = await second.intermediate({ ...long, name: "sound" });
    domain.pass(21 * HOUR);
    await set.rotate();
    t.equal(
      set.records("x509").find((record) => record.id === unlucky)?.status,
      "old",
      "passed over",
    );
  },
);

t.test("an authority that its upstream lets live longer than itself", async (t) => {
  const { root, held, open } = await rig(t);
  const brief = await root.intermediate({ name: "brief", notAfter: TEST_EPOCH + 2 * HOUR });
  held.answer = async (_signed, { key }) => {
    const ca = await brief.intermediate({ ...long, key: { signer: key, pkcs8: new Uint8Array() } });
    return { chain: ca.intermediates, roots: [root.der] };
  };
  await using set = await open();
  const { certificate, notAfter } = set.activeX509();
  t.equal(certificate.notAfter, TEST_EPOCH + 10 * YEAR);
  t.equal(notAfter, TEST_EPOCH + 2 * HOUR, "counts as long as the whole path");
});

t.test("from self-signed authorities to an upstream, and back", async (t) => {
  const { domain, root, open } = await rig(t);
  const self = await domain.authorities();
  const own = self.activeX509().id;
  await self[Symbol.asyncDispose]();
  await using set = await open();
  t.equal(set.activeX509().id, own, "what signs goes on signing");
  const { id } = await set.prepare("x509");
  await set.activate("x509", id);
  await set.taint("x509", own);
  t.same(
    await rootsOf(domain),
    { [own]: true, [idOf(root)]: false },
    "a root of one's own is one's own to taint",
  );
  await set.revoke("x509", own);
  await using back = await domain.authorities();
  await refused(t, back.taintUpstream(idOf(root)), {
    kind: "precondition",
    message: /no upstream authority/,
  });
  const { id: again } = await back.prepare("x509");
  await back.activate("x509", again);
  t.same(await rootsOf(domain), { [idOf(root)]: false, [again]: false });
});
