import type { Test } from "tap";
import type { Datastore } from "../../../src/server/datastore/contract.ts";
import { acmeConformance } from "./conformance-acme.ts";
import { aggregatesConformance } from "./conformance-aggregates.ts";
import { changesConformance } from "./conformance-changes.ts";
import { entriesConformance } from "./conformance-entries.ts";
import { acmeExternalAccountsConformance } from "./conformance-acme-external-accounts.ts";
import { provisionConformance } from "./conformance-provision.ts";
import { transactionsConformance } from "./conformance-transactions.ts";
import { holding } from "./samples.ts";

/** A store under test; `reopen` closes it and opens the same data again, where the implementation keeps any. */
export interface StoreUnderTest {
  readonly store: Datastore;
  readonly reopen?: () => Promise<Datastore>;
}

/** Runs one test on a store of its own. */
export type Check = (
  title: string,
  body: (t: Test, under: StoreUnderTest) => Promise<void>,
) => Promise<unknown>;

/** What every datastore must do; run it for each implementation with a function that opens an empty one. */
export async function datastoreConformance(
  t: Test,
  name: string,
  open: () => Promise<StoreUnderTest>,
): Promise<void> {
  const check: Check = (title, body) =>
    t.test(`${name}: ${title}`, async (t) => {
      const under = await open();
      await holding(under.store, () => body(t, under));
    });
  await entriesConformance(check);
  await aggregatesConformance(check);
  await provisionConformance(check);
  await acmeConformance(check);
  await acmeExternalAccountsConformance(check);
  await transactionsConformance(check);
  await changesConformance(check);
}
