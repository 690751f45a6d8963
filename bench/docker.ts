/**
 * Measures the attestation of processes in containers of a real Docker Engine: `node bench/docker.ts [CONTAINERS]`.
 * Needs root. One caller after the other, then all at once, each time by attestors that know nothing yet.
 */
import { Attestation } from "../src/agent/attestation/attestation.ts";
import { openPeer } from "../src/agent/peer/peer.ts";
import { ContainerLookup } from "../src/attestors/workload/container/container-lookup.ts";
import { dockerAttestor } from "../src/attestors/workload/docker/attest.ts";
import { unixAttestor } from "../src/attestors/workload/unix/attest.ts";
import { systemClock } from "../src/base/clock.ts";
import { silentLogger } from "../src/observe/logger.ts";
import { DockerEngine } from "../test/support/docker-engine.ts";
import { EngineProxy } from "../test/support/engine-proxy.ts";

const count = Number(process.argv[2] ?? 200);
const call = { signal: new AbortController().signal };

await using docker = await DockerEngine.start();
await using proxy = await EngineProxy.listen(`${docker.socket}.proxy`, docker.socket);

const pids = await start();
await one();
await all("all attestors", docker.socket);
await all("docker alone", docker.socket, false);
await all("all attestors, through a counting proxy", proxy.socket);
console.log(`calls of the engine for ${count} containers: ${proxy.asked.length}`);

/** One caller after the other, each in a container that nothing is known of. */
async function one(): Promise<void> {
  using rig = attestation(docker.socket);
  const first = await timed(rig.attestation, pids[0] ?? 0);
  const times = [];
  for (const pid of pids.slice(1)) times.push(await timed(rig.attestation, pid));
  console.log(`one caller, the very first: ${first.toFixed(1)} ms`);
  console.log(`one caller, unknown container: ${summary(times)}`);
}

/** All at once. */
async function all(name: string, socket: string, withUnix = true): Promise<void> {
  using rig = attestation(socket, withUnix);
  const before = process.cpuUsage();
  const started = performance.now();
  const times = await Promise.all(pids.map((pid) => timed(rig.attestation, pid)));
  const wall = performance.now() - started;
  const { user, system } = process.cpuUsage(before);
  const cpu = ((user + system) / 1000).toFixed(0);
  console.log(`${count} at once, ${name}: all in ${wall.toFixed(0)} ms, ${cpu} ms of CPU here`);
  console.log(`  ${summary(times)}`);
}

function attestation(socket: string, withUnix = true): { attestation: Attestation } & Disposable {
  const attestor = dockerAttestor({
    clock: systemClock,
    socket,
    containers: new ContainerLookup({ clock: systemClock }),
  });
  const unix = unixAttestor({ clock: systemClock, logger: silentLogger });
  return {
    attestation: new Attestation({
      attestors: withUnix ? [unix, attestor] : [attestor],
      clock: systemClock,
      logger: silentLogger,
    }),
    [Symbol.dispose]: () => attestor[Symbol.dispose](),
  };
}

async function timed(attestor: Attestation, pid: number): Promise<number> {
  const started = performance.now();
  const peer = openPeer(pid);
  const selectors = await attestor.attest(peer, call);
  peer.release();
  if (!selectors.some(({ type }) => type === "docker")) throw new Error(`${pid} was not attested`);
  return performance.now() - started;
}

/** The pids of new containers. */
async function start(): Promise<number[]> {
  const started: number[] = [];
  const numbers = Array.from({ length: count }, (_, at) => at).values();
  const some = async (): Promise<void> => {
    for (const at of numbers) started[at] = (await docker.run({ labels: { number: `${at}` } })).pid;
  };
  await Promise.all(Array.from({ length: 6 }, some));
  return started;
}

function summary(times: number[]): string {
  times.sort((a, b) => a - b);
  const at = (share: number): string => (times[Math.floor(times.length * share)] ?? 0).toFixed(2);
  return `p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`;
}
