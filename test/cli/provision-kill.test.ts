// A token's one certificate, across `kill -9` of a real process.
import { join } from "node:path";
import t from "tap";
import { connectUnix } from "../../src/rpc/channel.ts";
import { PROVISION_SERVICE, leafIn, makeRequest } from "../server/frontends/provision-rig.ts";
import { readAuditLog } from "../support/audit-records.ts";
import { folderOf, put, startServer } from "./provision-server.ts";

t.test(
  "P2 P20: kill -9 at any moment: a token gives one certificate, and only to its key",
  async (t) => {
    const dir = folderOf(t);
    const keys = await Promise.all(Array.from({ length: 8 }, () => makeRequest("a")));
    const stranger = await makeRequest("a");
    /** What each token's key was answered, over two lives of the server. */
    const answered = new Map<string, { readonly csr: string; readonly bodies: Set<string> }>();
    let spent = 0;
    /** Each key asks again: the same answer as before the kill, or the first one. */
    const askAgain = async (port: number): Promise<void> => {
      let strangers = 0;
      for (const [token, { csr, bodies }] of answered) {
        const body = await put(port, token, csr);
        t.ok(body, "no token is lost");
        bodies.add(body ?? "");
        t.equal(bodies.size, 1, "one certificate");
        spent += 1;
        // A few: the guard answers the others ever later.
        strangers += 1;
        if (strangers <= 4) t.equal(await put(port, token, stranger.csr), undefined, "another key");
      }
      answered.clear();
    };
    for (let life = 0; life < LIVES; life += 1) {
      const server = await startServer(t, dir, "--plain-http", "--log-level=error");
      await askAgain(server.port);
      using admin = connectUnix(join(dir, "server.sock"));
      const tokens = await Promise.all(
        Array.from({ length: TOKENS }, async () => {
          const request = { common_name: "a" };
          const made = await admin.unary<{ token: string }>(
            PROVISION_SERVICE,
            "Authorize",
            request,
          );
          return made.token;
        }),
      );
      let answers = 0;
      const some = Promise.withResolvers<void>();
      const calls = tokens.map(async (token, at) => {
        const { csr } = keys[at % keys.length] ?? stranger;
        const bodies = new Set<string>();
        answered.set(token, { csr, bodies });
        const body = await put(server.port, token, csr);
        answers += 1;
        // Somewhere in the middle, where some are signed, some written and some answered.
        if (answers === 1 + life * 5) some.resolve();
        if (body !== undefined) bodies.add(body);
      });
      await some.promise;
      await server.kill();
      await Promise.all(calls);
    }
    const server = await startServer(t, dir, "--plain-http", "--log-level=error");
    await askAgain(server.port);
    t.equal(spent, LIVES * TOKENS);
    const serials = (await readAuditLog(join(dir, "data")))
      .filter(({ action }) => action === "x509.provision")
      .map(({ subject }) => subject?.serial);
    t.equal(new Set(serials).size, serials.length, "no serial twice");
    t.ok(serials.length >= spent, `${serials.length} signed for ${spent} tokens`);
  },
);

t.test(
  "P21: two servers and one folder: authorized on one, signed on the other, once",
  async (t) => {
    const dir = folderOf(t);
    const args = ["--plain-http", "--log-level=error"];
    const authorize = async (): Promise<string> => {
      using admin = connectUnix(join(dir, "server.sock"));
      const request = { common_name: "a" };
      return (await admin.unary<{ token: string }>(PROVISION_SERVICE, "Authorize", request)).token;
    };
    const one = await startServer(t, dir, ...args);
    const early = await authorize();
    const late = await authorize();
    await t.rejects(
      startServer(t, dir, ...args),
      /in use by another server/,
      "the folder has one server at a time",
    );
    const first = await makeRequest("a");
    const mine = await put(one.port, early, first.csr);
    t.ok(mine, "which the other one did not disturb");
    await one.kill();
    const two = await startServer(t, dir, ...args);
    const racers = await Promise.all(Array.from({ length: 8 }, () => makeRequest("a")));
    const answers = await Promise.all(racers.map(({ csr }) => put(two.port, late, csr)));
    const [won, ...others] = answers.filter((answer) => answer !== undefined);
    t.ok(won, "authorized on the one, signed on the other");
    t.same(others, [], "once");
    t.equal(await put(two.port, early, first.csr), mine, "what the one signed, the other knows");
    await two.kill("SIGTERM");
    const three = await startServer(t, dir, ...args);
    const winner = racers[answers.findIndex((answer) => answer !== undefined)];
    t.equal(await put(three.port, late, winner?.csr ?? ""), won);
    t.equal(await put(three.port, late, first.csr), undefined, "and nobody else has it");
    const serials = [mine, won].map((pem) => leafIn(pem ?? "").serial);
    const recorded = (await readAuditLog(join(dir, "data")))
      .filter(({ action }) => action === "x509.provision")
      .map(({ subject }) => subject?.serial);
    t.same(new Set(recorded).size, recorded.length, "no serial twice");
    t.ok(serials.every((serial) => recorded.includes(serial)));
  },
);

const LIVES = 4;
const TOKENS = 24;
