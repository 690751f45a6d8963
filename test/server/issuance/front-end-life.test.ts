/** When certificates that front ends hand out begin and end, and those that are made a second time. */
import t from "tap";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { DAY, HOUR } from "../ca/domain.ts";
import { leafOf } from "./fixture.ts";
import { frontEndRig } from "./front-end-rig.ts";

t.test("a certificate begins when it is asked to, and lives from then on", async (t) => {
  const { f, issuance, params, records } = await frontEndRig(t);
  f.domain.pass(DAY);
  for (const notBefore of [f.now - HOUR, f.now, f.now + 300]) {
    for (const ttlSeconds of [0, 6 * HOUR]) {
      const made = await issuance().issue(params({ notBefore, ttlSeconds }));
      const notAfter = notBefore + (ttlSeconds === 0 ? 90 * DAY : ttlSeconds);
      t.match(leafOf(made.chain), { notBefore, notAfter });
      t.match(made, { notBefore, notAfter });
    }
  }
  const many = records.length;
  const wrong = {
    kind: "invalid",
    message: /begin before its authority does, or has ended by now/,
  };
  const early = params({ notBefore: f.now - 2 * DAY });
  t.throws(() => issuance().prepare(early), wrong, "before its authority");
  const short = params({ notBefore: f.now - HOUR, ttlSeconds: HOUR });
  t.throws(() => issuance().prepare(short), wrong, "it has ended");
  t.equal(records.length, many);
});

t.test("what was written down before it was signed is made once more, or nothing is", async (t) => {
  const { f, issuance, params, records } = await frontEndRig(t);
  const { plan, sign } = issuance().prepare(params());
  t.same(records, [], "nothing is signed yet");
  const first = leafOf((await sign()).chain);
  f.domain.pass(8 * DAY);
  const again = issuance().prepare(params(), plan);
  t.same(again.plan, plan);
  const second = leafOf((await again.sign()).chain);
  t.match(second, { serial: plan.serial, notBefore: first.notBefore, notAfter: first.notAfter });
  t.same(second.tbs, first.tbs, "every byte that is signed");
  const other = (await generateKey("ec-p256")).signer.publicKey;
  const changes: [string, () => unknown][] = [
    ["another key", () => issuance().prepare(params({ publicKey: other }), plan)],
    ["other names", () => issuance().prepare(params({ dnsNames: ["a.example.org"] }), plan)],
    ["another authority", () => issuance().prepare(params(), { ...plan, authorityId: "aa" })],
    [
      "a list of revocations",
      () => issuance({ crlUrl: (id) => `http://crl/${id}` }).prepare(params(), plan),
    ],
  ];
  for (const [title, make] of changes) {
    t.throws(make, { kind: "conflict", message: /its authority or its profile is another/ }, title);
  }
  const shorter = { kind: "conflict", message: /it may not live that long any more/ };
  t.throws(() => issuance().prepare(params({ ttlSeconds: 81 * DAY }), plan), shorter);
  t.throws(() => issuance().prepare(params({ mostSeconds: 81 * DAY }), plan), shorter);
  t.same(issuance().prepare(params({ ttlSeconds: 82 * DAY }), plan).plan, plan, "until its end");
  f.domain.pass(-8 * DAY - 30);
  t.same(issuance().prepare(params(), plan).plan, plan, "a clock that was set right");
  f.domain.pass(10 * DAY + 30);
  const late = { kind: "conflict", message: /too much of its life has passed/ };
  t.throws(() => issuance().prepare(params(), plan), late);
  t.equal(records.length, 2);
});

t.test(
  "another authority does not make it, either: one that came after it was begun",
  async (t) => {
    const { f, issuance, params } = await frontEndRig(t);
    const { plan } = issuance().prepare(params());
    f.domain.pass(HOUR);
    const later = await f.domain.authorities({
      name: "later",
      x509: { keyType: "ec-p384", ttlSeconds: 365 * DAY },
      jwt: undefined,
      longestTtlSeconds: { x509: 90 * DAY, jwt: 0 },
    });
    t.teardown(() => later[Symbol.asyncDispose]());
    const sets = new Map([["web", { authorities: later, profiles: ["server-90d"] }]]);
    t.throws(() => issuance({ sets }).prepare(params(), plan), {
      kind: "conflict",
      message: /its authority or its profile is another/,
    });
  },
);
