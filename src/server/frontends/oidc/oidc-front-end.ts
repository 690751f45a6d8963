/**
 * The front end `oidc`: a discovery document and the JWT authorities' keys over HTTP, with which clouds, Vault and any
 * OIDC library check JWT-SVIDs without knowing SPIFFE. It reads the own bundle and knows nothing of authorities.
 */
import type { Clock } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import type { OidcFrontEndConfig } from "../../../config/server/oidc-front-end.ts";
import { text } from "../../../http/http-answer.ts";
import { HttpListener, type HttpRoute } from "../../../http/http-listener.ts";
import type { HttpPlace } from "../../../http/http-server.ts";
import { documentRoute } from "../../../http/public-document.ts";
import type { TlsIdentity } from "../../../base/tls-identity.ts";
import { SERVER_METRICS } from "../../../observe/metric-names.ts";
import type { Metrics } from "../../../observe/metrics.ts";
import type { Logger } from "../../../observe/logger.ts";
import { listenOnSocketFile } from "../../../rpc/unix-listener.ts";
import type { Bundle } from "../../../spiffe/bundle.ts";
import { discoveryDocument, keySetDocument } from "./documents.ts";

export interface OidcFrontEndParts {
  readonly config: OidcFrontEndConfig;
  /** Of the own trust domain; the same object until it changes. */
  readonly ownBundle: () => Bundle;
  /** Seconds between the publishing of a JWT authority and its first signature. */
  readonly leadSeconds: () => number;
  readonly tls?: () => TlsIdentity | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What of the configuration may change while it listens. */
type Published = Pick<OidcFrontEndConfig, "issuer" | "jwksUri" | "hosts">;

type Documents = ReadonlyMap<string, HttpRoute>;

export class OidcFrontEnd implements AsyncDisposable {
  readonly #listener: HttpListener;
  readonly #published: { documents: Documents; hosts: ReadonlySet<string> };
  readonly #documentsOf: (published: Published) => Documents;

  private constructor(
    listener: HttpListener,
    published: { documents: Documents; hosts: ReadonlySet<string> },
    documentsOf: (published: Published) => Documents,
  ) {
    this.#listener = listener;
    this.#published = published;
    this.#documentsOf = documentsOf;
  }

  /** @throws precondition when the address cannot be listened on or the certificate does not do */
  static async open(parts: OidcFrontEndParts): Promise<OidcFrontEnd> {
    const { config, tls, logger, metrics } = parts;
    const document = documentMaker(parts);
    const keys = keySet(parts);
    const documentsOf = (next: Published): Documents => routes(next, document, keys);
    const published = { documents: documentsOf(config), hosts: new Set(config.hosts) };
    const listener = await HttpListener.open({
      ...placeOf(config),
      routes: { get: (path) => forHosts(published.hosts, published.documents.get(path)) },
      maxConnections: MAX_CONNECTIONS,
      ...(tls === undefined ? {} : { tls }),
      logger,
      onAnswer: (status) => metrics.add(SERVER_METRICS.oidcAnswers, [String(status)]),
    });
    return new OidcFrontEnd(listener, published, documentsOf);
  }

  /** Undefined on a Unix socket. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    return this.#listener.tcpAddress;
  }

  /** @returns what publishes another issuer. @throws invalid when there is none any more */
  change(next: OidcFrontEndConfig | undefined): () => void {
    if (next === undefined)
      throw fail("invalid", "frontends.oidc needs an issuer; restart instead");
    const documents = this.#documentsOf(next);
    return () => {
      this.#published.documents = documents;
      this.#published.hosts = new Set(next.hosts);
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener[Symbol.asyncDispose]();
  }
}

/**
 * Below the issuer's own path (OpenID Connect Discovery 1.0 §4), and at the root for a proxy that takes the path away.
 */
function routes(
  published: Published,
  document: (body: () => string) => HttpRoute,
  keys: () => string,
): Documents {
  const text = discoveryDocument(published);
  const discovery = document(() => text);
  const keySet = document(keys);
  const below = new URL(published.issuer).pathname.replace(/\/$/, "");
  const keysPath = new URL(published.jwksUri).pathname;
  return new Map(
    ["", below].flatMap((prefix) => [
      [`${prefix}/.well-known/openid-configuration`, discovery] as const,
      [`${prefix}/keys`, keySet] as const,
      [keysPath, keySet] as const,
    ]),
  );
}

function documentMaker(parts: OidcFrontEndParts): (body: () => string) => HttpRoute {
  const maxAgeSeconds = maxAge(parts);
  return (body) =>
    documentRoute(
      () => ({ type: "application/json", body: body(), maxAgeSeconds: maxAgeSeconds() }),
      parts.logger,
    );
}

/** @param hosts names, in lower case and without a port, that `Host` may say; empty: any */
function forHosts(hosts: ReadonlySet<string>, route: HttpRoute | undefined): HttpRoute | undefined {
  if (hosts.size === 0 || route === undefined) return route;
  return async (request) =>
    hosts.has(hostName(request.headers.host))
      ? route(request)
      : text(400, "this host is not served here");
}

/** RFC 9110 §7.2; the name alone, for a proxy's port need not be ours. */
function hostName(host: string | undefined): string {
  return (host ?? "").replace(/:\d{1,5}$/, "").toLowerCase();
}

/** The key set, written anew when the bundle is another. */
function keySet({ ownBundle }: OidcFrontEndParts): () => string {
  let written: { readonly of: Bundle; readonly body: string } | undefined;
  return () => {
    const bundle = ownBundle();
    if (written?.of !== bundle) written = { of: bundle, body: keySetDocument(bundle) };
    return written.body;
  };
}

/** Nobody may still keep a set without a key when that key begins to sign. */
function maxAge({ config, leadSeconds }: OidcFrontEndParts): () => number {
  return () => Math.min(config.maxAgeSeconds, Math.floor(leadSeconds() / 2));
}

function placeOf({ listen }: OidcFrontEndConfig): HttpPlace {
  if (!("socket" in listen)) return { ...listen, setting: "frontends.oidc.listen" };
  const { socket } = listen;
  // What is served is public; who may come to it is the folder's affair.
  return { socket, listen: (server) => listenOnSocketFile({ path: socket, mode: 0o666 }, server) };
}

const MAX_CONNECTIONS = 1024;
