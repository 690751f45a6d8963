import { type KubernetesClient, refusalOf } from "../../attestors/kubernetes/client.ts";
import { fail } from "../../base/errors.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { type BundleFormat, formatBundle } from "./bundle-format.ts";
import type { BundlePublisher } from "./bundle-publisher.ts";

export interface ConfigMapPublisherOptions {
  readonly client: KubernetesClient;
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
  readonly format: BundleFormat;
}

/** Writes one key of a ConfigMap that is there; its other keys are left alone. Needs the right to patch it. */
export class ConfigMapPublisher implements BundlePublisher {
  readonly #options: ConfigMapPublisherOptions;

  constructor(options: ConfigMapPublisherOptions) {
    this.#options = options;
  }

  get name(): string {
    const { namespace, name, key } = this.#options;
    return `configmap ${namespace}/${name}, key ${key}`;
  }

  async publish(bundle: Bundle, signal: AbortSignal): Promise<void> {
    const { client, namespace, name, key, format } = this.#options;
    const answer = await client.ask({
      method: "PATCH",
      path: `/api/v1/namespaces/${encodeURIComponent(namespace)}/configmaps/${encodeURIComponent(name)}`,
      body: { data: { [key]: formatBundle(bundle, format).text } },
      signal,
    });
    if (answer.status === 200) return;
    const step =
      answer.status === 403
        ? "; the right to patch it is missing"
        : answer.status === 404
          ? "; make it first"
          : "";
    throw fail("unavailable", `${this.name}: ${refusalOf(answer)}${step}`);
  }
}
