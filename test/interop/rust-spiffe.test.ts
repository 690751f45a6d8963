import t from "tap";
import { Stack } from "../support/stack.ts";
import { rustClient } from "./toolchains.ts";

t.test("rust-spiffe", async (t) => {
  const rust = await rustClient();
  await using stack = await Stack.start();
  const id = await stack.entry("/rust", `unix:uid:${process.getuid?.() ?? 0}`, "--x509-ttl", "12s");

  await t.test("X509Source has an SVID and its bundle", async (t) => {
    const said = await stack.client(rust, ["x509"]).next("x509");
    t.match(said, { spiffeId: id, authorities: 1 });
  });

  await t.test("JwtSource has a token that the Workload API accepts", async (t) => {
    const said = await stack.client(rust, ["jwt", "billing"]).next("jwt");
    t.match(said, { spiffeId: id, audience: ["billing"], validated: id });
  });

  await t.test("a source sees rotations, and goes on after an agent restart", async (t) => {
    const watch = stack.client(rust, ["watch"]);
    const first = await watch.next("update");
    const second = await watch.next("update");
    t.not(second["leaf"], first["leaf"], "rotated");
    await stack.restartAgent();
    const third = await watch.next("update");
    t.not(third["leaf"], second["leaf"], "made by the new agent");
    t.equal(await watch.finish(), 0);
  });
});
