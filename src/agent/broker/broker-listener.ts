/** TLS for the broker endpoint, on a Unix socket or a TCP port. Nothing is verified in the handshake: calls are. */
import { AsyncLocalStorage } from "node:async_hooks";
import { type AddressInfo, type Server, type Socket, createServer } from "node:net";
import {
  type TLSSocket,
  type Server as TlsServer,
  createServer as createTlsServer,
} from "node:tls";
import { addressKey } from "../../base/address-key.ts";
import type { Clock } from "../../base/clock.ts";
import { listenOnTcp } from "../../base/listen.ts";
import { serverContext } from "../../base/tls-identity.ts";
import type { Logger } from "../../observe/logger.ts";
import { listenOnSocketFile } from "../../rpc/unix-listener.ts";
import type { AgentSvid } from "../identity/agent-svid.ts";
import type { Place, Places } from "./places.ts";
import { trackPeer } from "../peer/peer.ts";

export interface BrokerListenerOptions {
  /** The agent's SVID of now is what brokers are shown; connections are closed while there is none. */
  readonly identity: { readonly svid: AgentSvid | undefined };
  readonly places: Places;
  /** Handshake done, HTTP/2 agreed on. */
  readonly onConnection: (socket: TLSSocket, place: Place) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type BrokerAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number };

export class BrokerListener implements Disposable {
  readonly #options: BrokerListenerOptions;
  readonly #server: Server;
  /** Given each connection that has a place; listens nowhere itself. */
  readonly #tls: TlsServer;
  /** Handshakes under way, and connections that have said nothing after theirs. */
  readonly #handshakes = new Set<Socket>();
  /** Node names no connection below TLS, and a Unix socket has no address: what a handshake began with stays with it. */
  readonly #admitted = new AsyncLocalStorage<Admitted>();
  #shown: AgentSvid | undefined;

  private constructor(options: BrokerListenerOptions) {
    this.#options = options;
    this.#server = createServer({ noDelay: true }, (socket) => this.#admit(socket));
    this.#tls = createTlsServer({
      ALPNProtocols: ["h2"],
      requestCert: true,
      rejectUnauthorized: false,
    });
    this.#tls.on("secureConnection", (secured) => this.#secured(secured));
    this.#tls.on("tlsClientError", (error, secured) => {
      options.logger.debug("connection of a broker failed", { error });
      secured.destroy();
    });
  }

  /** @throws precondition when the address or the path is taken */
  static async listen(
    options: BrokerListenerOptions,
    address: BrokerAddress,
  ): Promise<BrokerListener> {
    const listener = new BrokerListener(options);
    const server = listener.#server;
    if ("path" in address) {
      await listenOnSocketFile({ path: address.path, mode: 0o777, directoryMode: 0o755 }, server);
    } else {
      await listenOnTcp(server, address);
    }
    server.on("error", (error) => options.logger.warn("a connection was not accepted", { error }));
    return listener;
  }

  /** Of a TCP listener. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port; // listening, or nobody has it
  }

  /** Stops listening and cuts handshakes off; connections handed over are for their new owner to end. */
  [Symbol.dispose](): void {
    this.#server.close();
    for (const socket of this.#handshakes) socket.destroy();
  }

  #admit(socket: Socket): void {
    const { identity, places, clock, logger } = this.#options;
    socket.on("error", (error) => logger.debug("connection of a broker failed", { error }));
    if (identity.svid === undefined) {
      socket.destroy();
      return;
    }
    const address =
      socket.remoteAddress === undefined ? localUser(socket) : addressKey(socket.remoteAddress);
    // Before TLS, so that whoever has no place costs no handshake.
    const place = places.take(address, () => socket.destroy());
    const cancel = clock.after(HANDSHAKE_MS, () => socket.destroy());
    this.#handshakes.add(socket);
    const over = (): void => {
      cancel();
      this.#handshakes.delete(socket);
    };
    socket.once("close", () => {
      over();
      place.leave();
    });
    this.#show(identity.svid);
    this.#admitted.run({ place, over }, () => this.#tls.emit("connection", socket));
  }

  #secured(secured: TLSSocket): void {
    const { onConnection, logger } = this.#options;
    secured.on("error", (error) => {
      logger.debug("connection of a broker failed", { error });
      // Node leaves this to the listener; a record that cannot be read ends nothing by itself.
      secured.destroy();
    });
    const admitted = this.#admitted.getStore();
    if (admitted === undefined || secured.alpnProtocol !== "h2") {
      secured.destroy();
      return;
    }
    const { place, over } = admitted;
    // HTTP/2's clients speak first.
    secured.once("readable", () => {
      over();
      onConnection(secured, place);
    });
  }

  #show(svid: AgentSvid): void {
    if (this.#shown === svid) return;
    this.#tls.setSecureContext(serverContext(svid));
    this.#shown = svid;
  }
}

interface Admitted {
  readonly place: Place;
  /** The time for the handshake and the first word is over, or not needed any more. */
  readonly over: () => void;
}

/** A broker makes one in milliseconds. */
const HANDSHAKE_MS = 10_000;

/** Callers of the Unix socket share a host; each user has places of its own. */
function localUser(socket: Socket): string {
  const peer = trackPeer(socket);
  peer.release();
  return `uid ${peer.uid}`;
}
