/** What waits to be looked at: an account's own end of the line, and everybody's. */
import t from "tap";
import { systemRandom } from "../../../src/base/random.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import type {
  AcmeAuthorizationRecord,
  AcmeOrderRecord,
} from "../../../src/server/datastore/acme.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { OrderIssuance } from "../../../src/server/frontends/acme/issue-order.ts";
import { Profiles } from "../../../src/server/frontends/acme/profiles.ts";
import { AcmeUrls } from "../../../src/server/frontends/acme/urls.ts";
import {
  type LinePlace,
  ValidationLine,
} from "../../../src/server/frontends/acme/validation-line.ts";
import { Validations } from "../../../src/server/frontends/acme/validations.ts";
import { parseCsr } from "../../../src/x509/csr.ts";
import { csrFor } from "../../support/csr.ts";
import { refused } from "../../support/refused.ts";
import { VirtualClock, settle } from "../../support/virtual-clock.ts";
import {
  sampleAccount,
  sampleAuthorization,
  sampleChallenge,
  sampleOrder,
} from "../datastore/acme-samples.ts";

t.test("one account whose targets hang leaves room for the others", async (t) => {
  const clock = new VirtualClock(0);
  await using store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  await using validations = new Validations({
    store,
    validator: {
      validate: ({ signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
        }),
    },
    limits: { failed: () => undefined },
    urls: new AcmeUrls("https://acme.example.org"),
    settings: () => ({ authorizationTtlSeconds: 3600 }),
    clock,
    logger: silentLogger,
    metrics: new Metrics(),
  });
  const authorization = (accountId: string, id: string): AcmeAuthorizationRecord =>
    sampleAuthorization(id, {
      accountId,
      value: `${id}.example.org`,
      expiresAt: 3600,
      challenges: [sampleChallenge({ status: "processing" })],
    });
  // As if it deactivated each one that it has begun, so that no more than a few are pending at once.
  let many = 0;
  const greedy = (): void => {
    for (; many < 10_000; many++) {
      validations.requireRoom("greedy");
      const begun = authorization("greedy", `a${many}`);
      validations.start({ authorization: begun, type: "http-01", thumbprint: "x" });
    }
  };
  t.throws(greedy, { message: /too many challenges are waiting/ });
  t.equal(many, 316, "300 wait, 16 are looked at");
  t.doesNotThrow(() => validations.requireRoom("other"));
  validations.start({
    authorization: authorization("other", "b"),
    type: "http-01",
    thumbprint: "x",
  });
  t.equal(validations.waiting, 300, "the other's is looked at, past them");
});

/** A line whose tasks hang until they are told to end, or end by hand. */
function hangingLine() {
  const clock = new VirtualClock(0);
  const begun: string[] = [];
  const ended: string[] = [];
  const places = new Map<string, LinePlace>();
  const finish = new Map<string, () => void>();
  const line = new ValidationLine<string>({
    clock,
    run: (name, place) =>
      new Promise((resolve) => {
        begun.push(name);
        places.set(name, place);
        finish.set(name, resolve);
        place.signal.addEventListener("abort", () => {
          ended.push(name);
          resolve();
        });
      }),
  });
  const add = (account: string, many: number): void => {
    for (let at = 0; at < many; at++) line.add(account, `${account} ${at}`);
  };
  return { clock, begun, ended, places, finish, line, add };
}

t.test("accounts take turns", async (t) => {
  const { clock, begun, line, add } = hangingLine();
  for (const account of ["a", "b", "c", "d"]) add(account, 50);
  t.equal(begun.length, 64, "four accounts have all places");
  add("e", 3);
  add("f", 1);
  await clock.advance(999);
  t.equal(begun.length, 64);
  await clock.advance(1);
  t.equal(line.slow, 64, "whoever has lasted for a second makes room");
  t.same(begun.slice(64), ["e 0", "f 0", "e 1", "e 2"], "each in turn, the first have theirs");
  await line[Symbol.asyncDispose]();
});

t.test("an account has a place back when one of its tasks has ended", async (t) => {
  const { clock, begun, finish, line, add } = hangingLine();
  add("a", 20);
  t.equal(begun.length, 16, "as many as one account has");
  finish.get("a 3")?.();
  await settle();
  t.same(begun.slice(16), ["a 16"], "a prompt one");
  await clock.advance(1000);
  finish.get("a 5")?.();
  finish.get("a 16")?.();
  await settle();
  t.same(begun.slice(17), ["a 17", "a 18"], "slow ones");
  t.equal(line.waiting, 1);
  await line[Symbol.asyncDispose]();
});

t.test("without an end, the longest of whoever has most ends", async (t) => {
  const { clock, begun, ended, line, add } = hangingLine();
  for (let at = 0; at < 60; at++) add(`account-${at}`, 16);
  for (let second = 0; second < 8; second++) await clock.advance(1000);
  t.equal(line.slow, 448);
  t.equal(begun.length, 448 + 2 * 64, "64 a second went on");
  t.equal(ended.length, 64, "as many as there was no room for");
  add("good", 1);
  await clock.advance(6000);
  t.ok(begun.includes("good 0"), "it had its turn");
  t.notOk(ended.includes("good 0"), "and its time");
  await line[Symbol.asyncDispose]();
});

