/**
 * The `unix` workload attestor: who a process runs as and what it runs. Selectors as SPIRE's plugin of the same name
 * writes them: uid, user, gid, group, supplementary_gid, supplementary_group, path, sha256.
 */
import type { Clock } from "../../../base/clock.ts";
import { CallerLog } from "../../../observe/caller-log.ts";
import type { Logger } from "../../../observe/logger.ts";
import type { AttestCall, ProcessFacts, WorkloadAttestor } from "../../contract.ts";
import { type UnmappedIds, unmappedIds } from "../user-namespace.ts";
import { AccountNames } from "./account-names.ts";
import { Executables } from "./executable.ts";
import { EXECUTABLE_NAMES, readExecutable } from "./read-executable.ts";
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
  const { logger, clock, discoverExecutable = true, procDir = "/proc" } = options;
  const maxBytes = options.maxExecutableBytes ?? DEFAULT_MAX_EXECUTABLE_BYTES;
  const callerLog = new CallerLog(logger, clock);
  const users = new AccountNames(options.passwdFile ?? "/etc/passwd", clock, logger);
  const groups = new AccountNames(options.groupFile ?? "/etc/group", clock, logger);
  const unmapped = unmappedIds(procDir);
  const selectorsOf = new SelectorMaker(users, groups, unmapped);
  const executables = new Executables({
    procDir,
    maxBytes,
    clock,
    onUnwatched: (uid, error) =>
      callerLog.warn(uid, "executable cannot be watched; it is hashed each minute", { error }),
  });
  const reading = { executables, maxBytes, callerLog };

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
      tellUnmapped(process, unmapped, call.onGap);
      const executable = discoverExecutable
        ? await readExecutable(process, call, reading)
        : undefined;
      return selectorsOf.make(process, executable);
    },
  };
}

/** Ids that the kernel shows for all whom the agent's user namespace does not have. */
function tellUnmapped(
  { uid, gid, groups }: ProcessFacts,
  unmapped: UnmappedIds,
  onGap: AttestCall["onGap"],
): void {
  const names = [
    ...(uid === unmapped.uid ? ["uid", "user"] : []),
    ...(gid === unmapped.gid ? ["gid", "group"] : []),
    ...(groups.some((each) => each === unmapped.gid)
      ? ["supplementary_gid", "supplementary_group"]
      : []),
  ];
  if (names.length > 0) onGap({ names, reason: UNMAPPED, isTransient: false });
}

const UNMAPPED =
  "the kernel shows the agent one number for all whom its user namespace does not have; run the agent in the host's";
const DEFAULT_MAX_EXECUTABLE_BYTES = 512 * 1024 * 1024;
