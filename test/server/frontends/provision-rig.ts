/** A server with the front end `provision`, and what its clients need. */
import { once } from "node:events";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Test } from "tap";
import type { ProvisionFrontEndConfig } from "../../../src/config/server/provision-front-end.ts";
import type { ServerConfig } from "../../../src/config/server/server-config.ts";
import type { KeyType } from "../../../src/keys/contract.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { type Certificate, parseCertificate } from "../../../src/x509/certificate.ts";
import { createCsr } from "../../../src/x509/csr.ts";
import { distinguishedName } from "../../../src/x509/names.ts";
import { decodePem, encodePem } from "../../../src/x509/pem.ts";
import {
  type TestServer,
  type TestServerOverrides,
  startTestServer,
} from "../../support/server.ts";

export const PROVISION: ProvisionFrontEndConfig = {
  listen: { host: "127.0.0.1", port: 0 },
  tls: { kind: "none" },
  set: "trust-domain",
  profile: "peer",
  lifeSeconds: 0,
  maxLifeSeconds: 90 * 86_400,
  tokenLifeSeconds: 3600,
  attempts: 3,
  renewals: true,
  anonymousAuthorize: false,
};

export const PROVISION_SERVICE = "assay.provision.v1.Provision";

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

export interface AskOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** With TLS: PEM. */
  readonly ca?: string;
  readonly identity?: { readonly certPem: string; readonly keyPem: string };
}

export interface Rig {
  readonly server: TestServer;
  readonly port: number;
  /** 0 as the status: there was no answer. */
  readonly ask: (path: string, options?: AskOptions) => Promise<Answer>;
  /** Over the admin socket. @returns the token */
  readonly authorize: (commonName: string, more?: object) => Promise<string>;
  readonly sign: (token: string, csr: string) => Promise<Answer>;
}

export async function provisionRig(
  t: Test,
  change: Partial<ProvisionFrontEndConfig> = {},
  overrides: TestServerOverrides & { readonly config?: Partial<ServerConfig> } = {},
): Promise<Rig> {
  const server = await startTestServer(t, {
    ...overrides,
    config: { frontends: { provision: { ...PROVISION, ...change } }, ...overrides.config },
  });
  const port = server.server.provisionAddress?.port ?? 0;
  const secure = (change.tls ?? PROVISION.tls).kind !== "none";
  const ask = (path: string, options: AskOptions = {}): Promise<Answer> =>
    askAt(port, secure, path, options);
  return {
    server,
    port,
    ask,
    async authorize(commonName, more = {}) {
      const request = { common_name: commonName, ...more };
      const made = await server.admin.unary<{ token: string }>(
        PROVISION_SERVICE,
        "Authorize",
        request,
      );
      return made.token;
    },
    sign: (token, csr) => ask(`/v1/sign/${token}`, { method: "PUT", body: csr }),
  };
}

export async function askAt(
  port: number,
  secure: boolean,
  path: string,
  { method = "GET", headers = {}, body, ca, identity }: AskOptions,
): Promise<Answer> {
  const request = secure ? requestHttps : requestHttp;
  const call = request({
    host: "127.0.0.1",
    port,
    path,
    method,
    headers: { ...headers, ...(body === undefined ? {} : { "content-length": body.length }) },
    agent: false,
    ...(ca === undefined ? { rejectUnauthorized: false } : { ca, servername: "localhost" }),
    ...(identity && { cert: identity.certPem, key: identity.keyPem }),
  });
  call.end(body);
  try {
    const [response] = await once(call, "response");
    let text = "";
    for await (const chunk of response) text += String(chunk);
    return { status: response.statusCode, headers: response.headers, body: text };
  } catch {
    return { status: 0, headers: {}, body: "" };
  }
}

export interface Request {
  /** PEM. */
  readonly csr: string;
  readonly keyPem: string;
  readonly publicKey: Uint8Array;
}

export async function makeRequest(
  commonName: string | undefined,
  names: Partial<Omit<Parameters<typeof createCsr>[0], "signer" | "subject">> = {},
  keyType: KeyType = "ec-p256",
): Promise<Request> {
  const key = await generateKey(keyType);
  const subject =
    commonName === undefined
      ? {}
      : { subject: distinguishedName([{ type: "CN", value: commonName }]) };
  const der = await createCsr({ uris: [], ...names, ...subject, signer: key.signer });
  return {
    csr: encodePem("CERTIFICATE REQUEST", der),
    keyPem: encodePem("PRIVATE KEY", key.pkcs8),
    publicKey: key.signer.publicKey,
  };
}

export function certificatesIn(pem: string): Certificate[] {
  return decodePem(pem).map(({ der }) => parseCertificate(der));
}

/** @throws when there is none */
export function leafIn(pem: string): Certificate {
  const [leaf] = certificatesIn(pem);
  if (leaf === undefined) throw new Error(`no certificate in: ${pem.slice(0, 200)}`);
  return leaf;
}
