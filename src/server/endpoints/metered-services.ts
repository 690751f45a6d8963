import { metered } from "../../observe/metered.ts";
import { callMetrics } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Gate } from "../../rpc/service.ts";
import { statusName } from "../../rpc/status.ts";
import { type Services, wrappedServices } from "./wrapped-services.ts";

/** The same services; each call is counted and timed under its method and status. */
export function meteredServices(services: Services, metrics: Metrics): Services {
  return wrappedServices(services, (handler, { path }) => {
    // Unary and streaming handlers differ in what they are given, which is passed on as it is.
    const serve = handler as (...args: unknown[]) => Promise<unknown>;
    return (...args: unknown[]) =>
      metered(metrics, callMetrics("server", path), () => serve(...args), statusName);
  });
}

/** The same gate; calls that end at it are counted as well. */
export function meteredGate(gate: Gate, metrics: Metrics): Gate {
  return async (method, call) => {
    try {
      await gate(method, call);
    } catch (thrown) {
      metrics.add(callMetrics("server", method).count, [statusName(thrown)]);
      throw thrown;
    }
  };
}
