import { existsSync, readFileSync, statSync } from "node:fs";
import type { Clock } from "../../../base/clock.ts";
import { seesAll } from "../user-namespace.ts";
import { parseCgroups } from "./cgroup-lines.ts";
import type { ContainerPlace } from "./container-of.ts";

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

/** Whose cgroups are, as the cgroup file system says: where the agent sees the whole tree, as on the host itself. */
export class CgroupOwners {
  readonly #procDir: string;
  readonly #trustedUid: number;
  readonly #clock: Clock | undefined;
  #mounts: ReadonlyMap<string, string>;
  #readAtMs: number | undefined;
  readonly #seesAllUsers: boolean;

  /**
   * @param trustedUid whose directories count: root's
   * @param clock absent: hierarchies that are out of sight are looked for each time
   */
  constructor(procDir: string, trustedUid: number, clock?: Clock) {
    this.#procDir = procDir;
    this.#trustedUid = trustedUid;
    this.#clock = clock;
    this.#readAtMs = clock?.nowMs();
    this.#mounts = cgroupMounts(procDir);
    this.#seesAllUsers = seesAll("uid", procDir);
  }

  /**
   * Whether root made both the unit's directory, in which nobody else can then make any, and the container's. False where
   * that cannot be seen.
   */
  madeSplit({ hierarchy, paths }: SplitContainer): boolean {
    const mount = this.#mountOf(hierarchy);
    return mount !== undefined && paths.every((path) => this.#isTrusted(mount, path));
  }

  /**
   * Whether nobody but root can have made a container's directory where it is: a part of the tree that was handed to a
   * user (`cgcreate -a`) has any names that this user likes. True where that cannot be seen: whose a directory is says
   * nothing in a user namespace of the agent's own either.
   */
  mayHaveMade({ hierarchy, folders, isOutside }: ContainerPlace): boolean {
    if (isOutside || !this.#seesAllUsers) return true;
    const mount = this.#mountOf(sorted(hierarchy.split(",")));
    return mount === undefined || folders.every((folder) => this.#isTrusted(mount, folder));
  }

  /** Hierarchies may be mounted after the agent has started, as by libcgroup. */
  #mountOf(hierarchy: string): string | undefined {
    if (!this.#mounts.has(hierarchy)) {
      const nowMs = this.#clock?.nowMs();
      const isRecent =
        nowMs !== undefined &&
        this.#readAtMs !== undefined &&
        Math.abs(nowMs - this.#readAtMs) < READS_EVERY_MS;
      if (!isRecent) {
        this.#readAtMs = nowMs;
        this.#mounts = cgroupMounts(this.#procDir);
      }
    }
    return this.#mounts.get(hierarchy);
  }

  /** @param path as it was read: a character for each byte */
  #isTrusted(mount: string, path: string): boolean {
    try {
      const { uid, mode } = statSync(
        Buffer.concat([Buffer.from(mount), Buffer.from(path, "latin1")]),
      );
      return uid === this.#trustedUid && (mode & OTHERS_WRITE) === 0;
    } catch {
      return false; // it is gone, or hidden
    }
  }
}

/** Where hierarchies are mounted as a whole (proc_pid_mountinfo(5)). */
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
    // Another mount may hide it.
    if (root !== "/" || !existsSync(`${mount}/cgroup.procs`)) continue;
    if (type === "cgroup2") mounts.set("", mount);
    if (type === "cgroup") mounts.set(hierarchyOf(options), mount);
  }
  return mounts;
}

/** As /proc/PID/cgroup names it, sorted: its controllers, or a name of its own. */
function hierarchyOf(options: string): string {
  return sorted(options.split(",").filter((word) => !MOUNT_OPTIONS.test(word)));
}

function sorted(words: readonly string[]): string {
  return words.toSorted().join(",");
}

const SYSTEMD = "name=systemd";
/** What else stands among the options of a v1 hierarchy (cgroups(7)). */
const MOUNT_OPTIONS =
  /^(?:rw|ro|noprefix|clone_children|xattr|cpuset_v2_mode|favordynmods|release_agent=.*)$/;
const OTHERS_WRITE = 0o022;
const READS_EVERY_MS = 10_000;
const UNIT_HIERARCHIES = ["", SYSTEMD];
