import type { Server } from "node:net";
import { AssayError, fail, hasCode } from "./errors.ts";

/** @throws precondition when the address cannot be listened on */
export async function listenOnTcp(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<void> {
  const ready = Promise.withResolvers<void>();
  server.once("listening", ready.resolve);
  server.once("error", ready.reject);
  try {
    server.listen({ host, port });
    await ready.promise;
  } catch (cause) {
    throw cannotListen(`${host} port ${port}`, cause);
  } finally {
    server.off("error", ready.reject);
  }
}

/** What is a sentence of ours already stays as it is. @param place as an operator names it: a path, a host and a port */
export function cannotListen(place: string, cause: unknown): Error {
  if (cause instanceof AssayError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const why = hasCode(cause, "EADDRINUSE")
    ? "another program has it (EADDRINUSE); stop that one, or choose another place"
    : message;
  return fail("precondition", `cannot listen on ${place}: ${why}`, { cause });
}
