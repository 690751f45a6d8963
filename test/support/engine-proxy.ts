/** Stands between an agent and a real container engine: counts what is asked, and holds answers back. */
import { once } from "node:events";
import { type Server, createServer, request } from "node:http";

export class EngineProxy implements AsyncDisposable {
  readonly socket: string;
  /** Ids of containers that were asked for, in order. */
  readonly asked: string[] = [];
  /** Called before a request for a container is handed on. */
  beforeInspect: (containerId: string) => Promise<void> = () => Promise.resolve();
  readonly #server: Server;

  private constructor(socket: string, engine: string) {
    this.socket = socket;
    this.#server = createServer((asked, answer) => {
      const id = /\/containers\/([0-9a-f]{64})\/json/.exec(asked.url ?? "")?.[1];
      if (id !== undefined) this.asked.push(id);
      const held = id === undefined ? Promise.resolve() : this.beforeInspect(id);
      void held.then(() => {
        const onward = request({ socketPath: engine, path: asked.url, headers: asked.headers });
        onward.on("error", () => answer.destroy());
        onward.on("response", (response) => {
          answer.writeHead(response.statusCode ?? 502, response.headers);
          response.pipe(answer);
        });
        onward.end();
      });
    });
  }

  static async listen(socket: string, engine: string): Promise<EngineProxy> {
    const proxy = new EngineProxy(socket, engine);
    proxy.#server.listen(socket);
    await once(proxy.#server, "listening");
    return proxy;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
