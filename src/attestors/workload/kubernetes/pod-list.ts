import { orAborted } from "../../../base/abort.ts";
import { type Clock, sleep } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { type KubernetesClient, refusalOf } from "../../kubernetes/client.ts";
import type { ContainerRef } from "../container/container-of.ts";
import { type NodePods, type Pod, type PodContainer, readPodList } from "./pods.ts";

/** What the kubelet said at one moment. */
export interface Listing extends NodePods {
  /** When it was asked. */
  readonly atMs: number;
}

export interface ListedContainer {
  readonly found: PodContainer;
  /** When the kubelet was asked. */
  readonly atMs: number;
}

/** The kubelet's list of pods: however many ask, there is one request at a time. */
export class PodList {
  readonly #client: KubernetesClient;
  readonly #clock: Clock;
  #held: Listing | undefined;
  #asking: Promise<Listing> | undefined;

  constructor(client: KubernetesClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /**
   * What is held, if it is no older than this; else what the kubelet is being asked.
   * @throws unavailable
   */
  listing(maxAgeMs: number): Promise<Listing> {
    const held = this.#held;
    const nowMs = this.#clock.nowMs();
    // A clock that was set back makes nothing younger.
    if (held !== undefined && Math.abs(nowMs - held.atMs) <= maxAgeMs) return Promise.resolve(held);
    this.#asking ??= this.#ask(nowMs).finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** A pod of this node; asked for anew at once where the answer that is held has none. @throws unavailable, cancelled */
  async find(
    pick: (pods: Listing["pods"]) => Pod | undefined,
    signal: AbortSignal,
  ): Promise<Pod | undefined> {
    const startMs = this.#clock.nowMs();
    const listing = await orAborted(this.listing(HOLDS_MS), signal);
    const found = pick(listing.pods);
    if (found !== undefined || listing.atMs >= startMs) return found;
    return pick((await orAborted(this.listing(0), signal)).pods);
  }

  /**
   * The container, waited for a while where it has to be a pod's; undefined for one of another engine on this node.
   * @throws unavailable, cancelled
   */
  async findContainer(
    { containerId, podUid }: ContainerRef,
    signal: AbortSignal,
  ): Promise<ListedContainer | undefined> {
    const startMs = this.#clock.nowMs();
    for (let maxAgeMs = HOLDS_MS; ; maxAgeMs = 0) {
      const { atMs, containers } = await orAborted(this.listing(maxAgeMs), signal);
      const found = containers.get(containerId);
      if (found !== undefined && (podUid === undefined || found.pod.uids.has(podUid))) {
        return { found, atMs };
      }
      if (maxAgeMs > 0 && atMs < startMs) continue; // from before the call: ask anew at once
      if (podUid === undefined) return undefined;
      if (Math.abs(this.#clock.nowMs() - startMs) >= PATIENCE_MS) {
        throw fail("unavailable", `the kubelet does not list container ${containerId} yet`);
      }
      await sleep(this.#clock, RETRY_MS, signal);
    }
  }

  async #ask(atMs: number): Promise<Listing> {
    const answer = await this.#client.ask({ method: "GET", path: "/pods" });
    if (answer.status !== 200) {
      throw fail("unavailable", `kubelet ${this.#client.server}: ${refusal(refusalOf(answer))}`);
    }
    this.#held = { atMs, ...readPodList(answer.body) };
    return this.#held;
  }
}

/** The kubelet's refusals are plain text: the status is all there is. */
function refusal(said: string): string {
  if (said.startsWith("status 401")) return `${said}; give the agent a token or a certificate`;
  if (said.startsWith("status 403")) return `${said}; the right to get nodes/pods is missing`;
  return said;
}

/** How long an answer counts: a label that is taken away goes on selecting for this long. */
export const HOLDS_MS = 2000;
/** A kubelet lists a container a second or so after it started. */
const RETRY_MS = 250;
/** Less than the deadline of all attestors, so that the reason is said. */
const PATIENCE_MS = 4000;
