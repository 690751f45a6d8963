/**
 * Lets a process connect and end, and another one take its PID. For a PID namespace of its own: which PID comes next is a
 * setting of the whole namespace. Takes how a process is told from its successor; prints what a test compares.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { trackPeer } from "../../src/agent/peer/peer.ts";
import { errorFrom } from "../../src/base/errors.ts";
import { Acceptor, connectingProcess, end } from "./caller.ts";

const [, , proof] = process.argv;
if (proof !== "pidfd" && proof !== "start-time") throw new TypeError(`no proof: ${proof}`);
const dir = mkdtempSync(join(tmpdir(), "assay-test-"));
const acceptor = await Acceptor.listen(join(dir, "s"));
const child = connectingProcess(acceptor.path);
const peer = trackPeer(await acceptor.accept(), { proof });
const before = peer.read().pid;
await end(child);
writeFileSync("/proc/sys/kernel/ns_last_pid", String(peer.pid - 1));
const successor = spawn("sleep", ["60"], { stdio: "ignore" });
let said: unknown;
try {
  said = peer.read();
} catch (error) {
  const { kind, message } = errorFrom(error);
  said = { kind, message };
}
process.stdout.write(JSON.stringify({ before, successor: successor.pid, said }));
peer.release();
await end(successor);
await acceptor[Symbol.asyncDispose]();
rmSync(dir, { recursive: true });
