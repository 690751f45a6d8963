import { chmodSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { dirname } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { makeFolder } from "../../base/make-folder.ts";
import { CallerLog } from "../../observe/caller-log.ts";
import type { Logger } from "../../observe/logger.ts";
import type { SocketGrpcServer } from "../../rpc/grpc/server.ts";
import { listenOnSocketFile } from "../../rpc/unix-listener.ts";
import { PeerWatch } from "../peer/peer-watch.ts";
import { HeldProcesses } from "../peer/held-process.ts";
import { type Peer, trackPeer } from "../peer/peer.ts";
import { maxOpenFiles } from "../peer/proc.ts";
import { ConnectionHolders } from "./connection-holder.ts";
import { ConnectionShares } from "./connection-shares.ts";

export interface WorkloadListenerOptions {
  readonly path: string;
  readonly server: SocketGrpcServer<Peer>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Default: by the files this process may open; on the host, root and its own user have no bound of their own. */
  readonly shares?: ConnectionShares;
  /** Default: /proc. */
  readonly procDir?: string;
}

/**
 * The Workload API's socket: open to every local process, each connection bound to the process that made it. It ends
 * with that process, whoever else still holds the socket.
 */
export class WorkloadListener implements AsyncDisposable {
  readonly #listener: Server;
  readonly #watch: PeerWatch;
  readonly #processes = new HeldProcesses();
  readonly #shares: ConnectionShares;
  readonly #holders: ConnectionHolders;
  readonly #log: CallerLog;

  private constructor(listener: Server, options: WorkloadListenerOptions) {
    this.#listener = listener;
    this.#watch = new PeerWatch(options.clock);
    this.#shares = options.shares ?? defaultShares();
    this.#holders = new ConnectionHolders(options.procDir);
    this.#log = new CallerLog(options.logger, options.clock);
    listener.on("connection", (socket) => this.#accept(socket, options));
    listener.on("error", (error) =>
      options.logger.warn("a connection was not accepted", { path: options.path, error }),
    );
  }

  /** @throws precondition when another process answers on the path or it cannot be used */
  static async open(options: WorkloadListenerOptions): Promise<WorkloadListener> {
    const { path } = options;
    const folder = dirname(path);
    const made = makeFolder(folder, 0o755);
    // Whatever the umask: others must be able to reach the socket.
    if (made !== undefined) chmodSync(folder, 0o755);
    return new WorkloadListener(await listenOnSocketFile({ path, mode: 0o777 }), options);
  }

  /** Takes no further connections and removes the socket file. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    this.#listener.close();
  }

  #accept(socket: Socket, { server, logger }: WorkloadListenerOptions): void {
    socket.on("error", (error) => logger.debug("connection of a workload failed", { error }));
    const peer = trackPeer(socket, { processes: this.#processes });
    const { uid } = peer;
    const place = this.#shares.take(uid, () => this.#holders.of(peer));
    if (place === undefined) {
      this.#log.warn(uid, "connection refused: too many are open", { uid, pid: peer.pid });
      peer.release();
      socket.destroy();
      return;
    }
    const forget = this.#watch.add(peer, () => {
      this.#log.info(uid, "the process of a connection ended; connection closed", {
        pid: peer.pid,
      });
      socket.destroy();
    });
    socket.once("close", () => {
      forget();
      peer.release();
      place.give();
    });
    server.attach(socket, peer);
  }
}

function defaultShares(): ConnectionShares {
  const unlimited = new Set([0, process.getuid?.() ?? 0]);
  return new ConnectionShares({ openFiles: maxOpenFiles(), unlimited });
}
