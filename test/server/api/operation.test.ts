/** What an operator asks a running server: its log level, and what it tells about itself. */
import t from "tap";
import { LogLevelSwitch, createLogger } from "../../../src/observe/logger.ts";
import { refused } from "../../support/refused.ts";
import { startTestServer } from "../../support/server.ts";
import { id, mint, uid } from "./calls.ts";

const LOGGER = "spire.api.server.logger.v1.Logger";
const DEBUG = "spire.api.server.debug.v1.Debug";

t.test("the level of a logger and its children changes while they are used", async (t) => {
  const lines: string[] = [];
  const level = new LogLevelSwitch("warn");
  const logger = createLogger({
    level,
    format: "json",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  const child = logger.child({ part: "p" });
  const said = (): number => {
    lines.length = 0;
    for (const each of [logger, child]) {
      each.debug("d");
      each.info("i");
      each.warn("w");
      each.error("e");
    }
    return lines.length;
  };
  t.equal(said(), 4);
  for (const [name, count] of [
    ["debug", 8],
    ["info", 6],
    ["error", 2],
  ] as const) {
    level.set(name);
    t.equal(level.current, name);
    t.equal(said(), count);
  }
  t.equal(level.launch, "warn");
});

t.test("log level over the admin socket", async (t) => {
  const server = await startTestServer(t, { config: { logLevel: "warn" } });
  const { admin } = server;
  const set = (new_level: string | number) => admin.unary(LOGGER, "SetLogLevel", { new_level });
  const launch = { current_level: "WARN", launch_level: "WARN" };
  t.same(await admin.unary(LOGGER, "GetLogger", {}), launch);
  for (const [asked, got] of [
    ["DEBUG", "DEBUG"],
    ["TRACE", "DEBUG"],
    ["PANIC", "ERROR"],
    ["FATAL", "ERROR"],
    ["ERROR", "ERROR"],
    ["INFO", "INFO"],
  ] as const) {
    t.same(await set(asked), { current_level: got, launch_level: "WARN" }, asked);
    t.same(await admin.unary(LOGGER, "GetLogger", {}), {
      current_level: got,
      launch_level: "WARN",
    });
  }
  for (const wrong of ["UNSPECIFIED", 0, 8, -1, 2 ** 31 - 1]) {
    await refused(t, set(wrong), { kind: "invalid", message: /^new_level/ }, String(wrong));
  }
  t.match(await admin.unary(LOGGER, "GetLogger", {}), { current_level: "INFO" });
  t.same(await admin.unary(LOGGER, "ResetLogLevel", {}), launch);
});

t.test("debug info", async (t) => {
  const server = await startTestServer(t);
  const { admin, clock } = server;
  interface Info {
    readonly svid_chain: readonly { readonly id: unknown; readonly expires_at: string }[];
    readonly uptime: number;
  }
  const info = () => admin.unary<Info>(DEBUG, "GetInfo", {});
  const first = await info();
  t.match(first, {
    svid_chain: [
      { id: { trust_domain: "example.org", path: "/spire/server" }, subject: /SPIRE|O=/ },
      { id: { trust_domain: "example.org", path: "" }, subject: /SPIFFE/ },
    ],
    uptime: 0,
    agents_count: 0,
    entries_count: 0,
    federated_bundles_count: 1,
  });
  t.equal(first.svid_chain.length, 2);
  await server.attest();
  await server.createEntry({ spiffe_id: id("/a"), parent_id: id("/h"), selectors: [uid("1")] });
  t.same(await info(), first, "an answer holds for some seconds");
  clock.step(5000);
  t.match(await info(), { uptime: 5, agents_count: 1, entries_count: 1 });

  const boss = { spiffe_id: id("/boss"), parent_id: id("/h"), selectors: [uid("2")], admin: true };
  await server.createEntry(boss);
  for (const channel of [server.connect(), server.connect(await mint(server, "/boss", 600))]) {
    for (const [service, method] of [
      [DEBUG, "GetInfo"],
      [LOGGER, "GetLogger"],
      [LOGGER, "SetLogLevel"],
      [LOGGER, "ResetLogLevel"],
    ] as const) {
      const call = channel.unary(service, method, {});
      await refused(t, call, { message: /authorization denied/ }, `${method}: the socket alone`);
    }
  }
});
