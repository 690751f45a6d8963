import { LruMap } from "../../../base/lru.ts";
import { CgroupFiles } from "./cgroup-files.ts";
import {
  type ContainerRef,
  type UserContainerRef,
  containerOf,
  unknownContainer,
  userContainerOf,
} from "./container-of.ts";

export interface ContainerLookupOptions {
  /** Default: /proc. */
  readonly procDir?: string;
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

/** Looks up containers by PID, in what the kernel says now. Reading never waits: /proc/PID/cgroup is memory. */
export class ContainerLookup implements Disposable {
  readonly #files: CgroupFiles;
  /** By the text that was read, never by PID. */
  readonly #known = new LruMap<string, ContainerLook>(MAX_KNOWN);
  #ownCgroup: string | undefined;

  constructor({ procDir = "/proc" }: ContainerLookupOptions = {}) {
    this.#files = new CgroupFiles(procDir);
  }

  /**
   * The system's container that the process is in; `undefined` for a process of the host.
   * @throws denied when there is no such process, or its cgroups name two containers (the message has the raw lines)
   */
  read(pid: number): ContainerRef | undefined {
    return this.look(pid).container;
  }

  /** All that can be told. @throws as `read` */
  look(pid: number): ContainerLook {
    const text = this.#files.read(String(pid));
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const found = lookAt(text, this.#own());
    // A process may make cgroups with names as long as it likes.
    if (text.length <= MAX_KEPT_TEXT) this.#known.set(text, found);
    return found;
  }

  /** Looks again: whether the kernel still says the same. */
  isStill(pid: number, look: ContainerLook): boolean {
    try {
      return this.#files.read(String(pid)) === look.cgroup;
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

/** Podman names each container's own cgroup so, and no other engine does. */
export function isPodmans(look: ContainerLook, containerId: string): boolean {
  return look.cgroup.includes(`libpod-${containerId}`);
}

function lookAt(text: string, ownCgroup: string): ContainerLook {
  const container = containerOf(text, { ownCgroup });
  if (container !== undefined) return { cgroup: text, container };
  const userContainer = userContainerOf(text);
  if (userContainer !== undefined) return { cgroup: text, userContainer };
  // Components that the agent is below as well say nothing of the process.
  const unknown = text === ownCgroup ? undefined : unknownContainer(text);
  return unknown === undefined ? { cgroup: text } : { cgroup: text, unknown };
}

const MAX_KEPT_TEXT = 4096;
const MAX_KNOWN = 1024;
