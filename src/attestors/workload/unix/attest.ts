/**
 * The `unix` workload attestor: who a process runs as and what it runs. Selectors as SPIRE's plugin of the same name
 * writes them: uid, user, gid, group, supplementary_gid, supplementary_group, path, sha256.
 */
import type { Clock } from "../../../base/clock.ts";
import { errorFrom } from "../../../base/errors.ts";
import { CallerLog } from "../../../observe/caller-log.ts";
import type { Logger } from "../../../observe/logger.ts";
import type { AttestCall, ProcessFacts, WorkloadAttestor } from "../../contract.ts";
import { unmappedIds } from "../user-namespace.ts";
import { AccountNames } from "./account-names.ts";
import { type Executable, Executables } from "./executable.ts";
import { SelectorMaker } from "./selector-maker.ts";

export interface UnixAttestorOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Emits `path` and `sha256`; needs the right to look into other users' processes. Default: on. */
  readonly discoverExecutable?: boolean;
  /** Larger executables have a `path` but no `sha256`; 0 = never hash. Default: 512 MiB. */
  readonly maxExecutableBytes?: number;
  readonly procDir?: string;
  readonly passwdFile?: string;
  readonly groupFile?: string;
}

export function unixAttestor(options: UnixAttestorOptions): WorkloadAttestor {
  const { logger, clock, discoverExecutable = true } = options;
  const maxBytes = options.maxExecutableBytes ?? DEFAULT_MAX_EXECUTABLE_BYTES;
  const callerLog = new CallerLog(logger, clock);
  const users = new AccountNames(options.passwdFile ?? "/etc/passwd", clock, logger);
  const groups = new AccountNames(options.groupFile ?? "/etc/group", clock, logger);
  const unmapped = unmappedIds(options.procDir ?? "/proc");
  const selectorsOf = new SelectorMaker(users, groups, unmapped);
  const executables = new Executables({
    procDir: options.procDir ?? "/proc",
    maxBytes,
    clock,
    onUnwatched: (uid, error) =>
      callerLog.warn(uid, "executable cannot be watched; it is hashed each minute", { error }),
  });

  const executableOf = async (
    { pid, uid }: ProcessFacts,
    { signal, onGap }: AttestCall,
  ): Promise<Executable | undefined> => {
    try {
      const executable = await executables.read(pid, { uid, signal });
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
    } catch (error) {
      // What it runs stays unknown; who it runs as is known all the same.
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
  };

  const tellUnmapped = ({ uid, gid, groups }: ProcessFacts, onGap: AttestCall["onGap"]): void => {
    const names = [
      ...(uid === unmapped.uid ? ["uid", "user"] : []),
      ...(gid === unmapped.gid ? ["gid", "group"] : []),
      ...(groups.some((each) => each === unmapped.gid)
        ? ["supplementary_gid", "supplementary_group"]
        : []),
    ];
    if (names.length > 0) onGap({ names, reason: UNMAPPED, isTransient: false });
  };

  return {
    type: "unix",
    names: [
      "uid",
      "user",
      "gid",
      "group",
      "supplementary_gid",
      "supplementary_group",
      ...(discoverExecutable ? EXECUTABLE_NAMES : []),
    ],
    lookNow(pid) {
      if (!discoverExecutable) {
        return {
          isStill: () => true,
          selectors: (process) => selectorsOf.make(process, undefined),
        };
      }
      const look = executables.lookNow(pid);
      if (look === undefined) return undefined;
      const { executable, isStill } = look;
      return { isStill, selectors: (process) => selectorsOf.make(process, executable) };
    },
    async attest(process, call) {
      call.signal.throwIfAborted();
      tellUnmapped(process, call.onGap);
      const executable = discoverExecutable ? await executableOf(process, call) : undefined;
      return selectorsOf.make(process, executable);
    },
  };
}

/** An agent without the right to look learns nothing more by looking again. */
function isForbidden(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return (
    cause instanceof Error && "code" in cause && (cause.code === "EACCES" || cause.code === "EPERM")
  );
}

/** With what the system said, for whoever may ask about other processes. */
function reasonOf(thrown: unknown): string {
  const { message, cause } = errorFrom(thrown);
  return cause instanceof Error ? `${message} (${cause.message})` : message;
}

const UNMAPPED =
  "the kernel shows the agent one number for all whom its user namespace does not have; run the agent in the host's";
const EXECUTABLE_NAMES = ["path", "sha256"];
const DEFAULT_MAX_EXECUTABLE_BYTES = 512 * 1024 * 1024;
