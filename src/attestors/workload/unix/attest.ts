/**
 * The `unix` workload attestor: who a process runs as and what it runs. Selectors as SPIRE's plugin of the same name
 * writes them: uid, user, gid, group, supplementary_gid, supplementary_group, path, sha256.
 */
import type { Clock } from "../../../base/clock.ts";
import { CallerLog } from "../../../observe/caller-log.ts";
import type { Logger } from "../../../observe/logger.ts";
import type { Selector } from "../../../spiffe/selector.ts";
import type { ProcessFacts, WorkloadAttestor } from "../../contract.ts";
import { AccountNames } from "./account-names.ts";
import { Executables } from "./executable.ts";

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
  const callerLog = new CallerLog(logger, clock);
  const users = new AccountNames(options.passwdFile ?? "/etc/passwd", clock, logger);
  const groups = new AccountNames(options.groupFile ?? "/etc/group", clock, logger);
  const executables = new Executables({
    procDir: options.procDir ?? "/proc",
    maxBytes: options.maxExecutableBytes ?? DEFAULT_MAX_EXECUTABLE_BYTES,
  });

  const accountSelectors = (process: ProcessFacts): Selector[] => {
    const values = [`uid:${process.uid}`, `gid:${process.gid}`];
    const user = users.nameOf(process.uid);
    if (user !== undefined) values.push(`user:${user}`);
    const group = groups.nameOf(process.gid);
    if (group !== undefined) values.push(`group:${group}`);
    for (const gid of process.groups) {
      values.push(`supplementary_gid:${gid}`);
      const name = groups.nameOf(gid);
      if (name !== undefined) values.push(`supplementary_group:${name}`);
    }
    return values.map(unix);
  };

  const executableSelectors = async (
    process: ProcessFacts,
    signal: AbortSignal,
  ): Promise<Selector[]> => {
    try {
      const { path, sha256, isLate } = await executables.read(process.pid, signal);
      if (isLate === true) {
        callerLog.warn(
          process.uid,
          "executable not hashed in time; its sha256 selector is missing",
          {
            pid: process.pid,
            path,
          },
        );
      }
      return [`path:${path}`, ...(sha256 === undefined ? [] : [`sha256:${sha256}`])].map(unix);
    } catch (error) {
      // What it runs stays unknown; who it runs as is known all the same.
      callerLog.warn(
        process.uid,
        "executable not discovered; path and sha256 selectors are missing",
        {
          pid: process.pid,
          error,
        },
      );
      return [];
    }
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
      ...(discoverExecutable ? ["path", "sha256"] : []),
    ],
    async attest(process, signal) {
      signal.throwIfAborted();
      const accounts = accountSelectors(process);
      if (!discoverExecutable) return accounts;
      return [...accounts, ...(await executableSelectors(process, signal))];
    },
  };
}

function unix(value: string): Selector {
  return { type: "unix", value };
}

const DEFAULT_MAX_EXECUTABLE_BYTES = 512 * 1024 * 1024;
