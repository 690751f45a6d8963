/** Telling a process that its files are new: a command, a signal, or both. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import type { Clock } from "../base/clock.ts";
import { fail } from "../base/errors.ts";
import type { Tell } from "./target.ts";

export interface TellContext {
  /** For the command. */
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** `startOf` the process that `signal` named when it was named. */
  readonly started?: string;
}

/**
 * A process that is named by its PID, as it is now: a PID is used again when its process has ended.
 * @returns undefined where the system does not tell
 */
export function startOf(pid: number): string | undefined {
  try {
    // proc(5): the 22nd field; the second one is in parentheses and may hold anything.
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

/**
 * The signal goes first: it cannot keep us waiting.
 * @throws not_found without the process, denied when it is another user's, unavailable when the command fails, deadline
 */
export async function tell(told: Tell, context: TellContext, signal: AbortSignal): Promise<void> {
  if (told.signal !== undefined) await sendSignal(told.signal, told.signalName, context);
  if (told.run !== undefined) await runCommand(told.run, told.runTimeoutMs, context, signal);
}

async function sendSignal(
  to: number | string,
  name: NodeJS.Signals,
  { started }: TellContext,
): Promise<void> {
  const pid = typeof to === "number" ? to : await pidOf(to);
  const now = startOf(pid);
  if (typeof to === "number" && started !== undefined && now !== undefined && now !== started) {
    throw fail(
      "not_found",
      `process ${pid} has ended, and another one has its PID; name a PID file`,
    );
  }
  const where = typeof to === "number" ? "" : ` from ${to}`;
  try {
    process.kill(pid, name);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ESRCH") throw fail("not_found", `there is no process ${pid}${where} to signal`);
    if (code === "EPERM") {
      throw fail(
        "denied",
        `no permission to signal process ${pid}${where}; run as its user or root`,
      );
    }
    throw error;
  }
}

async function pidOf(file: string): Promise<number> {
  let text: string;
  try {
    if ((await stat(file)).size > MAX_PID_FILE_BYTES)
      throw fail("invalid", `${file} is no PID file`);
    text = await readFile(file, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw fail("not_found", `cannot read the PID file ${file} (${String(error.code)})`);
  }
  // postgresql's postmaster.pid has further lines.
  const [first = ""] = text.split("\n");
  return parsePid(first.trim()) ?? refusePid(file);
}

function refusePid(file: string): never {
  throw fail("invalid", `the first line of ${file} is no PID`);
}

/** A PID that may be signalled: 0 and below are groups (kill(2)), 1 is the system. */
export function parsePid(text: string): number | undefined {
  if (!/^[1-9]\d{0,8}$/.test(text)) return undefined;
  const pid = Number(text);
  return pid > 1 ? pid : undefined;
}

/** In a process group of its own, so that nothing of it is left when its time is over. */
async function runCommand(
  command: string,
  timeoutMs: number,
  { env, clock }: TellContext,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  // Its output is about the data, as ours on standard error is.
  const child = spawn("/bin/sh", ["-c", command], { env, detached: true, stdio: ["ignore", 2, 2] });
  let isLate = false;
  const cancelTimer = clock.after(timeoutMs, () => {
    isLate = true;
    endGroup(child);
  });
  const onAbort = (): void => endGroup(child);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const { code, killedBy } = await ended(child);
    signal.throwIfAborted();
    if (isLate)
      throw fail("deadline", `the command took longer than ${timeoutMs / 1000} s and was ended`);
    if (code === 0) return;
    const how = killedBy === undefined ? `with exit code ${code}` : `by ${killedBy}`;
    throw fail("unavailable", `the command '${shown(command)}' ended ${how}`);
  } finally {
    cancelTimer();
    signal.removeEventListener("abort", onAbort);
  }
}

function ended(
  child: ChildProcess,
): Promise<{ readonly code: number | null; readonly killedBy: NodeJS.Signals | undefined }> {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, killedBy) => resolve({ code, killedBy: killedBy ?? undefined }));
  });
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

function shown(command: string): string {
  return command.length > MAX_SHOWN ? `${command.slice(0, MAX_SHOWN)}...` : command;
}

const MAX_PID_FILE_BYTES = 4096;
const MAX_SHOWN = 80;
