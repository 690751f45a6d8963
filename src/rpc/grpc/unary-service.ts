import { methodDefinition } from "../protos.ts";
import { encodeFrame } from "./frame.ts";
import type { SocketGrpcServer } from "./server.ts";

/** Serves the unary methods of one service by name. Throws TypeError on a method that the service does not have. */
export function serveUnary<C>(
  server: SocketGrpcServer<C>,
  fullName: string,
  handlers: Readonly<Record<string, (request: never) => Promise<object>>>,
): void {
  for (const [name, handler] of Object.entries(handlers)) {
    const method = methodDefinition(fullName, name);
    server.route(method.path, async (call) => {
      const request = method.request.decode(await call.request());
      // The definition that decoded the request is the one that the handler's type was made from.
      call.send(encodeFrame(method.response.encode(await handler(request as never))));
    });
  }
}
