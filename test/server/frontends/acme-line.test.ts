/** What waits to be looked at: an account's own end of the line, and everybody's. */
import t from "tap";
import { systemRandom } from "../../../src/base/random.ts";
import { jwsKey } from "../../../src/jwt/jws-key.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import type {
  AcmeAuthorizationRecord,
  AcmeOrderRecord,
} from "../../../src/server/datastore/acme.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { Finalization } from "../../../src/server/frontends/acme/finalization.ts";
import { Profiles } from "../../../src/server/frontends/acme/profiles.ts";
import { AcmeUrls } from "../../../src/server/frontends/acme/urls.ts";
import { Validations } from "../../../src/server/frontends/acme/validations.ts";
import { encodeJson, makeAcmeKey } from "../../support/acme-client.ts";
import { csrFor } from "../../support/csr.ts";
import { refused } from "../../support/refused.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

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
    authorizationTtlSeconds: 3600,
    clock,
    logger: silentLogger,
    metrics: new Metrics(),
  });
  const authorization = (accountId: string, id: string): AcmeAuthorizationRecord => ({
    id,
    accountId,
    type: "dns",
    value: `${id}.example.org`,
    wildcard: false,
    status: "pending",
    expiresAt: 3600,
    createdAt: 0,
    challenges: [{ type: "http-01", token: "t", status: "processing", validatedAt: 0, error: "" }],
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

t.test("CAA is looked at again a few names at a time", async (t) => {
  const clock = new VirtualClock(100_000_000);
  await using store = await openSqliteDatastore({ path: ":memory:", clock, logger: silentLogger });
  const names = Array.from({ length: 40 }, (_, at) => `n${at}.example.org`);
  const order = (accountId: string): AcmeOrderRecord => ({
    id: "o",
    accountId,
    status: "open",
    identifiers: names.map((value) => ({ type: "dns", value })),
    authorizations: names,
    profile: "server-7d",
    notBefore: 0,
    notAfter: 0,
    expiresAt: 1e9,
    createdAt: 0,
    error: "",
    certificateId: "",
    replaces: "",
  });
  const authorizations = names.map((value): AcmeAuthorizationRecord => {
    const challenge = { type: "http-01", token: "t", status: "valid", validatedAt: 1 } as const;
    return {
      id: value,
      accountId: "",
      type: "dns",
      value,
      wildcard: false,
      status: "valid",
      expiresAt: 1e9,
      createdAt: 0,
      challenges: [{ ...challenge, error: "" }],
    };
  });
  const running = new Map<string, number>();
  const most = new Map<string, number>();
  let asked = 0;
  const finalization = new Finalization({
    store,
    orders: {
      require: async ({ id }) => ({
        order: order(id),
        authorizations,
        state: { status: "ready", error: "" },
      }),
    },
    policy: { check: async () => [] },
    profiles: new Profiles({
      names: [],
      set: "",
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
    issuance: { frontEndCertificate: () => Promise.reject(new Error("nothing is signed")) },
    urls: new AcmeUrls("https://acme.example.org"),
    clock,
    random: systemRandom,
    logger: silentLogger,
    metrics: new Metrics(),
  });
  const payload = encodeJson({ csr: csrFor({ names }) });
  const finalize = (id: string, orderId: string) => {
    const key = jwsKey({ ...makeAcmeKey().jwk });
    const account = {
      id,
      keyId: key.thumbprint,
      jwk: key.jwk,
      status: "valid",
      contact: [],
      termsAgreed: false,
      externalAccountId: "",
      createdAt: 0,
    } as const;
    const { signal } = new AbortController();
    const request = { key, url: "", payload, remoteAddress: "", signal, account };
    return refused(t, finalization.finalize(request, orderId), { message: /no/ });
  };
  await Promise.all(
    ["a", "b"].flatMap((id) => ["1", "2", "3"].map((order) => finalize(id, `${id}${order}`))),
  );
  t.equal(asked, 6 * names.length, "every name of every order");
  t.same([...most.values()], [16, 16], "of each account");
});
