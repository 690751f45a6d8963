import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createServer } from "../../../base/node-http.ts";
import { fail } from "../../../base/errors.ts";
import type { NodeAttestorAgent, NodeProof } from "../../contract.ts";
import { HTTP_CHALLENGE_TYPE, challengePath, encodePlace, parseNonce } from "./payload.ts";

export interface HttpChallengeAgentOptions {
  /** The DNS name by which the server reaches this host. */
  readonly hostname: string;
  readonly agentname: string;
  /** To listen on while attesting; 0 takes a free one. */
  readonly port: number;
  /** What the server is told, where something between translates; absent: the port listened on. */
  readonly advertisedPort?: number;
  /** Address to listen on; absent: all. */
  readonly bind?: string;
}

/** Proves that this host is the one that its DNS name leads to: it shows the server's nonce over http for a moment. */
export function httpChallengeAttestor(options: HttpChallengeAgentOptions): NodeAttestorAgent {
  const { hostname, agentname } = options;
  return {
    type: HTTP_CHALLENGE_TYPE,
    repeatable: true,
    async prove(): Promise<NodeProof> {
      let nonce: string | undefined;
      const server = await listen(options, () => nonce);
      const { port } = server.address() as AddressInfo; // it listens on TCP
      return {
        type: HTTP_CHALLENGE_TYPE,
        payload: encodePlace({ hostname, agentname, port: options.advertisedPort ?? port }),
        respond(challenge) {
          if (nonce !== undefined) {
            throw fail("precondition", "the server challenged one proof twice");
          }
          nonce = parseNonce(challenge);
          // What it says does not count, but SPIRE's own agent never sends nothing.
          return Promise.resolve(Uint8Array.of(0x0a));
        },
        close: () => end(server),
      };
    },
  };
}

function listen(
  { agentname, port, bind }: HttpChallengeAgentOptions,
  nonce: () => string | undefined,
): Promise<Server> {
  const path = challengePath(agentname);
  const server = createServer({ requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS });
  server.maxConnections = MAX_CONNECTIONS;
  server.on("request", (request, response) => {
    request.resume();
    const shown = request.method === "GET" && request.url === path ? nonce() : undefined;
    response.writeHead(shown === undefined ? 404 : 200, {
      "content-type": "text/plain",
      connection: "close",
    });
    response.end(shown === undefined ? "" : `${shown}\n`);
  });
  return new Promise((resolve, reject) => {
    server.once("error", (cause: NodeJS.ErrnoException) =>
      reject(
        fail(
          "unavailable",
          `port ${port} of http_challenge cannot be listened on (${cause.code ?? "unknown"})`,
          { cause },
        ),
      ),
    );
    server.listen({ port, ...(bind === undefined ? {} : { host: bind }) }, () => resolve(server));
  });
}

async function end(server: Server): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

const TIMEOUT_MS = 5000;
const MAX_CONNECTIONS = 16;
