/** A provisioning server that answers whatever a test wants: what a client must not be taken in by. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Server, createServer } from "node:https";
import type { Certificate } from "../../src/x509/certificate.ts";
import { parseCsr } from "../../src/x509/csr.ts";
import { encodeAltNames } from "../../src/x509/extension-encoding.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { decodePem, encodePem } from "../../src/x509/pem.ts";
import { type LeafOptions, TestCa } from "./test-ca.ts";

export interface OddAnswer {
  readonly status?: number;
  readonly type?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** What is put into a certificate in place of what was asked for. */
export interface OddLeaf extends LeafOptions {
  readonly commonName?: string;
  readonly sans?: {
    readonly dnsNames?: readonly string[];
    readonly ipAddresses?: readonly string[];
    readonly uris?: readonly string[];
  };
}

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  /** Serial number of the client's certificate. */
  readonly client: string | undefined;
  readonly csr: Uint8Array | undefined;
}

export class OddProvisioner implements AsyncDisposable {
  readonly ca: TestCa;
  readonly asked: Asked[] = [];
  /** Replaced by a test. */
  answer: (asked: Asked) => Promise<OddAnswer | "hang" | "reset"> = async ({ csr }) =>
    this.signed(csr);
  readonly #server: Server;

  private constructor(ca: TestCa, server: Server) {
    this.ca = ca;
    this.#server = server;
  }

  static async start(): Promise<OddProvisioner> {
    const now = Math.floor(Date.now() / 1000);
    const ca = await TestCa.create({ notBefore: now - 60, notAfter: now + 86_400 });
    const tls = await ca.leaf({ ...times(), uris: [], dnsNames: ["localhost"] });
    const server = createServer({
      cert: tls.certPem,
      key: tls.keyPem,
      requestCert: true,
      rejectUnauthorized: false,
    });
    const odd = new OddProvisioner(ca, server);
    server.on("request", (request, response) => void odd.#take(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return odd;
  }

  get url(): string {
    const address = this.#server.address();
    return `https://localhost:${typeof address === "object" ? address?.port : 0}`;
  }

  get root(): Certificate {
    return this.ca.certificate;
  }

  /** A right answer, but for what is given. */
  async signed(csr: Uint8Array | undefined, odd: OddLeaf = {}): Promise<OddAnswer> {
    const leaf = await issue(this.ca, csr, odd);
    return { type: "application/pem-certificate-chain", body: encodePem("CERTIFICATE", leaf) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const [block] = decodePem(Buffer.concat(parts).toString());
    const { getPeerCertificate } = request.socket as unknown as {
      getPeerCertificate: () => { serialNumber?: string };
    };
    const asked: Asked = {
      method: request.method ?? "",
      path: request.url ?? "",
      authorization: request.headers.authorization,
      client: getPeerCertificate
        .call(request.socket)
        .serialNumber?.toLowerCase()
        .replace(/^0+/, ""),
      csr: block?.der,
    };
    if (asked.path.startsWith("/v1/ca")) {
      response.end(this.ca.pem);
      return;
    }
    this.asked.push(asked);
    const answer = await this.answer(asked);
    if (answer === "hang") return;
    if (answer === "reset") {
      request.socket.destroy();
      return;
    }
    const { status = 200, type = "text/plain", body = "", headers = {} } = answer;
    response.writeHead(status, { "content-type": type, ...headers }).end(body);
  }
}

/** @param csr DER; its key and names are taken where nothing else is said */
export async function issue(
  ca: TestCa,
  csr: Uint8Array | undefined,
  { commonName = "web.example.org", sans, extraExtensions = [], ...odd }: OddLeaf,
): Promise<Uint8Array> {
  const asked = csr === undefined ? undefined : parseCsr(csr);
  const { dnsNames = [], ipAddresses = [], uris = [] } = sans ?? asked ?? {};
  const { der } = await ca.leaf({
    ...times(),
    uris: [],
    subject: distinguishedName([{ type: "CN", value: commonName }]),
    extraExtensions: [
      encodeAltNames({ uris, dnsNames, ipAddresses, critical: false }),
      ...extraExtensions,
    ],
    ...(asked === undefined ? {} : { publicKey: asked.publicKey }),
    ...odd,
  });
  return der;
}

function times(): { readonly notBefore: number; readonly notAfter: number } {
  const now = Math.floor(Date.now() / 1000);
  return { notBefore: now - 10, notAfter: now + 3600 };
}
