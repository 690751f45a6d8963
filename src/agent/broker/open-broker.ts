import { constants } from "node:crypto";
import { type Server, type TLSSocket, createServer } from "node:tls";
import { fail } from "../../base/errors.ts";
import { parseAddress } from "../../config/address.ts";
import { H2GrpcServer } from "../../rpc/h2/server.ts";
import { TlsListener } from "../../rpc/tls-listener.ts";
import { listenOnSocketFile } from "../../rpc/unix-listener.ts";
import type { AgentSvid } from "../identity/agent-svid.ts";
import { type BrokerCaller, callerOf } from "./broker-caller.ts";
import { type BrokerApiOptions, routeBrokerApi } from "./service.ts";

export interface OpenBrokerOptions extends BrokerApiOptions {
  /** The agent's own SVID is what brokers are shown. */
  readonly identity: { readonly svid: AgentSvid | undefined };
  /** What ends together with the agent. */
  readonly stack: AsyncDisposableStack;
}

/** The broker endpoint, on a Unix socket, a TCP port or both. @throws precondition when one of them is taken */
export async function openBroker(options: OpenBrokerOptions): Promise<void> {
  const { config, clock, logger, stack, identity } = options;
  const server = new H2GrpcServer<BrokerCaller>({ clock, logger, maxConnections: MAX_CONNECTIONS });
  routeBrokerApi(server, options);
  stack.defer(() =>
    server.shutdown({ status: fail("unavailable", "the agent is stopping"), graceMs: GRACE_MS }),
  );
  if (config.socket !== undefined) {
    const listener = await listenOnSocket(config.socket, options, (socket) =>
      server.attach(socket, callerOf(socket, false)),
    );
    stack.defer(() => void listener.close());
    logger.info("Broker API is listening", { socket: config.socket });
  }
  if (config.listen === undefined) return;
  const { host, port } = parseAddress(config.listen, "broker.listen", { zeroPort: true });
  const listener = await TlsListener.listen({
    host,
    port,
    secureContext: () => identity.svid,
    onConnection: (socket) => server.attach(socket, callerOf(socket, true)),
    handshakeTimeoutMs: HANDSHAKE_MS,
    maxConnections: MAX_CONNECTIONS,
    logger,
  });
  stack.use(listener);
  logger.info("Broker API is listening", { ...listener.address });
}

/** TLS on a Unix socket. Nothing is verified in the handshake: that is for each call. No session is resumed. */
async function listenOnSocket(
  path: string,
  { identity, logger }: OpenBrokerOptions,
  onConnection: (socket: TLSSocket) => void,
): Promise<Server> {
  const listener = createServer({
    ALPNProtocols: ["h2"],
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: HANDSHAKE_MS,
  });
  listener.maxConnections = MAX_CONNECTIONS;
  let shown: AgentSvid | undefined;
  // The agent's SVID of now; before the handshake of each connection, whose listener comes after this one.
  listener.prependListener("connection", (socket) => {
    const { svid } = identity;
    if (svid === undefined) socket.destroy();
    if (svid === undefined || svid === shown) return;
    shown = svid;
    listener.setSecureContext({
      cert: svid.certPem,
      key: svid.keyPem,
      ca: [],
      minVersion: "TLSv1.2",
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
    });
  });
  listener.on("secureConnection", (socket) => {
    socket.on("error", (error) => logger.debug("connection of a broker failed", { error }));
    if (socket.alpnProtocol === "h2") onConnection(socket);
    else socket.destroy();
  });
  listener.on("tlsClientError", (error, socket) => {
    logger.debug("TLS handshake of a broker failed", { error });
    socket.destroy();
  });
  await listenOnSocketFile({ path, mode: 0o777, directoryMode: 0o755 }, listener);
  listener.on("error", (error) => logger.warn("a connection was not accepted", { path, error }));
  return listener;
}

const HANDSHAKE_MS = 10_000;
const MAX_CONNECTIONS = 1000;
const GRACE_MS = 1000;
