import t from "tap";
import type { ProcessFacts } from "../../src/attestors/contract.ts";
import { unixAttestor } from "../../src/attestors/workload/unix/attest.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { attestCall } from "../support/attest-call.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

t.test("one program, many users: nobody is told what the one before was", async (t) => {
  const attestor = unixAttestor({ logger: silentLogger, clock: new VirtualClock() });
  const base = { pid: process.pid, uid: 4001, gid: 4002, groups: [1, 2] as readonly number[] };
  const list = Array.from({ length: 65 }, (_, at) => 7000 + at);
  const kinds = [
    base,
    { ...base, uid: 4003 },
    { ...base, gid: 4003 },
    { ...base, groups: [] },
    { ...base, groups: [1, 3] },
    { ...base, groups: list },
    { ...base, groups: [...list.slice(1), 1] },
  ];
  await attestor.attest(base, attestCall());
  const seen = (facts: ProcessFacts): readonly string[] =>
    attestor
      .lookNow?.(process.pid)
      ?.selectors(facts)
      .map(({ value }) => `unix:${value}`) ?? [];
  for (const [first, one] of kinds.entries()) {
    for (const [second, other] of kinds.entries()) {
      for (const facts of [one, other, one, { ...other }]) {
        const texts = seen(facts).filter((text) => /^unix:(uid|gid|supplementary_gid):/.test(text));
        const want = [
          `unix:uid:${facts.uid}`,
          `unix:gid:${facts.gid}`,
          ...facts.groups.map((gid) => `unix:supplementary_gid:${gid}`),
        ];
        t.same(texts, want, `${first} and ${second}`);
      }
    }
  }
});
