import t from "tap";
import { Stack } from "../support/stack.ts";
import { pythonClient } from "./toolchains.ts";

t.test("py-spiffe", async (t) => {
  const python = await pythonClient();
  await using stack = await Stack.start();
  const id = await stack.entry(
    "/python",
    `unix:uid:${process.getuid?.() ?? 0}`,
    "--x509-ttl",
    "12s",
  );

  await t.test("X509Source has an SVID and its bundle", async (t) => {
    const said = await stack.client(python, ["x509"]).next("x509");
    t.match(said, { spiffeId: id, authorities: 1 });
  });

  await t.test("JwtSource has a token that both sides accept", async (t) => {
    const said = await stack.client(python, ["jwt", "billing"]).next("jwt");
    t.match(said, { spiffeId: id, audience: ["billing"], validated: id });
  });

  await t.test("a stream sees rotations, and goes on after an agent restart", async (t) => {
    const watch = stack.client(python, ["watch"]);
    const first = await watch.next("update");
    const second = await watch.next("update");
    t.match(second, { spiffeId: id });
    t.not(second["serial"], first["serial"], "rotated");
    await stack.restartAgent();
    const third = await watch.next("update");
    t.not(third["serial"], second["serial"], "made by the new agent");
    t.equal(await watch.finish(), 0);
  });
});
