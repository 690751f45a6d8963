/**
 * An agent's `systemd` attestor as a unit of a systemd of a test's own. Answers on the socket given, a line for a line:
 * `{"unit":NAME}` or `{"pid":N}` with the selectors or the error, with `"by":"podman"` those of users' own engines,
 * `{"run":[...]}` with what the command prints.
 */
import { execFile } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import { podmanAttestor } from "../../src/attestors/workload/podman/attest.ts";
import { systemdAttestor } from "../../src/attestors/workload/systemd/attest.ts";
import { StatusFile } from "../../src/agent/peer/proc.ts";
import { systemClock } from "../../src/base/clock.ts";
import { attestCall } from "./attest-call.ts";
import { PATIENCE_MS } from "./patience.ts";

interface Question {
  readonly unit?: string;
  readonly pid?: number;
  readonly by?: "podman";
  readonly run?: readonly string[];
}

const [, , path = ""] = process.argv;
const containers = new ContainerLookup({ clock: systemClock });
const shared = { clock: systemClock, containers, patienceMs: PATIENCE_MS };
const systemd = systemdAttestor({ ...shared, bus: "/run/dbus/system_bus_socket" });
const podman = podmanAttestor({
  ...shared,
  socket: "/run/podman/podman.sock",
  userSocket: "/run/user/{uid}/podman/podman.sock",
});

createServer((socket) => {
  createInterface({ input: socket }).on("line", (line) => {
    // What the test of this file's own writes is not checked.
    answer(JSON.parse(line) as Question).then(
      (said) => socket.write(`${JSON.stringify({ said })}\n`),
      (error: unknown) => socket.write(`${JSON.stringify({ refused: String(error) })}\n`),
    );
  });
}).listen(path);

async function answer({ unit, pid, by, run }: Question): Promise<unknown> {
  if (run !== undefined) return runs(run);
  const asked =
    pid ?? Number(await runs(["systemctl", "show", "-p", "MainPID", "--value", unit ?? ""]));
  using status = new StatusFile("/proc", asked);
  const facts = { pid: asked, ...status.read().ids };
  const attestor = by === "podman" ? podman : systemd;
  return (await attestor.attest(facts, attestCall())).map(({ value }) => value);
}

async function runs([command = "", ...args]: readonly string[]): Promise<string> {
  return (await promisify(execFile)(command, args)).stdout.trim();
}
