import { userInfo } from "node:os";

export interface Caller {
  readonly uid: number;
  /** For people. */
  readonly name: string;
  /** Fit for a SPIFFE ID's path. */
  readonly segment: string;
}

/** The user who runs this. */
export function callingUser(): Caller {
  const uid = process.getuid?.() ?? 0;
  const name = userName(uid);
  const segment = name.replaceAll(/[^A-Za-z0-9._-]/g, "-");
  return { uid, name, segment: /^\.{0,2}$/.test(segment) ? `uid-${uid}` : segment };
}

function userName(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    // Containers run under user IDs that have no name.
    return `uid-${uid}`;
  }
}
