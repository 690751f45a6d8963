/**
 * The front end `oidc`: a discovery document and the JWT authorities' keys over HTTP, with which clouds, Vault and any
 * OIDC library check JWT-SVIDs without knowing SPIFFE. It reads the own bundle and knows nothing of authorities.
 */
import type { Clock } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import type { OidcFrontEndConfig } from "../../../config/oidc-front-end.ts";
import {
  type DocumentAddress,
  DocumentListener,
  type PublicDocument,
} from "../../../http/document-listener.ts";
import type { TlsIdentity } from "../../../http/tls-identity.ts";
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
  readonly tls?: () => TlsIdentity;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What of the configuration may change while it listens. */
type Published = Pick<OidcFrontEndConfig, "issuer" | "jwksUri" | "hosts">;

type Documents = ReadonlyMap<string, () => PublicDocument>;

export class OidcFrontEnd implements AsyncDisposable {
  readonly #listener: DocumentListener;
  readonly #published: { documents: Documents; hosts: ReadonlySet<string> };
  readonly #documentsOf: (published: Published) => Documents;

  private constructor(
    listener: DocumentListener,
    published: { documents: Documents; hosts: ReadonlySet<string> },
    documentsOf: (published: Published) => Documents,
  ) {
    this.#listener = listener;
    this.#published = published;
    this.#documentsOf = documentsOf;
  }

  /** @throws precondition when the address cannot be listened on or the certificate does not do */
  static async open(parts: OidcFrontEndParts): Promise<OidcFrontEnd> {
    const { config, tls, clock, logger, metrics } = parts;
    const keys = keySet(parts);
    const documentsOf = (next: Published): Documents => routes(next, keys, maxAge(parts));
    const published = { documents: documentsOf(config), hosts: new Set(config.hosts) };
    const listener = await DocumentListener.open({
      address: addressOf(config),
      documents: () => published.documents,
      hosts: () => published.hosts,
      ...(tls === undefined ? {} : { tls }),
      clock,
      logger,
      onAnswer: (status) => metrics.add(SERVER_METRICS.oidcAnswers, [String(status)]),
    });
    return new OidcFrontEnd(listener, published, documentsOf);
  }

  /** Undefined on a Unix socket. */
  get address(): { readonly host: string; readonly port: number } | undefined {
    return this.#listener.address;
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
function routes(published: Published, keys: () => string, maxAgeSeconds: () => number): Documents {
  const discovery = discoveryDocument(published);
  const json = (body: () => string) => (): PublicDocument => ({
    type: "application/json",
    body: body(),
    maxAgeSeconds: maxAgeSeconds(),
  });
  const below = new URL(published.issuer).pathname.replace(/\/$/, "");
  const keysPath = new URL(published.jwksUri).pathname;
  return new Map(
    ["", below].flatMap((prefix) => [
      [`${prefix}/.well-known/openid-configuration`, json(() => discovery)] as const,
      [`${prefix}/keys`, json(keys)] as const,
      [keysPath, json(keys)] as const,
    ]),
  );
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

function addressOf({ listen }: OidcFrontEndConfig): DocumentAddress {
  if (!("socket" in listen)) return listen;
  const { socket } = listen;
  // What is served is public; who may come to it is the folder's affair.
  return { socket, listen: (server) => listenOnSocketFile({ path: socket, mode: 0o666 }, server) };
}
