/** An order has one certificate, whichever write or record fails on its way, and whoever goes on with it. */
import t, { type Test } from "tap";
import { fail } from "../../../src/base/errors.ts";
import { systemRandom } from "../../../src/base/random.ts";
import { jwsKey } from "../../../src/jwt/jws-key.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import type {
  AcmeAuthorizationRecord,
  AcmeOrderRecord,
} from "../../../src/server/datastore/acme.ts";
import type { Datastore, Writers } from "../../../src/server/datastore/contract.ts";
import { Finalization } from "../../../src/server/frontends/acme/finalization.ts";
import { OrderIssuance } from "../../../src/server/frontends/acme/issue-order.ts";
import { Orders } from "../../../src/server/frontends/acme/orders.ts";
import { ProcessingOrders } from "../../../src/server/frontends/acme/processing-orders.ts";
import { Profiles } from "../../../src/server/frontends/acme/profiles.ts";
import type { AccountRequest } from "../../../src/server/frontends/acme/request.ts";
import { AcmeUrls } from "../../../src/server/frontends/acme/urls.ts";
import type { Issuance } from "../../../src/server/issuance/issuance.ts";
import { encodeJson, makeAcmeKey } from "../../support/acme-client.ts";
import { csrFor } from "../../support/csr.ts";
import { SeededRandom } from "../../support/seeded-random.ts";
import { settle } from "../../support/virtual-clock.ts";
import {
  sampleAccount,
  sampleAuthorization,
  sampleChallenge,
  sampleOrder,
} from "../datastore/acme-samples.ts";
import { Fixture } from "../issuance/fixture.ts";

/** What fails: of the writes by their number, of records, or those of certificates. Before: nothing is written. */
type Fault = "before" | "after" | "none";

interface Faults {
  write: (number: number) => Fault;
  record: (number: number) => Fault;
  /** Of a certificate. */
  row: Fault;
}

