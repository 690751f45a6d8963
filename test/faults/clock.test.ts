/** The clock of one process a day off and back (libfaketime); the machine's own clock is never touched. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import t from "tap";
import { FaultRig, pause, until } from "../support/fault-rig.ts";
import { StreamWatch } from "../support/stream-watch.ts";

const id = (path: string): string => `spiffe://example.org${path}`;

/** Where Debian's package `faketime` puts its library; installed when that can be done. */
function fakeTimeLibrary(): string {
  const find = (): string | undefined =>
    readdirSync("/usr/lib")
      .map((name) => `/usr/lib/${name}/faketime/libfaketimeMT.so.1`)
      .find((path) => existsSync(path));
  const found = find();
  if (found !== undefined) return found;
  try {
    execFileSync("apt-get", ["update"], { stdio: "ignore" });
    execFileSync("apt-get", ["install", "-y", "faketime"], { stdio: "ignore" });
  } catch (cause) {
    throw new Error("this test needs Debian's package faketime: apt-get install faketime", {
      cause,
    });
  }
  const installed = find();
  if (installed === undefined) throw new Error("the package faketime has no libfaketimeMT.so.1");
  return installed;
}

const LIBRARY = fakeTimeLibrary();

/** A clock of a process's own. */
class Clock {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
    this.set("+0");
  }

  get env(): Record<string, string> {
    return {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: this.#path,
      FAKETIME_CACHE_DURATION: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  set(offset: string): void {
    writeFileSync(`${this.#path}.new`, `${offset}\n`);
    renameSync(`${this.#path}.new`, this.#path);
  }
}

function shows(watch: StreamWatch, path: string): Promise<void> {
  return until(`a stream shows ${path}`, 60_000, () =>
    watch.ids.includes(id(path))
      ? Promise.resolve()
      : Promise.reject(new Error(`it shows ${watch.ids.join(", ")}`)),
  );
}

for (const who of ["server", "agent"] as const) {
  for (const offset of ["+1d", "-1d"]) {
    t.test(`the ${who}'s clock is stepped by ${offset} and back`, async (t) => {
      await using rig = new FaultRig();
      const clock = new Clock(`${rig.dir}/clock`);
      const launch = { env: clock.env };
      await rig.startServer(who === "server" ? launch : {});
      await rig.giveToken();
      await rig.startAgent(who === "agent" ? launch : {});
      await rig.entry("/before");
      await using watch = new StreamWatch(rig.socket);
      await shows(watch, "/before");
      clock.set(offset);
      await pause(6000);
      clock.set("+0");
      if (!rig.agent.running) {
        t.comment(rig.agent.log.slice(-400));
        await rig.startAgent(launch);
      }
      t.ok(rig.server.running, "the server lives on");
      await until("the server takes an entry", 30_000, () => rig.entry("/after"));
      await shows(watch, "/after");
      const now = Date.now() / 1000;
      const bad = watch.latest.filter(({ leaf }) => leaf.notAfter <= now || leaf.notBefore > now);
      t.same(
        bad.map(({ id: spiffeId }) => spiffeId),
        [],
        "what is held is valid",
      );
      t.same(watch.fatal, []);
    });
  }
}
