import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** The kernel gives connections those above (ip_local_port_range), and Kubernetes its services some of them. */
const FIRST = 12_000;
const END = 30_000;
const given = new Set<number>();

/**
 * A port that nobody listens on at this moment, for what is told its port beforehand or comes back to it: none that a
 * connection of some other test's could have by the time that it is wanted.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END);
    if (given.has(port)) continue;
    const server = createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch {
      continue; // somebody listens there
    }
    server.close();
    await once(server, "close");
    given.add(port);
    return port;
  }
}
