import fc from "fast-check";
import t from "tap";
import { addressKey } from "../../../src/base/address-key.ts";
import { fail } from "../../../src/base/errors.ts";
import { setCaller } from "../../../src/server/endpoints/caller.ts";
import { Limits } from "../../../src/server/endpoints/limits.ts";
import { RateLimit } from "../../../src/server/endpoints/rate-limit.ts";
import { SpiffeId } from "../../../src/spiffe/spiffe-id.ts";
import { refused } from "../../support/refused.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const never = new AbortController().signal;

t.test("rate limits wait a little, then refuse, and know a host by its network", async (t) => {
  const clock = new VirtualClock();
  const limit = new RateLimit({ perSecond: 2, burst: 4, clock });
  await limit.take("a", 4, never);
  let served = 0;
  const waiting = Array.from({ length: 10 }, async () => {
    await limit.take("a", 1, never);
    served += 1;
  });
  await refused(t, limit.take("a", 1, never), { kind: "limited", message: /2 a second/ });
  await refused(t, limit.take("b", 5, never), { kind: "limited", message: /burst of 4/ });
  await limit.take("b", 4, never);
  t.equal(served, 0);
  await clock.advance(1000);
  t.equal(served, 2);
  await clock.advance(4000);
  t.equal(served, 10);
  await Promise.all(waiting);
  await clock.advance(60_000);
  await limit.take("a", 4, never);
  const aborted = AbortSignal.abort(fail("cancelled", "gone"));
  await refused(t, limit.take("a", 1, aborted), { kind: "cancelled" });
  clock.step(-3_600_000);
  await refused(t, limit.take("b", 5, never), { kind: "limited" });
  const open = new RateLimit({ perSecond: 0, burst: 0, clock });
  await open.take("a", 1_000_000, never);
  open.setRate({ perSecond: 1, burst: 2 });
  await open.take("a", 2, never);
  await refused(t, open.take("a", 6, never), { kind: "limited", message: /burst of 2/ });
  const turn = open.take("a", 1, never);
  open.setRate({ perSecond: 100, burst: 100 });
  await clock.advance(1000);
  await turn;
  await open.take("a", 99, never);
  for (let i = 0; i < 20_000; i++) await limit.take(`host ${i}`, 1, never);

  const keys: [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::1", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::1", "2001:db8:1:2::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["unknown", "unknown"],
  ];
  for (const [address, key] of keys) t.equal(addressKey(address), key, address);
  fc.assert(
    fc.property(
      fc.ipV6(),
      (address) => addressKey(address) === addressKey(addressKey(address).replace("/64", "1")),
    ),
    { seed: 1, numRuns: 200 },
  );
});

t.test("callers on the admin socket are not limited", async (t) => {
  const clock = new VirtualClock();
  const limits = new Limits({ attestPerSecond: 1, signPerSecond: 3, clock });
  const call = (remoteAddress?: string) => {
    const each = { store: new Map<symbol, unknown>(), signal: never };
    setCaller(each, { role: "any", ...(remoteAddress === undefined ? {} : { remoteAddress }) });
    return each;
  };
  for (let i = 0; i < 100; i++) await limits.attest(call());
  await limits.sign(call(), 10_000);
  await refused(t, limits.sign(call("192.0.2.1"), 4), { kind: "limited" });
  await limits.sign(call("192.0.2.1"), 3);
  for (let i = 0; i < 10; i++) await limits.attest(call("192.0.2.1"));
  for (let i = 0; i < 10; i++) await limits.report(call("192.0.2.1"));
  const late = limits.attest(call("192.0.2.1"));
  await clock.advance(1000);
  await late;
});

t.test("agents behind one address have a share each", async (t) => {
  const limits = new Limits({ attestPerSecond: 1, signPerSecond: 3, clock: new VirtualClock() });
  const call = (name: string) => {
    const each = { store: new Map<symbol, unknown>(), signal: never };
    const id = SpiffeId.parse(`spiffe://example.org/spire/agent/join_token/${name}`);
    setCaller(each, { role: "agent", id, remoteAddress: "192.0.2.1" });
    return each;
  };
  const isTaken = (taken: Promise<void>) =>
    Promise.race([taken.then(() => true), new Promise<false>((no) => setImmediate(no, false))]);
  t.equal(await isTaken(limits.sign(call("greedy"), 3)), true);
  t.equal(await isTaken(limits.sign(call("greedy"), 1)), false, "waits its turn");
  t.equal(await isTaken(limits.sign(call("other"), 3)), true);
});
