import { apiConnection } from "../../attestors/kubernetes/api-connection.ts";
import { KubernetesClient } from "../../attestors/kubernetes/client.ts";
import type { Clock } from "../../base/clock.ts";
import { Loop } from "../../base/loop.ts";
import type { Random } from "../../base/random.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { BundlePublisher } from "./bundle-publisher.ts";
import { ConfigMapPublisher } from "./config-map-publisher.ts";
import { FilePublisher } from "./file-publisher.ts";
import { S3Publisher } from "./s3-publisher.ts";

export interface BundlePublisherParts {
  readonly bundles: {
    own(): Bundle;
    onChange(listener: (trustDomain: string) => void): () => void;
  };
  readonly trustDomain: TrustDomain;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Publishes the own bundle now, as it changes, and now and then in case somebody took it away; until disposed.
 * @throws precondition, invalid when a publisher's settings do not do
 */
export async function bundlePublishers(
  { files = [], s3, k8sConfigMap }: ServerConfig["bundlePublishers"],
  parts: BundlePublisherParts,
): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  for (const file of files) keepPublished(new FilePublisher(file), parts, stack);
  if (s3 !== undefined) {
    keepPublished(new S3Publisher({ ...s3, clock: parts.clock }), parts, stack);
  }
  if (k8sConfigMap !== undefined) {
    const where = "bundlePublishers.k8sConfigMap";
    const connection = await apiConnection(k8sConfigMap, where);
    const client = stack.use(new KubernetesClient({ connection, clock: parts.clock }));
    keepPublished(new ConfigMapPublisher({ ...k8sConfigMap, client }), parts, stack);
  }
  return stack.move();
}

function keepPublished(
  publisher: BundlePublisher,
  { bundles, trustDomain, clock, random, logger }: BundlePublisherParts,
  stack: AsyncDisposableStack,
): void {
  let published = -1;
  const loop = stack.use(
    new Loop({
      name: `publisher of ${publisher.name}`,
      clock,
      random,
      backoff: { baseMs: 500, maxMs: 30_000, jitter: 0.3 },
      async round(signal) {
        const bundle = bundles.own();
        await publisher.publish(bundle, signal);
        if (bundle.sequence !== published) {
          logger.info("bundle published", { to: publisher.name, sequence: bundle.sequence });
        }
        published = bundle.sequence;
        return AGAIN_MS;
      },
      onError: (error, retryMs) =>
        logger.warn("bundle could not be published", { to: publisher.name, error, retryMs }),
    }),
  );
  stack.defer(
    bundles.onChange((changed) => {
      if (changed === trustDomain.name) loop.wake();
    }),
  );
}

const AGAIN_MS = 5 * 60 * 1000;
