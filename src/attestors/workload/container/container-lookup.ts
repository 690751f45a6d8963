import type { Clock } from "../../../base/clock.ts";
import { LruMap } from "../../../base/lru.ts";
import type { Moment } from "../../contract.ts";
import { CgroupFiles } from "./cgroup-files.ts";
import {
  type ContainerPlace,
  type ContainerRef,
  type UserContainerRef,
  containerOf,
  unknownContainer,
  userContainerOf,
} from "./container-of.ts";
import { CgroupOwners, splitContainerOf } from "./cgroup-owners.ts";

export interface ContainerLookupOptions {
  /** Default: /proc. */
  readonly procDir?: string;
  /** Whose cgroup directories are the system's. Default: root's. */
  readonly trustedUid?: number;
  /** Without one, whose a cgroup is is looked at each time. */
  readonly clock?: Clock;
}

/** Where a process was at one moment. */
export interface ContainerLook {
  /** What the kernel said. */
  readonly cgroup: string;
  /** Absent: in no container of the system. */
  readonly container?: ContainerRef;
  /** In a container of a user's own engine, which that user may have made up. */
  readonly userContainer?: UserContainerRef;
  /** The raw lines of one that looks like a container's and is known for none. */
  readonly unknown?: string;
}

/**
 * Looks up containers by PID, in what the kernel says now. Reading never waits: /proc/PID/cgroup is memory. The
 * attestors of an agent share one, and with it the files that it holds open.
 */
export class ContainerLookup implements Disposable {
  readonly #files: CgroupFiles;
  /** By the text that was read, never by PID. */
  readonly #known = new LruMap<string, Known>(MAX_KNOWN);
  readonly #clock: Clock | undefined;
  readonly #owners: CgroupOwners;
  #ownCgroup: string | undefined;
  /** What was read last for several attestors at once. */
  #seen: Seen | undefined;

  constructor({ procDir = "/proc", trustedUid = 0, clock }: ContainerLookupOptions = {}) {
    this.#clock = clock;
    this.#files = new CgroupFiles(procDir);
    this.#owners = new CgroupOwners(procDir, trustedUid, clock);
  }

  /**
   * The system's container that the process is in; `undefined` for a process of the host.
   * @throws denied when there is no such process, or its cgroups name two containers (the message has the raw lines)
   */
  read(pid: number): ContainerRef | undefined {
    return this.look(pid).container;
  }

  /**
   * All that can be told.
   * @param moment whose looks share what is read; absent: it is read now
   * @throws as `read`
   */
  look(pid: number, moment?: Moment): ContainerLook {
    if (moment === undefined) return this.#look(pid);
    if (this.#seen?.moment !== moment || this.#seen.pid !== pid) {
      this.#seen = { moment, pid, look: this.#look(pid) };
    }
    return this.#seen.look;
  }

  #look(pid: number): ContainerLook {
    const text = this.#files.read(String(pid));
    const known = this.#known.get(text);
    if (known !== undefined && this.#serves(known)) return known.look;
    const split = text.includes(SPLIT) ? splitContainerOf(text) : undefined;
    // Whose a directory is may change: it is looked at each time.
    if (split !== undefined && this.#owners.madeSplit(split)) {
      return { cgroup: text, container: { containerId: split.containerId } };
    }
    let seenAtMs: number | undefined;
    const look = lookAt(text, this.#own(), (place) => {
      seenAtMs ??= this.#clock?.nowMs() ?? Number.NaN;
      return this.#owners.mayHaveMade(place);
    });
    // A process may make cgroups with names as long as it likes.
    if (split === undefined && text.length <= MAX_KEPT_TEXT)
      this.#known.set(text, { look, seenAtMs });
    return look;
  }

  #serves({ seenAtMs }: Known): boolean {
    if (seenAtMs === undefined) return true;
    const ageMs = (this.#clock?.nowMs() ?? Number.NaN) - seenAtMs;
    return ageMs >= 0 && ageMs < SERVES_MS;
  }

  /** Looks again: whether the kernel still says the same. */
  isStill(pid: number, look: ContainerLook, moment?: Moment): boolean {
    try {
      return this.look(pid, moment).cgroup === look.cgroup;
    } catch {
      return false; // it has ended
    }
  }

  /** Closes what is held open. */
  [Symbol.dispose](): void {
    this.#files[Symbol.dispose]();
  }

  #own(): string {
    this.#ownCgroup ??= this.#files.read("self");
    return this.#ownCgroup;
  }
}

interface Known {
  readonly look: ContainerLook;
  /** When it was seen whose the directories are; absent where that does not matter. */
  readonly seenAtMs: number | undefined;
}

interface Seen {
  readonly moment: Moment;
  readonly pid: number;
  readonly look: ContainerLook;
}

/** Podman names each container's own cgroup so, and no other engine does. */
export function isPodmans(look: ContainerLook, containerId: string): boolean {
  return [`libpod-${containerId}`, `${SPLIT}${containerId}`].some((name) =>
    look.cgroup.includes(name),
  );
}

function lookAt(
  text: string,
  ownCgroup: string,
  isBelieved: (place: ContainerPlace) => boolean,
): ContainerLook {
  const container = containerOf(text, { ownCgroup, isBelieved });
  if (container !== undefined) return { cgroup: text, container };
  const userContainer = userContainerOf(text);
  if (userContainer !== undefined) return { cgroup: text, userContainer };
  // Components that the agent is below as well say nothing of the process.
  const unknown = text === ownCgroup ? undefined : unknownContainer(text);
  return unknown === undefined ? { cgroup: text } : { cgroup: text, unknown };
}

const SPLIT = "libpod-payload-";
const MAX_KEPT_TEXT = 4096;
const MAX_KNOWN = 1024;
const SERVES_MS = 2000;
