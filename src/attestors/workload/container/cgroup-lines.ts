/** One hierarchy of /proc/PID/cgroup. */
export interface CgroupPath {
  /** Its controllers; empty for cgroup v2. */
  readonly hierarchy: string;
  /** Without the `..` with which the path of a process outside of the reader's cgroup namespace begins. */
  readonly components: readonly string[];
  /** It begins with `..`: what lies above is out of sight. */
  readonly isOutside: boolean;
}

/**
 * `ID:CONTROLLERS:PATH` lines (cgroups(7)). A path may hold colons but no line feed: the kernel refuses to make such a
 * cgroup. Other lines are left out.
 */
export function parseCgroups(text: string): readonly CgroupPath[] {
  const paths: CgroupPath[] = [];
  for (const line of text.split("\n")) {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line);
    if (match === null) continue;
    const [, hierarchy = "", path = ""] = match;
    const components = path.split("/").filter((component) => component !== "");
    const first = components.findIndex((component) => component !== "..");
    paths.push({
      hierarchy,
      components: first < 0 ? [] : components.slice(first),
      isOutside: first !== 0 && components.length > 0,
    });
  }
  return paths;
}

/** The lines for a message: printable and bounded. */
export function shownLines(text: string): string {
  const shown = JSON.stringify(text.trimEnd().slice(0, MAX_SHOWN)).slice(1, -1);
  return text.length > MAX_SHOWN ? `${shown}...` : shown;
}

const MAX_SHOWN = 2048;
