/** The clock of one process a day off and back (libfaketime); the machine's own clock is never touched. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { fakeTimeEnv, setFakeTime } from "../support/fake-time.ts";
import { type Daemon, FaultRig, pause } from "../support/fault-rig.ts";
import { untilDone } from "../support/patience.ts";
import { StreamWatch } from "../support/stream-watch.ts";

const id = (path: string): string => `spiffe://example.org${path}`;

async function authorities(rig: FaultRig): Promise<string[]> {
  const { x509_authorities } = await rig.bundle();
  return x509_authorities.map(
    ({ asn1 }) => parseCertificate(new Uint8Array(asn1)).subjectKeyId ?? "",
  );
}

function shows(watch: StreamWatch, path: string): Promise<void> {
  return untilDone(`a stream shows ${path}`, () =>
    watch.ids.includes(id(path))
      ? Promise.resolve()
      : Promise.reject(new Error(`it shows ${watch.ids.join(", ")}`)),
  );
}

function says(what: string, daemon: Daemon, words: RegExp): Promise<void> {
  return untilDone(what, () =>
    words.test(daemon.log) ? Promise.resolve() : Promise.reject(new Error(daemon.log.slice(-500))),
  );
}

/** Longer than a round of the authorities, which is ten seconds. */
const STEP_MS = 15_000;

for (const who of ["server", "agent"] as const) {
  for (const offset of ["+1d", "-1d"]) {
    t.test(`the ${who}'s clock is off by a day for a while: ${offset}`, async (t) => {
      await using rig = new FaultRig({
        server: { options: ["--ca-ttl=1h", "--x509-ttl=20s", "--jwt-ttl=20s", "--agent-ttl=10m"] },
      });
      const clock = join(rig.dir, "clock");
      setFakeTime(clock, "+0");
      const launch = { env: await fakeTimeEnv(clock) };
      await rig.startServer(who === "server" ? launch : undefined);
      await rig.giveToken();
      await rig.startAgent(who === "agent" ? launch : undefined);
      await rig.entry("/before");
      await using watch = new StreamWatch(rig.socket);
      await shows(watch, "/before");
      const before = await authorities(rig);
      setFakeTime(clock, offset);
      // Back before the server believes it, which is a minute later.
      if (who === "agent") await pause(STEP_MS);
      else await says("the server has seen the jump", rig.server, /ERROR the clock jumped/);
      if (`${who} ${offset}` === "server +1d") {
        const whose = /has expired by the server's clock, and has not by this host's/;
        await says("the agent knows whose clock it is", rig.agent, whose);
      }
      setFakeTime(clock, "+0");
      t.ok(rig.server.running, "the server lives on");
      if (who === "server") t.ok(rig.agent.running, "so does the agent");
      // By its own clock its identity may be over; whoever supervises it starts it again.
      if (!rig.agent.running) await rig.startAgent(who === "agent" ? launch : undefined);
      await untilDone("the server takes an entry", () => rig.entry("/after"));
      await shows(watch, "/after");
      t.same(await authorities(rig), before, "a clock that comes back leaves no trace");
      if (who === "server") {
        const both = /ERROR the clock jumped; [^]*WARN +the clock is back/;
        await says("the server has seen both jumps", rig.server, both);
      }
      // An SVID of twenty seconds may have ended meanwhile: it is made anew.
      await untilDone("what is held is valid", () => {
        const now = Date.now() / 1000;
        const bad = watch.latest.filter(({ leaf }) => leaf.notAfter <= now || leaf.notBefore > now);
        return bad.length === 0
          ? Promise.resolve()
          : Promise.reject(new Error(bad.map(({ id: spiffeId }) => spiffeId).join(", ")));
      });
      t.same(watch.fatal, []);
      t.same(watch.expired, []);
    });
  }
}

for (const offset of ["+1d", "-1d"]) {
  t.test(`a machine's clock is set by a day for good: ${offset}`, async (t) => {
    await using rig = new FaultRig({
      server: { options: ["--ca-ttl=10m", "--x509-ttl=20s", "--jwt-ttl=20s", "--agent-ttl=60s"] },
    });
    const clock = join(rig.dir, "clock");
    setFakeTime(clock, "+0");
    const launch = { env: await fakeTimeEnv(clock) };
    await rig.startServer(launch);
    await rig.giveToken();
    await rig.startAgent(launch);
    await rig.entry("/before");
    await using watch = new StreamWatch(rig.socket);
    await shows(watch, "/before");
    const before = await authorities(rig);
    setFakeTime(clock, offset);
    await untilDone("the server believes the clock and has authorities of its time", async () => {
      const fresh = (await authorities(rig)).filter((id) => !before.includes(id));
      if (fresh.length === 0) throw new Error(rig.server.log.slice(-500));
    });
    t.match(rig.server.log, /ERROR the clock jumped; [^]*is believed now[^]*another takes over/);
    await rig.agent.end("SIGTERM");
    await rig.giveToken();
    rmSync(rig.agentData, { recursive: true });
    await rig.startAgent(launch);
    await rig.entry("/after");
    await shows(watch, "/after");
    const shift = offset === "+1d" ? 86_400 : -86_400;
    const now = Date.now() / 1000 + shift;
    const bad = watch.latest.filter(({ leaf }) => leaf.notAfter <= now || leaf.notBefore > now);
    t.same(bad, [], "what is held is valid");
    t.ok(rig.server.running && rig.agent.running, "both live on");
    t.same(watch.fatal, []);
  });
}
