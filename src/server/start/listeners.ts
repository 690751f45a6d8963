/** The server's two doors, and the gate that every call passes: checked, audited, counted. */
import type { CallContext, ServiceImplementation } from "../../rpc/service.ts";
import { auditedGate, auditedServices } from "../endpoints/audited-services.ts";
import { Gate } from "../endpoints/gate.ts";
import { Listeners } from "../endpoints/listeners.ts";
import { meteredGate, meteredServices } from "../endpoints/metered-services.ts";
import type { TrustedRoots } from "../endpoints/peer-identity.ts";
import type { ServerIdentity } from "../endpoints/server-identity.ts";
import type { NodeService } from "../nodes/node-service.ts";
import type { Revocations } from "../revocation/revocations.ts";
import type { Start } from "./start.ts";
import type { ServerState } from "./state.ts";

export interface DoorsParams extends Pick<ServerState, "datastore" | "scope" | "trail"> {
  readonly address: { readonly host: string; readonly port: number };
  readonly nodes: NodeService;
  readonly revocations: Revocations;
  readonly identity: ServerIdentity;
  readonly roots: TrustedRoots;
  /** @param recheck whether the caller of an open stream may still have it; throws when not */
  readonly services: (
    recheck: (call: CallContext) => Promise<void>,
  ) => Readonly<Record<string, ServiceImplementation>>;
}

export async function openListeners(
  { config, clock, logger, metrics, started, step }: Start,
  { address, datastore, scope, trail, nodes, revocations, ...params }: DoorsParams,
): Promise<Listeners> {
  let gate: ((method: string, call: CallContext) => Promise<void>) | undefined;
  const services = params.services(async (call) => gate?.(call.method, call));
  const listeners = await step("listeners", () =>
    Listeners.open({
      ...address,
      socket: config.socket,
      services: meteredServices(auditedServices(services, { trail, scope }), metrics),
      gate: (connection) => {
        const check = new Gate({
          connection,
          checkActive: (agentId, serial) => nodes.checkActive(agentId, serial),
          entries: datastore.entries,
          isRevoked: (authorityId, serial) => revocations.isRevoked(authorityId, serial),
          clock,
          logger,
        });
        const audited = auditedGate(
          (method, call) => check.check(method, call),
          trail,
          (label) => connection(label)?.remoteAddress,
        );
        gate = audited;
        return meteredGate(audited, metrics);
      },
      credentials: () => params.identity.current(),
      roots: params.roots,
      clock,
      logger,
    }),
  );
  return started.use(listeners);
}
