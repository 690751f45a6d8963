import t from "tap";
import { Stack } from "../support/stack.ts";
import { javaClient } from "./toolchains.ts";

t.test("java-spiffe", async (t) => {
  const java = await javaClient();
  await using stack = await Stack.start();
  const id = await stack.entry("/java", `unix:uid:${process.getuid?.() ?? 0}`, "--x509-ttl", "30s");

  await t.test("X509Source has a verified SVID", async (t) => {
    const said = await stack.client(java, ["x509"]).next("x509");
    t.match(said, { spiffeId: id, authorities: "1" });
  });

  await t.test("JwtSource has a token that both sides accept", async (t) => {
    const said = await stack.client(java, ["jwt", "billing"]).next("jwt");
    t.match(said, { spiffeId: id, audience: "billing", validated: id });
  });

  await t.test("many calls on one connection with the raw path as authority", async (t) => {
    t.match(await stack.client(java, ["rounds", "200"]).next("rounds"), { count: "200" });
  });

  await t.test("a watch sees rotations, and goes on after an agent restart", async (t) => {
    const watch = stack.client(java, ["watch"]);
    const first = await watch.next("update");
    t.equal(first["spiffeId"], id);
    const second = await watch.next("update");
    t.not(second["serial"], first["serial"], "rotated");
    await stack.restartAgent();
    const third = await watch.next("update");
    t.not(third["serial"], second["serial"], "made by the new agent");
    const fourth = await watch.next("update");
    t.not(fourth["serial"], third["serial"], "rotated again");
    t.equal(await watch.finish(), 0);
  });
});
