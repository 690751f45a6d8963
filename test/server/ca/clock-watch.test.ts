import t from "tap";
import { type Logger, silentLogger } from "../../../src/observe/logger.ts";
import type { AuthoritySet } from "../../../src/server/ca/authority-set.ts";
import { DAY, Domain } from "./domain.ts";

for (const days of [2, -2]) {
  t.test(`a clock that jumps by ${days} days is waited out, then believed`, async (t) => {
    await using domain = await Domain.open();
    const said: string[] = [];
    const note = (message: string): void => void said.push(message);
    const logger: Logger = { ...silentLogger, error: note, warn: note };
    await using set = await domain.authorities({ logger });
    set.start();
    await domain.rounds(60_000);
    const id = set.activeX509().id;
    domain.clock.jump(days * DAY * 1000);
    await domain.rounds(50_000);
    t.same(statuses(set), ["active"], "nothing was made");
    t.throws(() => set.activeX509().id, { kind: "unavailable", message: /can sign now/ });
    domain.clock.jump(-days * DAY * 1000);
    await domain.rounds(10_000);
    t.equal(set.activeX509().id, id, "all is as before");
    t.match(said.splice(0), [/the clock jumped/, /the clock is back/]);
    domain.clock.jump(days * DAY * 1000);
    await domain.rounds(80_000);
    // What has ended by then goes in a later round.
    t.equal(statuses(set).at(-1), "active");
    t.ok(set.activeX509().id !== id, "a clock that stays is believed");
    t.match(said.slice(0, 3), [/the clock jumped/, /believed now/, /another takes over/]);
  });
}

function statuses(set: AuthoritySet): readonly string[] {
  return set.records("x509").map(({ status }) => status);
}
