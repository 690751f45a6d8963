import type { HealthHandlers } from "../../rpc/gen/grpc/health/v1/Health.ts";
import type { Implementation } from "../../rpc/service.ts";
import { fail } from "../../base/errors.ts";

export interface HealthApiDeps {
  /** Services with a status of their own, by full name; the empty name is the server's. */
  readonly services: readonly string[];
  readonly isServing: () => boolean;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

/** `grpc.health.v1.Health`: answers anyone, on both listeners. */
export function healthApi(deps: HealthApiDeps): Implementation<HealthHandlers> {
  const { services, isServing, stopping } = deps;
  const known = new Set(["", ...services]);
  let watching = 0;
  const status = () => (isServing() ? "SERVING" : "NOT_SERVING");
  const watch: NonNullable<Implementation<HealthHandlers>["Watch"]> = async (call) => {
    const { service } = await call.request();
    await call.send({ status: known.has(service) ? status() : "SERVICE_UNKNOWN" });
    await aborted(AbortSignal.any([call.signal, stopping]));
    throw fail("unavailable", "the server is stopping");
  };
  return {
    async Check({ service }) {
      if (!known.has(service)) throw fail("not_found", "service: is not known here");
      return { status: status() };
    },

    /** The status changes only with the server's end, and that ends the stream. */
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

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Anyone may watch, so the number has an end. */
const MAX_WATCHES = 1000;
