/** Who has to go when the broker endpoint holds too many connections, and that brokers do not notice. */
import { once } from "node:events";
import { type Socket, connect } from "node:net";
import { type TLSSocket, connect as connectTls } from "node:tls";
import t from "tap";
import { Places, type PlacesOptions } from "../../src/agent/broker/places.ts";
import { BrokerClient, process, scene } from "../support/broker-scene.ts";
import { id } from "../support/running.ts";

function openPlaces(options: Partial<PlacesOptions> = {}) {
  const closed: string[] = [];
  const reasons: string[] = [];
  const places = new Places({
    unproven: 6,
    unprovenPerAddress: 3,
    proven: 4,
    provenPerBroker: 3,
    onClosed: (why, whose) => reasons.push(`${whose}: ${why}`),
    ...options,
  });
  const take = (address: string, name: string) =>
    places.take(address, () => void closed.push(name));
  return { places, take, closed, reasons };
}

t.test("an address takes places from itself", async (t) => {
  const { places, take, closed, reasons } = openPlaces();
  take("quiet", "q1");
  const first = take("loud", "l1");
  take("loud", "l2");
  take("loud", "l3");
  take("loud", "l4");
  t.same(closed, ["l1"], "the oldest");
  first.leave();
  first.prove("spiffe://example.org/late");
  t.equal(places.size, 4, "what is gone comes back by nothing");
  take("other", "o1");
  take("other", "o2");
  t.equal(places.size, 6);
  take("another", "a1");
  t.same(closed, ["l1", "l2"], "the oldest of the address that has most");
  t.same(reasons, ["loud: its address has too many", "loud: there are too many"]);
});

t.test("brokers have places of their own", async (t) => {
  const { places, take, closed, reasons } = openPlaces();
  const held = ["b1", "b2", "b3"].map((name) => take("host", name));
  for (const place of held) place.prove("broker");
  for (let i = 0; i < 20; i++) take("host", `u${i}`);
  t.same(
    closed.filter((name) => name.startsWith("b")),
    [],
  );
  t.equal(places.size, 3 + 3);

  const busy = held[0]?.begin();
  closed.length = 0;
  reasons.length = 0;
  const fourth = take("host", "b4");
  t.match(closed, [/^u/]);
  fourth.prove("broker");
  t.same(closed.slice(1), ["b2"], "the one that was longest without a call");
  t.same(reasons.slice(1), ["broker: its broker has too many"]);
  take("elsewhere", "c1").prove("second");
  take("elsewhere", "c2").prove("second");
  t.same(closed.slice(2), ["b3"], "of all, when there are too many in all");

  const calls = [fourth.begin()];
  busy?.();
  busy?.();
  take("elsewhere", "c3").prove("second");
  t.same(closed.slice(3), ["b1"], "its call is over");
  for (const call of calls) call();
});

t.test("with a call everywhere the new one has to go", async (t) => {
  const { take, closed } = openPlaces({ proven: 2, provenPerBroker: 1 });
  const one = take("host", "one");
  one.prove("broker");
  one.begin();
  take("host", "two").prove("broker");
  t.same(closed, ["two"]);
  const other = take("host", "three");
  other.prove("other");
  other.begin();
  take("host", "four").prove("third");
  t.same(closed, ["two", "four"]);
  one.leave();
  take("host", "five").prove("third");
  t.same(closed, ["two", "four"]);
});

t.test("a flood of connections that prove nothing", async (t) => {
  const { remote, local, identity, child, domain } = await scene(t, [
    { id: id("/broker"), pidOverTcp: true, pods: false },
  ]);
  for (const target of [remote, local]) {
    const port = Number(target.split(":")[1]);
    using client = new BrokerClient(target, identity);
    using watch = client.x509(process(child.pid));
    await watch.next();
    const silent: Socket[] = [];
    const nameless: TLSSocket[] = [];
    t.teardown(() => [...silent, ...nameless].forEach((socket) => socket.destroy()));
    for (let i = 0; i < 150; i++) {
      const socket = connect(port, "127.0.0.1").on("error", () => undefined);
      silent.push(socket);
      const tls = connectTls({ port, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
      nameless.push(tls.on("error", () => undefined));
      await once(socket, "connect");
    }
    using late = new BrokerClient(target, identity);
    const fresh = late.x509(process(child.pid));
    t.ok((await fresh.next()).svids.length, `${target}: a new connection of a broker`);
    const open = [...silent, ...nameless].filter((socket) => !socket.closed);
    t.ok(open.length <= 60, `${open.length} of 300 are held`);
    const path = `/sleep-${port}`;
    await domain.entry({ path, selectors: [`unix:uid:${globalThis.process.getuid?.()}`] });
    const paths = async (): Promise<readonly string[]> =>
      (await watch.next()).svids.map(({ spiffe_id }) => spiffe_id);
    while (!(await paths()).includes(id(path))) continue;
    t.pass("and its open stream goes on");
  }
});
