import { errorFrom, hasCode } from "../../../base/errors.ts";
import type { CallerLog } from "../../../observe/caller-log.ts";
import type { AttestCall, ProcessFacts } from "../../contract.ts";
import type { Executable, Executables } from "./executable.ts";

/** Names of the selectors that come from the executable. */
export const EXECUTABLE_NAMES = ["path", "sha256"];

export interface ExecutableReading {
  readonly executables: Pick<Executables, "read">;
  /** Above it nothing is hashed. */
  readonly maxBytes: number;
  readonly callerLog: CallerLog;
}

/** What a process runs; undefined when that stays unknown. What is missing is told, and who it runs as is known all the same. */
export async function readExecutable(
  { pid, uid }: ProcessFacts,
  { signal, onGap }: AttestCall,
  { executables, maxBytes, callerLog }: ExecutableReading,
): Promise<Executable | undefined> {
  let executable: Executable;
  try {
    executable = await executables.read(pid, { uid, signal });
  } catch (error) {
    onGap({
      names: EXECUTABLE_NAMES,
      reason: reasonOf(error),
      isTransient: !isForbidden(error),
    });
    callerLog.warn(uid, "executable not discovered; path and sha256 selectors are missing", {
      pid,
      error,
    });
    return undefined;
  }
  if (executable.isLate === true) {
    const { path } = executable;
    callerLog.warn(uid, "executable not hashed in time; its sha256 selector is missing", {
      pid,
      path,
    });
    onGap({
      names: ["sha256"],
      reason: "the executable was not hashed in time",
      isTransient: true,
    });
  } else if (executable.sha256 === undefined) {
    onGap({
      names: ["sha256"],
      reason: `the executable is larger than ${maxBytes} bytes`,
      isTransient: false,
    });
  }
  return executable;
}

/** An agent without the right to look learns nothing more by looking again. */
function isForbidden(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return hasCode(cause, "EACCES") || hasCode(cause, "EPERM");
}

/** With what the system said, for whoever may ask about other processes. */
function reasonOf(thrown: unknown): string {
  const { message, cause } = errorFrom(thrown);
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}
