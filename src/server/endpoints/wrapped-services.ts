import { type RpcMethod, serviceDefinition } from "../../rpc/protos.ts";
import type { ServiceImplementation } from "../../rpc/service.ts";

/** Handlers by method, by the full names of their services. */
export type Services = Readonly<Record<string, ServiceImplementation>>;

type Handler = NonNullable<ServiceImplementation[string]>;

/** The same services, with what `wrap` makes of each handler whose method a proto declares. */
export function wrappedServices(
  services: Services,
  wrap: (handler: Handler, method: RpcMethod) => Handler,
): Services {
  return Object.fromEntries(
    Object.entries(services).map(([service, implementation]) => {
      const methods = serviceDefinition(service);
      const handlers = Object.entries(implementation).map(([name, handler]) => {
        const method = methods[name];
        const isServed = method !== undefined && handler !== undefined;
        return [name, isServed ? wrap(handler, method) : handler] as const;
      });
      return [service, Object.fromEntries(handlers)];
    }),
  );
}
