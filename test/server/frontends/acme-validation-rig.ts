/** What tests of ACME validation stand on: servers to be validated, a DNS server, and a validator that may go to loopback addresses. */
import { once } from "node:events";
import {
  type IncomingMessage,
  type Server,
  type ServerResponse,
  createServer as createHttpServer,
} from "node:http";
import { type AddressInfo, type Socket, createServer as createTcpServer } from "node:net";
import type { Test } from "tap";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import {
  type AcmeValidationConfig,
  acmeValidation,
} from "../../../src/config/sections/acme-validation-section.ts";
import { silentLogger } from "../../../src/observe/logger.ts";
import type { AcmeProblem, ValidateParams } from "../../../src/server/frontends/acme/contract.ts";
import { ChallengeValidator } from "../../../src/server/frontends/acme/validation/challenge-validator.ts";
import { type DnsServer, startDnsServer } from "../../support/dns-server.ts";

export const TOKEN = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
export const KEY_AUTHORIZATION = `${TOKEN}.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI`;
export const PATH = `/.well-known/acme-challenge/${TOKEN}`;
export const ACCOUNT = "https://acme.example.org/account/1";
export const NAME = "www.example.org";

export interface Rig {
  readonly dns: DnsServer;
  readonly validate: (change?: Partial<ValidateParams>) => Promise<AcmeProblem | undefined>;
  readonly validator: ChallengeValidator;
}

/** A validator that may go to loopback addresses, and a DNS server it asks; `NAME` is 127.0.0.1. */
export async function startRig(
  t: Test,
  change: Partial<AcmeValidationConfig> = {},
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Promise<Rig> {
  const dns = await startDnsServer();
  t.teardown(() => dns[Symbol.asyncDispose]());
  dns.zone.set(NAME, { a: ["127.0.0.1"] });
  const config: AcmeValidationConfig = {
    ...acmeValidation(undefined),
    resolverTimeoutMs: 10_000,
    // By a virtual clock it is what it is.
    ...(clock === systemClock ? { timeoutSeconds: 100 } : {}),
    resolvers: [dns.address],
    allowedNetworks: ["127.0.0.0/8"],
    ...change,
  };
  const validator = new ChallengeValidator({
    config,
    ownAddresses: () => [],
    machineAddresses: () => [],
    clock,
    logger: silentLogger,
  });
  return { dns, validator, validate: (params) => validator.validate(paramsOf(params)) };
}

export function paramsOf(change: Partial<ValidateParams> = {}): ValidateParams {
  return {
    type: "http-01",
    identifier: { type: "dns", value: NAME },
    wildcard: false,
    token: TOKEN,
    keyAuthorization: KEY_AUTHORIZATION,
    accountUri: ACCOUNT,
    signal: new AbortController().signal,
    ...change,
  };
}

export interface Served {
  readonly port: number;
  readonly requests: { readonly url: string | undefined; readonly host: string | undefined }[];
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export const good: Handler = (_request, response) => void response.end(KEY_AUTHORIZATION);

export async function serve(
  t: Test,
  handler: Handler,
  host = "127.0.0.1",
  port = 0,
): Promise<Served> {
  return served(t, createHttpServer(), handler, host, port);
}

export async function served(
  t: Test,
  server: Server,
  handler: Handler,
  host: string,
  port: number,
): Promise<Served> {
  const requests: { url: string | undefined; host: string | undefined }[] = [];
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    requests.push({ url: request.url, host: request.headers.host });
    handler(request, response);
  });
  server.listen(port, host);
  await once(server, "listening");
  t.teardown(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return { port: (server.address() as AddressInfo).port, requests };
}

/** Speaks whatever it is told, to whoever connects. */
export async function serveBytes(t: Test, greet: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    greet(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, "close");
  });
  return (server.address() as AddressInfo).port;
}