async function startRig(t: Test) {
  const fixture = await Fixture.open();
  t.teardown(() => fixture[Symbol.asyncDispose]());
  const { clock, datastore } = fixture.domain;
  const key = jwsKey({ ...makeAcmeKey().jwk });
  const now = fixture.now;
  const own = { keyId: key.thumbprint, jwk: key.jwk, externalAccountId: "" };
  const account = { ...sampleAccount("account"), ...own };
  await datastore.transaction(async ({ acme }) => {
    await acme.createAccount(account);
    await acme.createAuthorization(authorizationOf(now));
    await acme.createOrder(orderOf(now));
  });
  const faults: Faults = { write: () => "none", record: () => "none", row: "none" };
  const counts = { writes: 0, records: 0 };
  const store = failing(datastore, faults, counts);
  /** What was signed, once for each signature. */
  const signed: { readonly serial: string; readonly digest: string }[] = [];
  const audit = {
    issued: async () => {
      counts.records += 1;
      if (faults.record(counts.records) !== "none") throw FULL;
    },
  };
  const urls = new AcmeUrls("https://acme.example.org");
  const csr = csrFor({ names: [NAME] });
  /** A process, on what the one before has left. */
  const open = (issuance: Issuance = fixture.issuance({ audit })) => {
    const shared = { store, policy: { check: async () => [] }, urls, clock, logger: silentLogger };
    const profiles = new Profiles({
      settings: () => ({ profiles: ["server-7d"], set: "trust-domain" }),
      externalAccounts: { bound: async () => undefined },
      entries: { get: async () => undefined },
      issuance,
      clock,
    });
    const orders = new Orders({
      ...shared,
      profiles,
      limits: { order: async () => undefined, mayValidate: async () => undefined },
      settings: () => ({ orderTtlSeconds: 7 * 86_400 }),
      random: systemRandom,
    });
    const issuing = new OrderIssuance({
      ...shared,
      profiles,
      validator: { recheck: async () => undefined },
      issuance: {
        prepareFrontEndCertificate(params, plan) {
          const prepared = issuance.prepareFrontEndCertificate(params, plan);
          const { serial, digest } = prepared.plan;
          const sign = (): ReturnType<typeof prepared.sign> => {
            signed.push({ serial, digest });
            return prepared.sign();
          };
          return { ...prepared, sign };
        },
      },
      random: systemRandom,
      metrics: new Metrics(),
    });
    const random = new SeededRandom();
    const processing = new ProcessingOrders({ ...shared, orders, issuance: issuing, random });
    t.teardown(() => processing[Symbol.asyncDispose]());
    const finalization = new Finalization({ store, orders, processing, urls, clock });
    const finalize = (sent = csr) => {
      const { signal } = new AbortController();
      const payload = encodeJson({ csr: sent });
      const request: AccountRequest = { key, url: "", payload, remoteAddress: "", signal, account };
      return finalization.finalize(request, "order").then(
        ({ body }) => String(body?.["status"]),
        (error: Error) => error.message,
      );
    };
    return { processing, finalize };
  };
  const order = async (): Promise<AcmeOrderRecord> => {
    const found = await datastore.acme.order("order");
    if (found === undefined) throw new Error("the order is gone");
    return found;
  };
  const timers = clock.timers;
  /** Until the order has come to its end. The clock moves when something waits for it: signatures take real time. */
  const ended = async (): Promise<void> => {
    for (let turns = 0; (await order()).status === "open"; turns++) {
      await settle();
      // That of whoever looks for lost ones, and that of who tries again.
      const isWaited = clock.timers > timers + 1 || turns % 500 === 499;
      if (isWaited) await clock.advance((clock.nextMs ?? clock.nowMs()) - clock.nowMs());
    }
  };
  /** Until it is valid: the one certificate is the one that was signed. */
  const isOne = async (title: string): Promise<void> => {
    await ended();
    const { status, certificateId } = await order();
    const certificate = await datastore.acme.certificate(certificateId);
    t.equal(status, "valid", title);
    t.same([...new Set(signed.map(({ serial }) => serial))], [certificate?.serial], title);
    t.equal(new Set(signed.map(({ digest }) => digest)).size, 1, `${title}: the same bytes`);
  };
  return { clock, faults, signed, open, order, ended, isOne, audit };
}

const SINGLE: readonly { readonly title: string; readonly set: (faults: Faults) => void }[] = [
  ...[1, 2, 3].flatMap((number) =>
    (["before", "after"] as const).map((how) => ({
      title: `write ${number} fails ${how} it stands`,
      set: (faults: Faults) => {
        faults.write = (at) => (at === number ? how : "none");
      },
    })),
  ),
  {
    title: "the record of the signature fails",
    set(faults) {
      faults.record = (at) => (at === 1 ? "before" : "none");
    },
  },
  {
    title: "the record and each first write fail",
    set(faults) {
      faults.record = (at) => (at < 3 ? "before" : "none");
      faults.write = (at) => (at % 2 === 0 ? "before" : "none");
    },
  },
];

for (const { title, set } of SINGLE) {
  t.test(`${title}, and the same process goes on`, async (t) => {
    const { open, faults, isOne } = await startRig(t);
    set(faults);
    const { finalize, processing } = open();
    processing.resume();
    const answers = [await finalize()];
    for (let tries = 0; tries < 3 && !/^(valid|processing)$/.test(answers.at(-1) ?? ""); tries++) {
      answers.push(await finalize());
    }
    await isOne(answers.join(", "));
  });
}

/** From then on nothing can be written any more, until the next process has a disk with room. */
const FROM: readonly { readonly title: string; readonly set: (faults: Faults) => void }[] = [
  { title: "before anything", set: (faults) => (faults.write = () => "before") },
  {
    title: "after what is signed was noted",
    set: (faults) => (faults.write = (at) => (at > 1 ? "before" : "none")),
  },
  { title: "when the signature is recorded", set: (faults) => (faults.record = () => "before") },
  {
    title: "when the certificate was written, and nobody was told",
    set: (faults) => (faults.write = (at) => (at === 2 ? "after" : at > 2 ? "before" : "none")),
  },
];

