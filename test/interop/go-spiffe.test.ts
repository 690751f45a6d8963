import { chmodSync, cpSync } from "node:fs";
import t from "tap";
import { Stack } from "../support/stack.ts";
import { goClient } from "./toolchains.ts";

/** Users of their own, so that two workloads on one host have two identities. */
const WEB_UID = 41_001;
const DATABASE_UID = 41_002;
const STRANGER_UID = 41_003;

t.test("go-spiffe", async (t) => {
  const go = await goClient();
  await using stack = await Stack.start();
  const uid = process.getuid?.() ?? 0;
  const id = await stack.entry("/go", `unix:uid:${uid}`, "--x509-ttl", "12s", "--hint", "main");

  await t.test("X509Source has a verified SVID with its hint", async (t) => {
    const said = await stack.client(go, ["x509"]).next("x509");
    t.match(said, { spiffeId: id, authorities: 1, hint: "main" });
  });

  await t.test("JWTSource has a token that both sides accept", async (t) => {
    const said = await stack.client(go, ["jwt", "billing"]).next("jwt");
    t.match(said, { spiffeId: id, audience: ["billing"], validated: id });
  });

  await t.test("hundreds of fetches on one connection, each with another deadline", async (t) => {
    t.match(await stack.client(go, ["rounds", "300"]).next("rounds"), { count: 300 });
  });

  await t.test("a watch sees each rotation, verified, and survives an agent restart", async (t) => {
    const watch = stack.client(go, ["watch"]);
    const serials = new Set<unknown>();
    for (let i = 0; i < 3; i++) {
      const update = await watch.next("update");
      t.match(update, { spiffeId: id, verified: true });
      serials.add(update["serial"]);
    }
    t.equal(serials.size, 3, "three different SVIDs");
    await stack.restartAgent();
    let update = await watch.next("update");
    while (serials.has(update["serial"])) update = await watch.next("update");
    t.match(update, { spiffeId: id, verified: true });
    t.equal(await watch.finish(), 0);
  });

  await t.test("mutual TLS between workloads under two uids, and nobody else", async (t) => {
    t.equal(uid, 0, "this test changes the uid and needs root");
    // The cache may lie in a home folder that other users cannot enter.
    const command = `${stack.dir}/interop`;
    cpSync(go.command, command);
    chmodSync(command, 0o755);
    const everyone = { command, args: [] };
    const web = await stack.entry("/web", `unix:uid:${WEB_UID}`);
    const database = await stack.entry("/database", `unix:uid:${DATABASE_UID}`);
    await stack.entry("/stranger", `unix:uid:${STRANGER_UID}`);
    const server = stack.client(everyone, ["serve", web], DATABASE_UID);
    const { address } = await server.next("listening");
    const answer = await stack
      .client(everyone, ["dial", String(address), database], WEB_UID)
      .next("answer");
    t.match(answer, { line: `${web} to hello\n`, peer: database });
    const stranger = stack.client(everyone, ["dial", String(address), database], STRANGER_UID);
    await t.rejects(stranger.next("answer"), { message: /./ });
    t.match(await server.next("refused"), { message: /unexpected ID/ });
    server.stop();
  });
});

t.test("go-spiffe: WIT-SVIDs, experimental there as here", async (t) => {
  const go = await goClient();
  const on = ["--experimental=wit-svid"];
  await using stack = await Stack.start("warn", on, on);
  const id = await stack.entry("/go", `unix:uid:${process.getuid?.() ?? 0}`, "--hint", "main");
  const said = await stack.client(go, ["wit"]).next("wit");
  t.match(said, { spiffeId: id, authorities: 1, hint: "main", holdsKey: true });
});
