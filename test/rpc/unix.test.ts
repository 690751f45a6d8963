import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import t from "tap";
import { connectUnix } from "../../src/rpc/channel.ts";
import { GrpcServer } from "../../src/rpc/server.ts";
import { listenOnSocketFile } from "../../src/rpc/unix-listener.ts";
import { memoryLogger, rejection, tempDir } from "./support.ts";

const mode = (path: string) => statSync(path).mode & 0o777;
const HEALTH = "grpc.health.v1.Health";

function newServer(): GrpcServer {
  const server = new GrpcServer({ logger: memoryLogger().logger });
  server.setGate(async () => undefined);
  server.addService(HEALTH, { Check: async () => ({ status: "SERVING" }) });
  return server;
}

t.test("socket file: mode, directory, gone after the end", async (t) => {
  using dir = tempDir();
  const path = dir.file("deep/er/api.sock");
  const before = process.umask();
  {
    await using server = newServer();
    await server.listenUnix(path, { mode: 0o600 });
    t.equal(mode(path), 0o600);
    t.equal(mode(dir.file("deep/er")), 0o755 & ~before);
    using channel = connectUnix(path);
    t.match(await channel.unary(HEALTH, "Check", {}), { status: "SERVING" });
  }
  t.notOk(existsSync(path));
  await using wide = newServer();
  await wide.listenUnix(path, { mode: 0o666 });
  t.equal(mode(path), 0o666, "wider than the umask allows");
  await using other = newServer();
  await other.listenUnix(dir.file("private/s"), { mode: 0o600, directoryMode: 0o700 });
  t.equal(mode(dir.file("private")), 0o700);
  t.equal(process.umask(), before, "the mask is as it was");
});

t.test("socket file: never open to more than the owner before its mode is set", async (t) => {
  using dir = tempDir();
  const path = dir.file("s");
  const listening = listenOnSocketFile({ path, mode: 0o777 });
  // The file appears between two microtasks, and its mode is set after the next tick: this sees it in between.
  for (let i = 0; i < 1000 && !existsSync(path); i++) await Promise.resolve();
  t.equal(mode(path), 0o700);
  const server = await listening;
  t.equal(mode(path), 0o777);
  server.close();
});

t.test("a stale socket file is replaced, a live one is respected", async (t) => {
  using dir = tempDir();
  const path = dir.file("s");
  const stale = createServer().listen(path);
  await once(stale, "listening");
  // A closing server takes its file along; a killed one does not.
  renameSync(path, dir.file("kept"));
  stale.close();
  await once(stale, "close");
  renameSync(dir.file("kept"), path);
  t.ok(statSync(path).isSocket());

  await using first = newServer();
  await first.listenUnix(path, { mode: 0o600 });
  await using second = newServer();
  t.match(await rejection(second.listenUnix(path, { mode: 0o600 })), {
    kind: "precondition",
    message: /another process serves/,
  });
  using channel = connectUnix(path);
  t.match(
    await channel.unary(HEALTH, "Check", {}),
    { status: "SERVING" },
    "the first one serves on",
  );
});

t.test("paths that are none", async (t) => {
  using dir = tempDir();
  writeFileSync(dir.file("file"), "precious");
  mkdirSync(dir.file("dir"));
  symlinkSync(dir.file("file"), dir.file("link"));
  mkdirSync(dir.file("closed"));
  chmodSync(dir.file("closed"), 0o500);
  for (const [name, kind, message] of [
    ["file", "precondition", /is no socket/],
    ["dir", "precondition", /is no socket/],
    ["link", "precondition", /is no socket/],
    ["x".repeat(120), "invalid", /longer than/],
    ["file/below", "precondition", /cannot listen|directory/],
  ] as const) {
    await using server = newServer();
    t.match(
      await rejection(server.listenUnix(dir.file(name), { mode: 0o600 })),
      { kind, message },
      name.slice(0, 20),
    );
  }
  t.ok(existsSync(dir.file("file")), "nothing was removed");
});

t.test("channel: nobody there", async (t) => {
  using dir = tempDir();
  using channel = connectUnix(dir.file("none"));
  t.match(await rejection(channel.unary(HEALTH, "Check", {})), { kind: "unavailable" });
});
