/** What those who authorize may hand out of themselves. */
import t from "tap";
import { PROVISION_SERVICE, provisionRig } from "./provision-rig.ts";

t.test("an API token authorizes entries, and does not become an administrator", async (t) => {
  const rig = await provisionRig(t);
  const { server } = rig;
  const entry = (path: string, more: object = {}) =>
    server.createEntry({
      spiffe_id: { trust_domain: "example.org", path },
      parent_id: { trust_domain: "example.org", path: "/host" },
      selectors: [{ type: "unix", value: `user:${path.slice(1)}` }],
      ...more,
    });
  const ids = {
    plain: await entry("/plain"),
    operator: await entry("/operator", { admin: true }),
    below: await entry("/below", { downstream: true }),
    twin: await entry("/operator", { selectors: [{ type: "unix", value: "uid:7" }] }),
  };
  const { token: api } = await server.admin.unary<{ token: string }>(
    PROVISION_SERVICE,
    "CreateApiToken",
    { name: "ci", ttl: 600, allow_entries: true },
  );
  const post = (at: string, query: string) =>
    rig.ask(`/v1/authorize?cn=web.example.org&token=${at.padEnd(32, "x")}&${query}`, {
      method: "POST",
      headers: { authorization: `Bearer ${api}` },
    });
  const cases: [string, number][] = [
    ["spiffeId=spiffe://example.org/plain", 200],
    [`entry=${ids.plain}`, 200],
    ["spiffeId=spiffe://example.org/operator", 403],
    [`entry=${ids.operator}`, 403],
    [`entry=${ids.twin}`, 403],
    ["spiffeId=spiffe://example.org/below", 403],
    [`entry=${ids.below}`, 403],
  ];
  for (const [at, [query, status]] of cases.entries()) {
    server.clock.step(20_000);
    const answer = await post(`t${at}`, query);
    t.equal(answer.status, status, `${query}: ${answer.body}`);
  }
  t.ok(await rig.authorize("web.example.org", { entry_id: ids.operator }), "an administrator may");
});
