import { randomInt } from "node:crypto";
import { once } from "node:events";
import { type Server, createServer } from "node:net";

/** The examples take theirs above these (deploy/examples/ports.sh), and the kernel gives connections those from 32768 on. */
const FIRST = 12_000;
const END = 20_000;

/**
 * A port that nobody listens on, for what is told its port beforehand or comes back to it. It is this process's for as long
 * as it runs: no other process that asks here gets it meanwhile, whether somebody listens there already or not.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, END);
    // A name of the kernel's, for the same network namespace that the port is for; it goes with this process.
    const claim = await listening(`\0assay-port-${port}`);
    if (claim === undefined) continue; // it is somebody's
    const server = await listening({ port, host: "127.0.0.1" });
    if (server !== undefined) {
      server.close();
      await once(server, "close");
      claim.unref();
      return port;
    }
    claim.close(); // somebody listens there who never asked here
  }
}

async function listening(
  where: string | { readonly port: number; readonly host: string },
): Promise<Server | undefined> {
  const server = createServer().listen(where);
  try {
    await once(server, "listening");
    return server;
  } catch {
    return undefined;
  }
}
