import type { Clock } from "../../../base/clock.ts";
import { LruMap } from "../../../base/lru.ts";
import { formatSelector, type Selector } from "../../../spiffe/selector.ts";
import type { ContainerRef } from "../container/container-of.ts";
import { HOLDS_MS } from "./pod-list.ts";
import type { PodContainer } from "./pods.ts";
import { containerSelectors } from "./selectors.ts";

/** Labels of a namespace. */
export interface KnownLabels {
  readonly labels: ReadonlyMap<string, string>;
  /** When they were asked for. */
  readonly atMs: number;
}

/** The selectors of containers that were asked about a moment ago, by container and never by PID. */
export class KnownContainers {
  readonly #clock: Clock;
  readonly #known = new LruMap<string, Known>(MAX_CONTAINERS);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined: nothing that still counts, or of another pod. */
  recall({ containerId, podUid }: ContainerRef): readonly Selector[] | undefined {
    const found = this.#known.get(containerId);
    if (found === undefined || Math.abs(this.#clock.nowMs() - found.atMs) > HOLDS_MS) {
      return undefined;
    }
    return podUid === undefined || found.uids.has(podUid) ? found.selectors : undefined;
  }

  /** Its selectors: the same array as before while the pod is the same. */
  remember(
    containerId: string,
    found: PodContainer,
    { atMs, labels }: KnownLabels,
  ): readonly Selector[] {
    const selectors = Object.freeze(containerSelectors(found, labels));
    const text = selectors.map(formatSelector).join("\n");
    const before = this.#known.get(containerId);
    const next: Known =
      before?.text === text ? { ...before, atMs } : { text, selectors, uids: found.pod.uids, atMs };
    this.#known.set(containerId, next);
    return next.selectors;
  }
}

interface Known {
  readonly text: string;
  readonly selectors: readonly Selector[];
  readonly uids: ReadonlySet<string>;
  readonly atMs: number;
}

const MAX_CONTAINERS = 1024;
