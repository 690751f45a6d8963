/** Mutual TLS load on a server whose certificate changes meanwhile: each connection that fails is counted and kept. */
import { X509Certificate } from "node:crypto";
import { readFileSync, readlinkSync } from "node:fs";
import { type Server, createServer } from "node:http";
import { request } from "node:https";
import type { AddressInfo } from "node:net";
import type { PeerCertificate, TLSSocket } from "node:tls";

export interface LoadOptions {
  readonly port: number;
  /** Files of `assay watch` that the client shows and trusts by. */
  readonly identity: string;
  /** SPIFFE ID that the server must have. */
  readonly serverId: string;
  readonly workers: number;
}

export class TlsLoad {
  readonly failures: string[] = [];
  /** Requests answered, by the serial number of the certificate that was shown. */
  readonly bySerial = new Map<string, number>();
  readonly #options: LoadOptions;
  readonly #stop = new AbortController();
  readonly #workers: Promise<void>[];

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#workers = Array.from({ length: options.workers }, (_, index) =>
      // One in four holds its connection through a reload.
      this.#work(index % 4 === 0 ? "/slow" : "/"),
    );
  }

  get answered(): number {
    return [...this.bySerial.values()].reduce((sum, count) => sum + count, 0);
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#workers);
  }

  async #work(path: string): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        const serial = await ask(this.#options, path);
        this.bySerial.set(serial, (this.bySerial.get(serial) ?? 0) + 1);
      } catch (error) {
        this.failures.push(error instanceof Error ? `${path}: ${error.message}` : String(error));
      }
    }
  }
}

/** A new connection, one request, its whole answer. @returns the server certificate's serial number, lower hex */
export function ask(
  { port, identity, serverId }: Omit<LoadOptions, "workers">,
  path: string,
): Promise<string> {
  // Both of one generation, as a program should that reads them at its own time.
  const generation = `${identity}/${readlinkSync(`${identity}/current`)}`;
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: "127.0.0.1",
        port,
        path,
        agent: false,
        cert: readFileSync(`${generation}/svid.pem`),
        key: readFileSync(`${generation}/key.pem`),
        ca: readFileSync(`${generation}/bundle.pem`),
        checkServerIdentity: (_host: string, { subjectaltname }: PeerCertificate) =>
          subjectaltname === `URI:${serverId}` ? undefined : new Error(`not ${serverId}`),
      },
      (answer) => {
        const serial = serialOf((answer.socket as TLSSocket).getPeerCertificate().raw);
        let text = "";
        answer.on("data", (chunk: Buffer) => (text += chunk.toString()));
        answer.on("error", reject);
        answer.on("close", () => {
          if (answer.statusCode === 200 && text.endsWith("end\n")) resolve(serial);
          else reject(new Error(`answered ${answer.statusCode} with ${text.length} bytes`));
        });
      },
    );
    call.on("error", reject);
    call.end();
  });
}

export function serialOf(certificate: Uint8Array | string): string {
  const { serialNumber } = new X509Certificate(certificate);
  return serialNumber.toLowerCase().replace(/^0+/, "");
}

/** What stands behind the proxies: answers at once, or under `/slow` piece by piece. */
export async function startBackend(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer((call, answer) => {
    if (call.url !== "/slow") {
      answer.end("at the end\n");
      return;
    }
    let left = 10;
    const timer = setInterval(() => {
      left -= 1;
      if (left > 0) answer.write(`${left}\n`);
      else {
        clearInterval(timer);
        answer.end("at the end\n");
      }
    }, 200);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, server };
}
