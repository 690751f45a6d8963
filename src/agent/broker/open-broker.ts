import type { TLSSocket } from "node:tls";
import { epochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { parseAddress } from "../../config/address.ts";
import { CallerLog } from "../../observe/caller-log.ts";
import { SocketGrpcServer } from "../../rpc/grpc/server.ts";
import { peerCertificates } from "../../x509/peer-certificates.ts";
import type { AgentSvid } from "../identity/agent-svid.ts";
import { type BrokerAddress, BrokerListener } from "./broker-listener.ts";
import { type BrokerConnection, verifyBroker } from "./broker-caller.ts";
import { Places } from "./places.ts";
import { type BrokerApiOptions, routeBrokerApi } from "./service.ts";

export interface OpenBrokerOptions extends BrokerApiOptions {
  /** The agent's own SVID is what brokers are shown. */
  readonly identity: { readonly svid: AgentSvid | undefined };
  /** What ends together with the agent. */
  readonly stack: AsyncDisposableStack;
}

/** The broker endpoint, on a Unix socket, a TCP port or both. @throws precondition when one of them is taken */
export async function openBroker(options: OpenBrokerOptions): Promise<void> {
  const { config, clock, logger, stack } = options;
  const maxConnections = 2 * (UNPROVEN + PROVEN);
  const server = new SocketGrpcServer<BrokerConnection>({ clock, logger, maxConnections });
  routeBrokerApi(server, options);
  stack.defer(() =>
    server.shutdown({ status: fail("unavailable", "the agent is stopping"), graceMs: GRACE_MS }),
  );
  if (config.socket !== undefined) {
    stack.use(await listen(server, options, { path: config.socket }));
    logger.info("Broker API is listening", { socket: config.socket });
  }
  if (config.listen === undefined) return;
  const { host, port } = parseAddress(config.listen, "broker.listen", { zeroPort: true });
  const listener = stack.use(await listen(server, options, { host, port }));
  logger.info("Broker API is listening", { host, port: listener.port });
}

/** With places of its own: whoever floods one of the two leaves the other alone. */
function listen(
  server: SocketGrpcServer<BrokerConnection>,
  { config, identity, bundles, clock, logger }: OpenBrokerOptions,
  address: BrokerAddress,
): Promise<BrokerListener> {
  const isRemote = "host" in address;
  const log = new CallerLog(logger, clock);
  const places = new Places({
    unproven: UNPROVEN,
    unprovenPerAddress: UNPROVEN / 4,
    proven: PROVEN,
    provenPerBroker: PROVEN / 4,
    onClosed: (why, whose) =>
      log.warn(whose, "a connection to the Broker API was closed for another", { whose, why }),
  });
  const onConnection = (socket: TLSSocket, place: BrokerConnection["place"]): void => {
    const caller: BrokerConnection = { chain: peerCertificates(socket), isRemote, place };
    server.attach(socket, caller);
    // Whoever proves nothing now may with its first call, when a bundle has come.
    verifyBroker(caller, config.brokers, (name) => bundles.of(name), epochSeconds(clock)).then(
      ({ spiffeId }) => place.prove(spiffeId),
      () => undefined,
    );
  };
  return BrokerListener.listen({ identity, places, onConnection, clock, logger }, address);
}

const GRACE_MS = 1000;
/** Connections of a listener; one address may have a quarter of them. */
const UNPROVEN = 200;
/** Connections of a listener; one broker may have a quarter of them. */
const PROVEN = 800;
