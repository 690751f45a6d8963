import { readlinkSync } from "node:fs";

/**
 * The next steps of a process that the agent has no identity for. The agent tells a caller no more than that.
 * @param pid of this process, where it goes on and an administrator can name it; absent, a stand-in is written
 */
export function afterNoIdentity(uid: number, pid: number | undefined): string {
  const which = pid === undefined ? "N', of a process that should have one" : `${pid}'`;
  return [
    `register this process with 'assay entry create', for example with --selector unix:uid:${uid}`,
    `why it has none, an administrator of this host is told by 'assay explain --pid ${which}`,
  ].join("; ");
}

/** The number of this process, where those who look at the host have the same one for it. */
export function pidOnHost(): number | undefined {
  try {
    return readlinkSync("/proc/self/ns/pid") === INITIAL_NAMESPACE ? process.pid : undefined;
  } catch {
    // No /proc, or none of ours: nobody can say.
    return undefined;
  }
}

/** Linux, include/linux/proc_ns.h: PROC_PID_INIT_INO. */
const INITIAL_NAMESPACE = "pid:[4026531836]";
