import { encodeFrame } from "./frame.ts";
import type { SocketGrpcServer } from "./server.ts";
import { methodDefinition } from "../protos.ts";
import { type HealthPart, partsMessage } from "../health-parts.ts";

/**
 * Serves assay.health.v1.Health.
 * @param mayKnow who is told the reasons too: they name addresses and files
 */
export function serveHealthParts<C>(
  server: SocketGrpcServer<C>,
  parts: () => Promise<readonly HealthPart[]>,
  mayKnow: (caller: C) => boolean,
): void {
  const method = methodDefinition(HEALTH_PARTS, "GetParts");
  server.route(method.path, async (call) => {
    method.request.decode(await call.request());
    const message = partsMessage(await parts(), mayKnow(call.context));
    call.send(encodeFrame(method.response.encode(message)));
  });
}

export const HEALTH_PARTS = "assay.health.v1.Health";
