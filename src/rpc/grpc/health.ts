import { fail } from "../../base/errors.ts";
import type { HealthCheckRequest__Output } from "../gen/grpc/health/v1/HealthCheckRequest.ts";
import type { HealthPart } from "../health-parts.ts";
import { messageType } from "../protos.ts";
import type { GrpcCall } from "./call.ts";
import { encodeFrame } from "./frame.ts";
import type { SocketGrpcServer } from "./server.ts";

export interface HealthSource {
  /** Whether the process can serve; asked at each call. */
  readonly serving: () => Promise<boolean>;
  /** By its parts. */
  readonly parts: () => Promise<readonly HealthPart[]>;
  /** Calls back when that changes; returns how to stop. */
  readonly onChange: (listener: () => void) => () => void;
}

/**
 * Serves grpc.health.v1.Health. The empty name is the process; the names in `services` have its status. `Check` of any
 * other name is NOT_FOUND, `Watch` says SERVICE_UNKNOWN and stays open (health checking protocol, grpc.health.v1).
 */
export function serveHealth<C>(
  server: SocketGrpcServer<C>,
  services: readonly string[],
  source: HealthSource,
): void {
  const known = new Set(["", ...services]);
  const statusOf = async (name: string): Promise<Status> => {
    if (!known.has(name)) return "SERVICE_UNKNOWN";
    return (await source.serving()) ? "SERVING" : "NOT_SERVING";
  };
  server.route("/grpc.health.v1.Health/Check", async (call) => {
    const status = await statusOf(await nameAsked(call));
    if (status === "SERVICE_UNKNOWN") throw fail("not_found", "this socket has no such service");
    call.send(encodeStatus(status));
  });
  server.route("/grpc.health.v1.Health/Watch", async (call) => {
    const name = await nameAsked(call);
    let told: Status | undefined;
    const tell = async (): Promise<void> => {
      const status = await statusOf(name);
      if (status !== told) call.send(encodeStatus(status));
      told = status;
    };
    await tell();
    // One after the other, so that the last word is the newest.
    let telling = Promise.resolve();
    await new Promise<never>((_, reject) => {
      const stop = source.onChange(() => {
        telling = telling.then(tell).catch(reject);
      });
      call.onEnd((reason) => {
        stop();
        reject(reason);
      });
    });
  });
}

type Status = "SERVING" | "NOT_SERVING" | "SERVICE_UNKNOWN";

async function nameAsked<C>(call: GrpcCall<C>): Promise<string> {
  const request = messageType("grpc.health.v1.HealthCheckRequest").decode(await call.request());
  return (request as HealthCheckRequest__Output).service;
}

function encodeStatus(status: Status): Uint8Array {
  return encodeFrame(messageType("grpc.health.v1.HealthCheckResponse").encode({ status }));
}
