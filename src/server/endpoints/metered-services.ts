import { metered } from "../../observe/metered.ts";
import { callMetrics } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import { serviceDefinition } from "../../rpc/protos.ts";
import type { Gate, ServiceImplementation } from "../../rpc/service.ts";
import { statusName } from "../../rpc/status.ts";

type Services = Readonly<Record<string, ServiceImplementation>>;

/** The same services; each call is counted and timed under its method and status. */
export function meteredServices(services: Services, metrics: Metrics): Services {
  return Object.fromEntries(
    Object.entries(services).map(([service, implementation]) => {
      const methods = serviceDefinition(service);
      const handlers = Object.entries(implementation).map(([name, handler]) => {
        const method = methods[name];
        if (method === undefined || handler === undefined) return [name, handler] as const;
        // Unary and streaming handlers differ in what they are given, which is passed on as it is.
        const serve = handler as (...args: unknown[]) => Promise<unknown>;
        return [
          name,
          (...args: unknown[]) =>
            metered(metrics, callMetrics("server", method.path), () => serve(...args), statusName),
        ] as const;
      });
      return [service, Object.fromEntries(handlers) as ServiceImplementation];
    }),
  );
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
