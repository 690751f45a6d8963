/** What an agent's connection to its server stands on. */
import t from "tap";
import { AgentIdentity } from "../../src/agent/identity/agent-identity.ts";
import { systemClock } from "../../src/base/clock.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import type { Bundle } from "../../src/spiffe/bundle.ts";
import { TestCa } from "../support/test-ca.ts";

t.test("a connection is made anew for another SVID and for a root that is gone", async (t) => {
  await using identity = await AgentIdentity.open({
    dir: t.testdir({}),
    trustDomain: "example.org",
    clock: systemClock,
    logger: silentLogger,
  });
  const life = { notBefore: 0, notAfter: 2_000_000_000 };
  const [a, b] = [(await TestCa.create(life)).der, (await TestCa.create(life)).der];
  let sequence = 0;
  const risen = async (change: Partial<Bundle>, roots: readonly Uint8Array[]) => {
    const before = [identity.revision, identity.rootsRevision] as const;
    sequence += 1;
    await identity.setBundle({
      trustDomain: "example.org",
      x509Authorities: roots.map((der) => ({ der, tainted: false })),
      jwtAuthorities: [],
      refreshHint: 0,
      sequence,
      ...change,
    });
    return [identity.revision > before[0], identity.rootsRevision > before[1]];
  };
  t.same(await risen({}, [a]), [true, true], "the first bundle");
  t.same(await risen({ refreshHint: 7 }, [a]), [false, false], "nothing that TLS looks at");
  t.same(await risen({ x509Authorities: [{ der: a, tainted: true }] }, []), [false, false]);
  t.same(await risen({}, [b, a]), [false, true], "another root: for the next connection");
  t.same(await risen({}, [a, b]), [false, false], "in another order");
  t.same(await risen({}, [b]), [true, true], "a root is gone");
  t.same(await risen({}, [a]), [true, true], "another in its place");
});
