/** A server with the front end `acme`, names that lead to this machine, and what answers its challenges. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Test } from "tap";
import type { AcmeFrontEndConfig } from "../../../src/config/server/acme-front-end.ts";
import { acmeLimits } from "../../../src/config/sections/acme-limits-section.ts";
import { acmeNames } from "../../../src/config/sections/acme-names-section.ts";
import { acmeValidation } from "../../../src/config/sections/acme-validation-section.ts";
import type { ServerConfig } from "../../../src/config/server/server-config.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { decodePem } from "../../../src/x509/pem.ts";
import {
  type AcmeAuthorization,
  AcmeClient,
  type AcmeKey,
  type AcmeOrder,
  type AcmeProblemBody,
  type AcmeReply,
  makeAcmeKey,
} from "../../support/acme-client.ts";
import { csrFor } from "../../support/csr.ts";
import { type DnsServer, startDnsServer } from "../../support/dns-server.ts";
import { type TestServer, startTestServer } from "../../support/server.ts";

/** An authority set whose certificates may live for as long as the profiles have it. */
export const WEB = {
  keyType: "ec-p384",
  ttlSeconds: 400 * 24 * 3600,
  upstreamAuthority: {},
  profiles: ["server-90d", "server-7d", "spiffe"],
} as const;

export interface AcmeRig {
  readonly server: TestServer;
  readonly directory: string;
  readonly dns: DnsServer;
  /** Where http-01 is looked at. */
  readonly httpPort: number;
  /** What the responder of http-01 answers, by token. */
  readonly answers: Map<string, string>;
  /** A client with an account. */
  readonly client: (fields?: object) => Promise<AcmeClient>;
  /** A client without one. */
  readonly stranger: () => Promise<AcmeClient>;
}

export interface AcmeRigOptions {
  readonly acme?: Partial<AcmeFrontEndConfig>;
  readonly server?: Partial<ServerConfig>;
  /** Names that accounts may have; default: `.example.org`, `*.example.org` and loopback addresses. */
  readonly names?: readonly string[];
  readonly limits?: Parameters<typeof acmeLimits>[0];
  readonly externalAccountRequired?: boolean;
}

/** Names below `web.example.org` lead to this machine. */
export async function acmeRig(t: Test, options: AcmeRigOptions = {}): Promise<AcmeRig> {
  const dns = await startDnsServer();
  t.teardown(() => dns[Symbol.asyncDispose]());
  const { answers, port } = await startResponder(t);
  const acme = acmeConfig(options, dns, port);
  const server = await startTestServer(t, { config: { ...options.server, frontends: { acme } } });
  const { host, port: at } = server.server.acmeAddress ?? { host: "", port: 0 };
  const directory = `http://${host}:${at}/directory`;
  const stranger = async (): Promise<AcmeClient> => {
    const client = await AcmeClient.open(directory);
    t.teardown(() => client[Symbol.dispose]());
    return client;
  };
  for (const name of ["a", "b", "c"]) {
    dns.zone.set(`${name}.example.org`, { a: ["127.0.0.1"] });
  }
  return {
    server,
    directory,
    dns,
    httpPort: port,
    answers,
    stranger,
    async client(fields = {}) {
      const client = await stranger();
      await client.register({ ...fields });
      return client;
    },
  };
}

