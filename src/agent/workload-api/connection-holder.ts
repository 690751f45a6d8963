import { readFileSync } from "node:fs";
import { containerOf, unknownContainer } from "../../attestors/workload/container/container-of.ts";
import { LruMap } from "../../base/lru.ts";
import type { Peer } from "../peer/peer.ts";

/** Whose share of the connections one counts against: a user, or a container of root's. */
export type ConnectionHolder = number | string;

/**
 * Tells root on the host from root in a container, who can neither stop the agent nor may take everybody's places. By
 * the kernel's word alone: no engine is asked for it.
 */
export class ConnectionHolders {
  readonly #procDir: string;
  #ownCgroup: string | undefined;
  /** By what the kernel says of a process, never by PID. */
  readonly #known = new LruMap<string, ConnectionHolder>(MAX_KNOWN);

  constructor(procDir = "/proc") {
    this.#procDir = procDir;
  }

  /** @returns the uid for a process of the host or of the agent's own container, else a text that is no other's */
  of({ pid, uid }: Pick<Peer, "pid" | "uid">): ConnectionHolder {
    const elsewhere = `${uid} elsewhere`;
    if (pid <= 0) return elsewhere;
    try {
      const own = (this.#ownCgroup ??= this.#cgroup("self"));
      const text = this.#cgroup(String(pid));
      if (text === own) return uid;
      const key = `${uid} ${text}`;
      const known = this.#known.get(key);
      if (known !== undefined) return known;
      const holder = holderOf(uid, text, own);
      // A process may make cgroups with names as long as it likes.
      if (text.length <= MAX_KEPT_TEXT) this.#known.set(key, holder);
      return holder;
    } catch {
      return elsewhere; // it has ended, or says contradictory things
    }
  }

  #cgroup(pid: string): string {
    return readFileSync(`${this.#procDir}/${pid}/cgroup`, "latin1");
  }
}

/** @throws denied when the text names two containers */
function holderOf(uid: number, text: string, own: string): ConnectionHolder {
  const container = containerOf(text, { ownCgroup: own });
  if (container === undefined) {
    return unknownContainer(text) === undefined ? uid : `${uid} elsewhere`;
  }
  const { containerId } = container;
  if (containerId === containerOf(own, { ownCgroup: own })?.containerId) return uid;
  return `container ${containerId}`;
}

const MAX_KNOWN = 256;
const MAX_KEPT_TEXT = 4096;
