import type { Clock } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { type KubernetesClient, refusalOf } from "../../kubernetes/client.ts";
import { type NodePods, readPodList } from "./pods.ts";

/** What the kubelet said at one moment. */
export interface Listing extends NodePods {
  /** When it was asked. */
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
