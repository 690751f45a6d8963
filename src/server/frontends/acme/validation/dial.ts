import { type Socket, connect } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../../../base/clock.ts";
import type { Lookups } from "./lookups.ts";
import { refuse, shown } from "./refusal.ts";
import type { TargetNetworks } from "./target-networks.ts";

export interface DialTools {
  readonly lookups: Lookups;
  readonly networks: TargetNetworks;
  readonly clock: Clock;
  /** Told each address before it is connected to. */
  readonly entering?: (address: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Connects to a host. The name is looked up once; each address is judged and then connected to as it stands, so that
 * nothing that DNS says later matters. The socket ends with the signal.
 * @throws refuse: `dns`; `connection` when no address may be connected to, or none answers
 */
export async function dial(host: string, port: number, tools: DialTools): Promise<Socket> {
  const { lookups, networks, signal } = tools;
  const addresses = await lookups.addresses(host);
  const refusals: string[] = [];
  const targets = addresses.filter((address) => {
    const refusal = networks.refusal(address, port);
    if (refusal !== undefined) refusals.push(`${placeOf(host, address)}: ${refusal}`);
    return refusal === undefined;
  });
  let last = refuse("connection", refusals[0] ?? `${shown(host)} has no address`);
  for (const address of targets.slice(0, MAX_TARGETS)) {
    tools.entering?.(address);
    signal.throwIfAborted();
    try {
      return await connectTo(address, port, tools);
    } catch (cause) {
      signal.throwIfAborted();
      const why = WHY.get((cause as NodeJS.ErrnoException).code ?? "") ?? "cannot be connected to";
      last = refuse("connection", `${placeOf(host, address)}, port ${port} ${why}`, cause);
    }
  }
  throw last;
}

/** Waits for the handshake. @throws what ended it; the socket is the caller's to destroy */
export function handshake(socket: TLSSocket): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  socket.once("secureConnect", resolve);
  socket.on("error", reject);
  socket.once("close", () => reject(new Error("the connection was closed")));
  return promise;
}

function connectTo(address: string, port: number, { clock, signal }: DialTools): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({ host: address, port });
  const onAbort = (): void => void socket.destroy();
  const cancel = clock.after(CONNECT_MS, () =>
    socket.destroy(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" })),
  );
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("connect", () => {
    cancel();
    resolve(socket);
  });
  socket.on("error", reject);
  socket.once("close", () => {
    cancel();
    signal.removeEventListener("abort", onAbort);
    reject(new Error("the connection was closed"));
  });
  if (signal.aborted) onAbort();
  return promise;
}

function placeOf(host: string, address: string): string {
  return host === address ? address : `${shown(host)} (${address})`;
}

const WHY: ReadonlyMap<string, string> = new Map([
  ["ECONNREFUSED", "refuses connections"],
  ["ECONNRESET", "closes connections"],
  ["ETIMEDOUT", "does not answer"],
  ["EHOSTUNREACH", "cannot be reached"],
  ["ENETUNREACH", "cannot be reached"],
  ["EADDRNOTAVAIL", "cannot be reached"],
]);
const MAX_TARGETS = 4;
/** Of one address; the whole challenge has a bound of its own. */
const CONNECT_MS = 3000;
