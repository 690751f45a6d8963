// A running process takes a new configuration as a whole or not at all.
import t from "tap";
import { fail } from "../../src/base/errors.ts";
import { settingChanges } from "../../src/config/settings/changes.ts";
import { Reload, type ReloadOutcome } from "../../src/config/reload.ts";
import type { SettingTable } from "../../src/config/settings/setting.ts";
import { count, duration, list, map, section, text } from "../../src/config/settings/shape.ts";
import { LogLevelSwitch } from "../../src/observe/logger.ts";
import { fileSettings } from "../support/file-settings.ts";

function change(config: number) {
  return async () => ({ config, settings: ["a"] });
}

t.test("every part is asked before any changes", async (t) => {
  const seen: string[] = [];
  const records: ReloadOutcome[] = [];
  let recordable = true;
  const reload = new Reload<number>(async (outcome) => {
    if (!recordable) throw fail("unavailable", "no room for records");
    records.push(outcome);
    seen.push("record");
  });
  for (const name of ["a", "b"]) {
    reload.part(async (next) => {
      if (next > 100 && name === "b") throw fail("precondition", "b cannot be more than 100");
      seen.push(`${name} may be ${next}`);
      return () => void seen.push(`${name} is ${next}`);
    });
  }
  await reload.run(change(1));
  t.same(seen, ["a may be 1", "b may be 1", "record", "a is 1", "b is 1"]);
  seen.length = 0;
  await t.rejects(reload.run(change(101)), { name: "AssayError", kind: "precondition" });
  t.same(seen, ["a may be 101", "record"]);
  await t.rejects(
    reload.run(() => Promise.reject(fail("invalid", "no file"))),
    { message: "no file" },
  );
  t.match(records, [
    { settings: ["a"], error: undefined },
    { settings: [], error: { kind: "precondition" } },
    { settings: [], error: { kind: "invalid" } },
  ]);
  recordable = false;
  seen.length = 0;
  await t.rejects(reload.run(change(2)), { kind: "unavailable", message: "no room for records" });
  t.same(seen, ["a may be 2", "b may be 2"], "what cannot be recorded does not happen");
});

t.test("one at a time", async (t) => {
  const reload = new Reload<number>();
  const seen: number[] = [];
  reload.part((next) => () => void seen.push(next));
  const slow = Promise.withResolvers<{ config: number; settings: string[] }>();
  const runs = [reload.run(() => slow.promise), reload.run(change(2)), reload.run(change(3))];
  slow.resolve({ config: 1, settings: [] });
  await Promise.all(runs);
  t.same(seen, [1, 2, 3]);
});

t.test("which settings differ, by value and not by how they are written", (t) => {
  const table = {
    "data-dir": { shape: text(), help: "a" },
    ttl: { shape: duration(1), help: "b", default: "1h", reload: "now" },
    limit: { shape: count(1, 9), help: "c", reload: "now" },
    token: { shape: text({ secret: true }), help: "d", reload: "start" },
    names: { shape: list(text(), { most: 9 }), help: "e", reload: "now" },
    parts: {
      shape: section({
        a: { shape: section({ b: { shape: text(), help: "i" } }), help: "j" },
        ab: { shape: text(), help: "k" },
      }),
      help: "l",
      reloadParts: ["parts.a"],
    },
    nested: {
      shape: section({
        m: { shape: map(text(), { most: 9 }), help: "f" },
        n: { shape: text(), help: "g" },
      }),
      help: "h",
    },
  } as const satisfies SettingTable;
  const changes = (before: object, after: object) =>
    settingChanges(fileSettings(table, before), fileSettings(table, after), "server");
  t.same(changes({ ttl: "1h", names: ["a", "b"] }, { ttl: "60m", names: "a, b" }), {
    now: [],
    start: [],
  });
  t.same(changes({ ttl: 3600 }, {}), { now: [], start: [] }, "the default is the same");
  t.same(changes({ limit: 1, token: "a" }, { ttl: "2h", token: "b", names: [] }), {
    now: ["ttl", "limit", "names"],
    start: ["token"],
  });
  const part = { parts: { a: { b: "x" } } };
  t.same(changes({}, part).now, ["parts.a"], "a part may be all that there is");
  t.same(changes(part, {}).now, ["parts.a"]);
  t.same(changes(part, { parts: { a: { b: "y" } } }).now, ["parts.a.b"], "all below it");
  t.throws(() => changes(part, { parts: { ...part.parts, ab: "z" } }), {
    message: /^parts\.ab cannot change/,
  });
  const nested = (value: string) => ({ nested: { m: { a: value } } });
  t.same(changes(nested("x"), nested("x")), { now: [], start: [] });
  t.throws(() => changes(nested("x"), { ...nested("y"), ttl: "2h" }), {
    kind: "precondition",
    message:
      /^nested\.m cannot change while the server runs; restart it, or take that change back$/,
  });
  t.throws(() => changes({ dataDir: "a", ...nested("x") }, {}), {
    message: /^dataDir, nested cannot change/,
  });
  const other = { nested: { m: { a: "x" }, n: "y" } };
  t.throws(() => changes(other, nested("z")), {
    message:
      /^nested\.m, nested\.n cannot change while the server runs; .*take those changes back$/,
  });
  t.end();
});

t.test("a level that the configuration names anew holds, another stays", (t) => {
  const levels = new LogLevelSwitch("info");
  levels.set("error");
  levels.relaunch("info");
  t.same([levels.current, levels.launch], ["error", "info"], "the same as before says nothing new");
  levels.relaunch("warn");
  t.same([levels.current, levels.launch], ["warn", "warn"]);
  t.end();
});