/** On a free port of loopback, without TLS. @param httpPort where http-01 is answered */
export function acmeConfig(
  options: AcmeRigOptions,
  dns: Pick<DnsServer, "address">,
  httpPort: number,
): AcmeFrontEndConfig {
  return {
    listen: { host: "127.0.0.1", port: 0 },
    url: "",
    tls: { kind: "none" },
    set: "trust-domain",
    profiles: ["server-7d", "server-90d"],
    orderTtlSeconds: 7 * 24 * 3600,
    authorizationTtlSeconds: 30 * 24 * 3600,
    unusedAccountTtlSeconds: 365 * 24 * 3600,
    names: acmeNames({
      dns: options.names ?? [".example.org", "*.example.org", "*.a.example.org"],
      ip: ["127.0.0.0/8", "::1/128"],
      externalAccountRequired: options.externalAccountRequired ?? false,
    }),
    validation: {
      ...acmeValidation(undefined),
      resolvers: [dns.address],
      resolverTimeoutMs: 10_000,
      httpPort,
      allowedNetworks: ["127.0.0.0/8", "::1"],
    },
    limits: acmeLimits(options.limits),
    ...options.acme,
  };
}

/** Meets http-01 of each authorization that is pending. */
export async function meet(
  { answers }: Pick<AcmeRig, "answers">,
  client: AcmeClient,
  order: AcmeOrder,
): Promise<void> {
  for (const url of order.authorizations) {
    const { body } = await client.post<AcmeAuthorization>(url, "");
    if (body.status !== "pending") continue;
    const challenge = body.challenges.find(({ type }) => type === "http-01");
    if (challenge === undefined) throw new Error("there is no http-01");
    answers.set(challenge.token, client.keyAuthorization(challenge.token));
    await client.post(challenge.url, {});
    await client.until(url, ["valid", "invalid"]);
  }
}

export interface Issued {
  readonly order: AcmeReply<AcmeOrder>;
  readonly pem: string;
  readonly url: string;
  /** The certificate's. */
  readonly key: AcmeKey;
}

/** An order from its beginning to its certificate. */
export async function issue(
  rig: AcmeRig,
  client: AcmeClient,
  names: readonly string[],
  fields: object = {},
): Promise<Issued> {
  const made = await client.order(names, { ...fields });
  if (made.status !== 201) throw new Error(made.text);
  await meet(rig, client, made.body);
  const key = makeAcmeKey();
  const csr = csrFor({ names, key: key.privateKey });
  const order = await client.post<AcmeOrder>(made.body.finalize, { csr });
  if (order.body.certificate === undefined) throw new Error(order.text);
  const { text } = await client.post(order.body.certificate, "");
  return { order, pem: text, url: order.body.certificate, key };
}

/** The certificates of a chain, and the name that renewal information has for its leaf (RFC 9773 §4.1). */
export function readChain(pem: string) {
  const chain = decodePem(pem).map(({ der }) => parseCertificate(der));
  const [leaf] = chain;
  if (leaf === undefined) throw new Error("the chain is empty");
  const serial = leaf.serial.padStart(leaf.serial.length + (leaf.serial.length % 2), "0");
  const number = /^[89a-f]/.test(serial) ? `00${serial}` : serial;
  const name = [leaf.authorityKeyId ?? "", number].map((hex) =>
    Buffer.from(hex, "hex").toString("base64url"),
  );
  const der = Buffer.from(leaf.raw).toString("base64url");
  return { chain, leaf, name: name.join("."), der };
}

async function startResponder(
  t: Test,
): Promise<{ readonly answers: Map<string, string>; readonly port: number }> {
  const answers = new Map<string, string>();
  const server = createServer(({ url = "" }, response) => {
    const token = url.replace("/.well-known/acme-challenge/", "");
    const answer = answers.get(token);
    response.writeHead(answer === undefined ? 404 : 200).end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  return { answers, port: (server.address() as AddressInfo).port };
}

/** Asserts what a problem document says. */
export function problem(
  t: Pick<Test, "equal" | "match">,
  reply: AcmeReply<AcmeProblemBody>,
  [type, status]: readonly [type: string, status: number],
  title: string,
): void {
  t.equal(reply.status, status, `${title}: ${reply.text}`);
  t.equal(reply.body.type, `urn:ietf:params:acme:error:${type}`, title);
  t.equal(reply.body.status, status, title);
  t.match(reply.headers["content-type"], /^application\/problem\+json/, title);
}
