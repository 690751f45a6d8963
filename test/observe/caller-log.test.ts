import t from "tap";
import { CallerLog } from "../../src/observe/caller-log.ts";
import { createLogger } from "../../src/observe/logger.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

t.test("a caller gets its share of lines, and what was left out is counted", async (t) => {
  const clock = new VirtualClock();
  const lines: string[] = [];
  const logger = createLogger({
    level: "info",
    format: "text",
    write: (line) => lines.push(line),
    nowMs: () => clock.nowMs(),
  });
  const log = new CallerLog(logger, clock);
  for (let i = 0; i < 1000; i++) log.info(1000, "no identity issued", { i });
  t.equal(lines.length, 30);
  log.warn("1001", "another caller");
  t.equal(lines.length, 31, "one caller does not silence another");
  await clock.advance(60_000);
  log.info(1000, "no identity issued");
  t.match(lines.at(-1), /no identity issued omittedLines=970\n$/);
  log.info(1000, "no identity issued");
  t.notMatch(lines.at(-1), /omittedLines/);
});

t.test("a line says an error's cause, and once", async (t) => {
  const lines: string[] = [];
  const logger = createLogger({
    level: "info",
    format: "text",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  const cause = new Error("nobody listens");
  logger.warn("failed", { error: new Error("cannot sync", { cause }) });
  t.match(lines.at(-1), / error="cannot sync \(nobody listens\)"\n$/);
  logger.warn("failed", { error: new Error("nobody listens (request 1)", { cause }) });
  t.match(lines.at(-1), / error="nobody listens \(request 1\)"\n$/);
});