for (const { title, set } of FROM) {
  t.test(`the disk is full ${title}, and the next process goes on`, async (t) => {
    const { open, faults, clock, isOne } = await startRig(t);
    set(faults);
    const first = open();
    first.processing.resume();
    const answers = [await first.finalize()];
    await clock.advance(300_000);
    answers.push(await first.finalize());
    await first.processing[Symbol.asyncDispose]();
    faults.write = () => "none";
    faults.record = () => "none";
    const next = open();
    next.processing.resume();
    answers.push(await next.finalize());
    await isOne(answers.join(", "));
  });
}

t.test("what cannot be stored is signed once, and not handed out late", async (t) => {
  const { open, faults, clock, signed, order, ended } = await startRig(t);
  faults.row = "before";
  const { finalize, processing } = open();
  processing.resume();
  const begun = clock.nowMs();
  t.equal(await finalize(), "processing");
  t.match(await finalize(csrFor({ names: [NAME] })), /processing already, with another key/);
  await clock.advance(300_000);
  t.match(await order(), { status: "open", csr: /./, signing: /^\{"serial"/ });
  // A tenth of the hour that it lives.
  await ended();
  t.ok(clock.nowMs() - begun >= 350_000);
  t.match(await order(), { status: "invalid", csr: "", signing: "", error: /make another order/ });
  t.equal(signed.length, 1);
  faults.row = "none";
  t.match(await finalize(), /the order is invalid/);
});

t.test("what the authority of the day cannot make again is not made", async (t) => {
  const { open, faults, signed, order, ended, clock, audit } = await startRig(t);
  faults.row = "before";
  const first = open();
  t.equal(await first.finalize(), "processing");
  await first.processing[Symbol.asyncDispose]();
  faults.row = "none";
  const other = await Fixture.open();
  t.teardown(() => other[Symbol.asyncDispose]());
  const next = open(other.issuance({ audit, clock }));
  next.processing.resume();
  await ended();
  t.match(await order(), { status: "invalid", error: /cannot be made any more; make another/ });
  t.equal(signed.length, 1);
});

/** Fails writes as told. */
function failing(
  datastore: Datastore,
  faults: Faults,
  counts: { writes: number },
): Pick<Datastore, "acme" | "transaction"> {
  return {
    acme: datastore.acme,
    async transaction(work) {
      counts.writes += 1;
      const how = faults.write(counts.writes);
      if (how === "before") throw FULL;
      const result = await datastore.transaction((writers: Writers) => {
        const createCertificate = async (
          ...params: Parameters<Writers["acme"]["createCertificate"]>
        ): Promise<void> => {
          if (faults.row !== "none") throw FULL;
          await writers.acme.createCertificate(...params);
        };
        const acme = new Proxy(writers.acme, {
          get(target, name) {
            if (name === "createCertificate") return createCertificate;
            const found: unknown = Reflect.get(target, name);
            return typeof found === "function" ? (found.bind(target) as unknown) : found;
          },
        });
        return work({ ...writers, acme });
      });
      if (how === "after") throw FULL;
      return result;
    },
  };
}

function orderOf(now: number): AcmeOrderRecord {
  return sampleOrder("order", {
    identifiers: [{ type: "dns", value: NAME }],
    authorizations: ["authorization"],
    profile: "server-7d",
    notBefore: 0,
    notAfter: 0,
    expiresAt: now + 7 * 86_400,
  });
}

function authorizationOf(now: number): AcmeAuthorizationRecord {
  return sampleAuthorization("authorization", {
    value: NAME,
    status: "valid",
    expiresAt: now + 30 * 86_400,
    challenges: [sampleChallenge({ status: "valid", validatedAt: now })],
  });
}

const NAME = "a.example.org";
const FULL = fail("unavailable", "the disk is full");
