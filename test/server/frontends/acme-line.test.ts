/** The line of challenges that wait to be looked at: an account's own end of it, and everybody's. */
import t from "tap";
import { silentLogger } from "../../../src/observe/logger.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import type { AcmeAuthorizationRecord } from "../../../src/server/datastore/acme.ts";
import { openSqliteDatastore } from "../../../src/server/datastore/sqlite/sqlite-datastore.ts";
import { AcmeUrls } from "../../../src/server/frontends/acme/urls.ts";
import { Validations } from "../../../src/server/frontends/acme/validations.ts";
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
