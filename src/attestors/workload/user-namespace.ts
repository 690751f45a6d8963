/** What the agent's own user namespace hides from it (user_namespaces(7)). */
import { readFileSync } from "node:fs";

/** The numbers that stand for everybody who has none in the agent's user namespace; absent where everybody has one. */
export interface UnmappedIds {
  readonly uid?: number;
  readonly gid?: number;
}

/** @param procDir /proc, or a copy */
export function unmappedIds(procDir: string): UnmappedIds {
  return {
    ...(seesAll("uid", procDir) ? {} : { uid: overflowId("uid", procDir) }),
    ...(seesAll("gid", procDir) ? {} : { gid: overflowId("gid", procDir) }),
  };
}

/** True in the initial user namespace, or one like it. */
export function seesAll(kind: "uid" | "gid", procDir: string): boolean {
  try {
    return WHOLE.test(readFileSync(`${procDir}/self/${kind}_map`, "utf8"));
  } catch {
    return true; // a kernel without user namespaces
  }
}

function overflowId(kind: "uid" | "gid", procDir: string): number {
  try {
    return Number(readFileSync(`${procDir}/sys/kernel/overflow${kind}`, "utf8"));
  } catch {
    return DEFAULT_OVERFLOW;
  }
}

const WHOLE = /^\s*0\s+0\s+4294967295\s*$/;
/** proc_sys_kernel(5). */
const DEFAULT_OVERFLOW = 65_534;
