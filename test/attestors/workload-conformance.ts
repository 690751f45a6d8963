/** What every workload attestor owes its caller, whatever it looks at. */
import type {
  PresentedToken,
  ProcessFacts,
  WorkloadAttestor,
} from "../../src/attestors/contract.ts";
import { checkSelectorName } from "../../src/attestors/selector-types.ts";
import { checkSelector } from "../../src/spiffe/selector.ts";
import { attestCall } from "../support/attest-call.ts";
import { connectingProcess, end } from "../support/caller.ts";

export interface WorkloadAttestorCase {
  readonly attestor: WorkloadAttestor;
  /** A live process that the attestor can say something about. */
  readonly subject: ProcessFacts;
  /** For one that looks at the tokens of calls. */
  readonly token?: PresentedToken;
}

/** Runs the suite as one subtest of `t`. */
export function workloadAttestorConformance(
  t: Tap,
  open: (t: Tap) => Promise<WorkloadAttestorCase>,
): Promise<unknown> {
  return t.test("conformance of a workload attestor", async (t) => {
    const { attestor, subject, token } = await open(t);
    const withToken = token === undefined ? {} : { token };
    const asked = { ...attestCall(), ...withToken };

    await t.test(
      "its selectors are of its own type, valid, and of the names it declares",
      async (t) => {
        const selectors = await attestor.attest(subject, asked);
        t.ok(selectors.length > 0);
        t.ok(attestor.names.length > 0);
        // What can be found out can be demanded: src/attestors/selector-types.ts knows each name.
        for (const name of attestor.names) {
          checkSelectorName({ type: attestor.type, value: `${name}:a:b` });
        }
        for (const selector of selectors) {
          t.equal(selector.type, attestor.type);
          checkSelector(selector);
          const name = selector.value.slice(0, selector.value.indexOf(":"));
          t.ok(attestor.names.includes(name), `${selector.value} has a declared name`);
        }
      },
    );

    await t.test(
      "the same process has the same selectors, asked once or a hundred times at once",
      async (t) => {
        const first = await attestor.attest(subject, asked);
        const many = await Promise.all(
          Array.from({ length: 100 }, () => attestor.attest(subject, asked)),
        );
        for (const selectors of many) t.same(selectors, first);
      },
    );

    await t.test("what it tells at once is what it tells with time", async (t) => {
      const selectors = await attestor.attest(subject, asked);
      const look = attestor.lookNow?.(subject.pid);
      if (look === undefined) {
        t.pass("it has to wait");
        return;
      }
      t.same(look.selectors(subject), selectors);
      t.equal(look.isStill?.() ?? true, true);
      const again = attestor.lookNow?.(subject.pid)?.selectors({ ...subject });
      t.equal(look.selectors(subject), again, "the same array for the same facts");
      t.equal(Object.isFrozen(again), true);
    });

    await t.test("a call that was given up on ends soon", async (t) => {
      const given = new AbortController();
      given.abort(new Error("given up"));
      await attestor
        .attest(subject, { ...attestCall(given.signal), ...withToken })
        .catch(() => undefined);
      t.pass("settled");
      const later = new AbortController();
      const pending = attestor
        .attest(subject, { ...attestCall(later.signal), ...withToken })
        .catch(() => undefined);
      later.abort(new Error("given up"));
      await pending;
      t.pass("settled");
    });

    await t.test("a process that is gone lends its selectors to nobody", async (t) => {
      const child = connectingProcess("/nonexistent");
      const pid = child.pid ?? 0;
      await end(child);
      const selectors = await attestor.attest({ ...subject, pid }, asked).catch(() => []);
      // What follows from the facts alone (ids) may be said again; what is read under its PID may not.
      const fromFacts = await attestor
        .attest({ ...subject, pid: 2 ** 31 - 1 }, asked)
        .catch(() => []);
      t.same(selectors, fromFacts);
    });
  });
}

type Tap = Pick<typeof import("tap").default, "ok" | "equal" | "same" | "pass" | "teardown"> & {
  test(name: string, fn: (t: Tap) => unknown): Promise<unknown>;
};
