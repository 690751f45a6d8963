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
