import type { HealthHandlers } from "../../rpc/gen/grpc/health/v1/Health.ts";
import type { Implementation } from "../../rpc/service.ts";
import { type Clock, sleep } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";

export interface HealthApiDeps {
  /** Services with a status of their own, by full name; the empty name is the server's. */
  readonly services: readonly string[];
  readonly isServing: () => Promise<boolean>;
  readonly clock: Clock;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

/** `grpc.health.v1.Health`: answers anyone, on both listeners. */
export function healthApi(deps: HealthApiDeps): Implementation<HealthHandlers> {
  const { services, isServing, clock, stopping } = deps;
  const known = new Set(["", ...services]);
  let watching = 0;
  const status = async () => ((await isServing()) ? "SERVING" : "NOT_SERVING");
  const watch: NonNullable<Implementation<HealthHandlers>["Watch"]> = async (call) => {
    const { service } = await call.request();
    const over = AbortSignal.any([call.signal, stopping]);
    let told = "";
    while (!over.aborted) {
      const now = known.has(service) ? await status() : "SERVICE_UNKNOWN";
      if (now !== told) await call.send({ status: now });
      told = now;
      // The end of the wait is the end of the stream, said below.
      await sleep(clock, WATCH_MS, over).catch(() => undefined);
    }
    throw fail("unavailable", "the server is stopping");
  };
  return {
    async Check({ service }) {
      if (!known.has(service)) throw fail("not_found", "service: is not known here");
      return { status: await status() };
    },

    /** Tells what changes; ends with the server. */
    async Watch(call) {
      if (watching >= MAX_WATCHES) throw fail("limited", "too many watch the health already");
      watching += 1;
      try {
        await watch(call);
      } finally {
        watching -= 1;
      }
    },
  };
}

/** How long a change may stay unnoticed. */
const WATCH_MS = 2000;
/** Anyone may watch, so the number has an end. */
const MAX_WATCHES = 1000;
