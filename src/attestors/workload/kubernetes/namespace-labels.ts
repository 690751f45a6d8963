/** The labels of namespaces. The kubelet does not know them: the cluster's API server is asked. */
import type { Clock } from "../../../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";
import { fieldsOf, findNamespace, textMapOf } from "../../kubernetes/api.ts";
import type { KubernetesClient } from "../../kubernetes/client.ts";

/** What is known of one namespace, or why nothing is. */
export type NamespaceAnswer =
  | {
      /** When it was asked for. */
      readonly atMs: number;
      readonly labels: ReadonlyMap<string, string>;
    }
  | {
      /** When the asking ended: whoever comes next must not wait for a silent API server, too. */
      readonly atMs: number;
      readonly error: AssayError;
    };

/** However many ask for a namespace's labels, there is one request at a time for them. */
export class NamespaceLabels {
  readonly #client: KubernetesClient;
  readonly #clock: Clock;
  readonly #held = new LruMap<string, NamespaceAnswer>(MAX_NAMESPACES);
  readonly #asking = new Map<string, Promise<NamespaceAnswer>>();

  constructor(client: KubernetesClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** What is held, a failure too, if it is no older than this; else what the API server is being asked. Never rejects. */
  of(namespace: string, maxAgeMs: number): Promise<NamespaceAnswer> {
    const held = this.#held.get(namespace);
    // A clock that was set back makes nothing younger.
    if (held !== undefined && Math.abs(this.#clock.nowMs() - held.atMs) <= maxAgeMs) {
      return Promise.resolve(held);
    }
    const asking = this.#asking.get(namespace);
    if (asking !== undefined) return asking;
    const atMs = this.#clock.nowMs();
    if (this.#asking.size >= MAX_NAMESPACES) {
      const error = fail("unavailable", "the API server is being asked about too many namespaces");
      return Promise.resolve({ atMs, error });
    }
    const answer = this.#ask(namespace, atMs).finally(() => this.#asking.delete(namespace));
    this.#asking.set(namespace, answer);
    return answer;
  }

  async #ask(namespace: string, atMs: number): Promise<NamespaceAnswer> {
    const answer = await this.#read(namespace).then(
      (labels) => ({ atMs, labels }),
      (thrown: unknown) => ({ atMs: this.#clock.nowMs(), error: errorFrom(thrown) }),
    );
    this.#held.set(namespace, answer);
    return answer;
  }

  async #read(namespace: string): Promise<ReadonlyMap<string, string>> {
    const found = await findNamespace(this.#client, namespace);
    if (found === undefined) {
      throw fail("not_found", `${this.#client.server} knows no such namespace; is it this node's?`);
    }
    return textMapOf(fieldsOf(found["metadata"])["labels"]);
  }
}

/** More than a node has pods. */
const MAX_NAMESPACES = 1024;
