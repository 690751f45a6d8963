import { readFileSync, statSync } from "node:fs";
import { parseCgroups } from "./cgroup-lines.ts";

/** A Podman container within the cgroup of the unit that runs it (`--cgroups=split`, what Quadlet does). */
export interface SplitContainer {
  /** 64 lower-case hex digits. */
  readonly containerId: string;
  /** Of systemd's units: empty for cgroup v2, else `name=systemd`. */
  readonly hierarchy: string;
  /** The unit's cgroup and the container's, from the hierarchy's root. */
  readonly paths: readonly [unit: string, container: string];
}

/**
 * What a cgroup path names, before anybody looked whose it is: a service may have been handed to any user
 * (`Delegate=yes` with `User=`), who then makes what they like in it.
 */
export function splitContainerOf(cgroupText: string): SplitContainer | undefined {
  for (const { hierarchy, components, isOutside } of parseCgroups(cgroupText)) {
    if (isOutside || !UNIT_HIERARCHIES.includes(hierarchy)) continue;
    const at = components.findIndex((component) => !component.endsWith(".slice"));
    const [unit = "", payload = ""] = components.slice(at, at + 2);
    const containerId = /^libpod-payload-([0-9a-f]{64})$/.exec(payload)?.[1];
    if (containerId === undefined || at < 1 || !unit.endsWith(".service")) continue;
    if (components[0] === "user.slice") continue;
    const above = `/${components.slice(0, at + 1).join("/")}`;
    return { containerId, hierarchy, paths: [above, `${above}/${payload}`] };
  }
  return undefined;
}

/**
 * Believes such paths where the cgroup file system says that root made them: both the unit's directory, in which nobody
 * else can then make any, and the container's. Only where the agent sees the whole tree, as on the host itself.
 */
export class SplitContainers {
  readonly #trustedUid: number;
  readonly #mounts: ReadonlyMap<string, string>;

  /** @param trustedUid whose directories count: root's */
  constructor(procDir: string, trustedUid: number) {
    this.#trustedUid = trustedUid;
    this.#mounts = cgroupMounts(procDir);
  }

  isBelieved({ hierarchy, paths }: SplitContainer): boolean {
    const mount = this.#mounts.get(hierarchy);
    if (mount === undefined) return false;
    try {
      return paths.every((path) => statSync(mount + path).uid === this.#trustedUid);
    } catch {
      return false; // it is gone, or out of sight
    }
  }
}

/** Where systemd's hierarchies are mounted as a whole (proc_pid_mountinfo(5)). */
function cgroupMounts(procDir: string): ReadonlyMap<string, string> {
  const mounts = new Map<string, string>();
  let text = "";
  try {
    text = readFileSync(`${procDir}/self/mountinfo`, "utf8");
  } catch {
    return mounts; // nothing is believed then
  }
  for (const line of text.split("\n")) {
    const [before = "", after = ""] = line.split(" - ");
    const [, , , root, mount = ""] = before.split(" ");
    const [type, , options = ""] = after.split(" ");
    if (root !== "/") continue;
    if (type === "cgroup2") mounts.set("", mount);
    if (type === "cgroup" && options.split(",").includes(SYSTEMD)) mounts.set(SYSTEMD, mount);
  }
  return mounts;
}

const SYSTEMD = "name=systemd";
const UNIT_HIERARCHIES = ["", SYSTEMD];