t.test("so many go to one address, and the newest stay", async (t) => {
  const { clock, ended, places, line, add } = hangingLine();
  for (let at = 0; at < 5; at++) add(`account-${at}`, 16);
  const enter = (address: (at: number) => string): void => {
    [...places.values()].forEach((place, at) => place.entering(address(at)));
  };
  enter(() => "192.0.2.1");
  await clock.advance(1000);
  t.equal(places.size, 80);
  t.equal(ended.length, 0);
  const names = [...places.keys()];
  for (const name of names.slice(64)) places.get(name)?.entering("192.0.2.1");
  t.equal(ended.length, 16, "64 are left");
  t.ok(
    ended.every((name) => names.indexOf(name) < 64),
    "of those that had their second",
  );
  enter((at) => `2001:db8::${at}`);
  t.equal(ended.length, 16, "those that are left go to one network, too");
  add("other", 1);
  places.get("other 0")?.entering("2001:db8::ffff");
  t.equal(ended.length, 17);
  places.get("other 0")?.entering("192.0.2.1");
  t.equal(ended.length, 17, "whoever goes on to another address has left the first");
  await line[Symbol.asyncDispose]();
});

t.test("the end of the line is kept for accounts with hardly anything in it", async (t) => {
  const { line, add } = hangingLine();
  for (let at = 0; at < 31; at++) add(`account-${at}`, 300);
  t.equal(line.waiting, 9300 - 64);
  t.notOk(line.hasRoom("account-1"), "with 296 of its own");
  t.ok(line.hasRoom("other"));
  add("other", 9);
  t.ok(line.hasRoom("other"));
  add("other", 1);
  t.notOk(line.hasRoom("other"), "with ten");
  for (let at = 0; line.hasRoom(`few-${at}`); at++) add(`few-${at}`, 9);
  t.ok(line.waiting >= 10_000 && line.waiting < 10_009, "it has an end for all");
  await line[Symbol.asyncDispose]();
});

t.test("CAA is looked at again a few names at a time", async (t) => {
  const clock = new VirtualClock(100_000_000);
  await using store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  const names = Array.from({ length: 40 }, (_, at) => `n${at}.example.org`);
  const order = (accountId: string): AcmeOrderRecord =>
    sampleOrder("o", {
      accountId,
      identifiers: names.map((value) => ({ type: "dns", value })),
      authorizations: names,
      profile: "server-7d",
      notBefore: 0,
      notAfter: 0,
      expiresAt: 1e9,
    });
  const met = sampleChallenge({ status: "valid", validatedAt: 1 });
  const authorizations = names.map((value) =>
    sampleAuthorization(value, { value, status: "valid", expiresAt: 1e9, challenges: [met] }),
  );
  const running = new Map<string, number>();
  const most = new Map<string, number>();
  let asked = 0;
  const issuance = new OrderIssuance({
    store,
    policy: { check: async () => [] },
    profiles: new Profiles({
      settings: () => ({ profiles: [], set: "" }),
      externalAccounts: { bound: async () => undefined },
      entries: { get: async () => undefined },
      issuance: { checkFrontEndCertificate: () => undefined },
      clock,
    }),
    validator: {
      async recheck({ identifier, accountUri }) {
        asked += 1;
        const now = (running.get(accountUri) ?? 0) + 1;
        running.set(accountUri, now);
        most.set(accountUri, Math.max(now, most.get(accountUri) ?? 0));
        await new Promise((resolve) => setImmediate(resolve));
        running.set(accountUri, (running.get(accountUri) ?? 1) - 1);
        // The last one's, so that all are looked at.
        return identifier.value === names.at(-1) ? { type: "caa", detail: "no" } : undefined;
      },
    },
    issuance: {
      prepareFrontEndCertificate() {
        throw new Error("nothing is signed");
      },
    },
    urls: new AcmeUrls("https://acme.example.org"),
    clock,
    random: systemRandom,
    logger: silentLogger,
    metrics: new Metrics(),
  });
  const text = csrFor({ names });
  const csr = { text, request: parseCsr(Buffer.from(text, "base64url")) };
  const { signal } = new AbortController();
  const issue = (id: string) => {
    const account = { ...sampleAccount(id), externalAccountId: "" };
    const known = {
      order: order(id),
      authorizations,
      state: { status: "ready", expiresAt: 1e9, error: "" },
    } as const;
    return refused(t, issuance.issue({ account, known, csr, signal }), { message: /no/ });
  };
  await Promise.all(["a", "b", "a", "b", "a", "b"].map(issue));
  t.equal(asked, 6 * names.length, "every name of every order");
  t.same([...most.values()], [16, 16], "of each account");
});
