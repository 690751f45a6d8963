/** The trust domain's bundle endpoint (SPIFFE Federation §5): its own bundle at `/`, to anyone, over TLS. */
import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../../base/clock.ts";
import { parseAddress } from "../../config/address.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import { CertificateFiles } from "../../http/certificate-files.ts";
import { HttpListener, type HttpRoute } from "../../http/http-listener.ts";
import { type PublicDocument, documentRoute } from "../../http/public-document.ts";
import type { TlsIdentity } from "../../base/tls-identity.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Readiness } from "../../observe/readiness.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { encodeBundleDocument } from "../../spiffe/bundle-document.ts";

type BundleEndpointConfig = NonNullable<NonNullable<ServerConfig["federation"]>["bundleEndpoint"]>;

export interface BundleEndpointParts {
  /** The same object until it changes. */
  readonly ownBundle: () => Bundle;
  /** The server's own SVID, for `https_spiffe`. */
  readonly svid: () => TlsIdentity | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly readiness: Readiness;
}

/** What callers meet, whatever the address. */
interface Face {
  readonly tls: () => TlsIdentity | undefined;
  readonly route: HttpRoute;
  readonly problem: () => string | undefined;
}

interface Place {
  readonly listener: HttpListener;
  config: BundleEndpointConfig;
  /** Nothing is served before it has one. */
  face: Face | undefined;
  readonly close: () => Promise<void>;
}

export class BundleEndpoint implements AsyncDisposable {
  readonly #parts: BundleEndpointParts;
  #place: Place | undefined;
  /** Opened for a reload that was not taken after all. */
  #spare: Place | undefined;
  #isLookedAt = false;

  private constructor(parts: BundleEndpointParts) {
    this.#parts = parts;
  }

  /** @throws precondition when the address or a file cannot be had, or certificate and key do not fit */
  static async open(
    config: BundleEndpointConfig | undefined,
    parts: BundleEndpointParts,
  ): Promise<BundleEndpoint> {
    const logger = parts.logger.child({ frontend: "bundle endpoint" });
    const endpoint = new BundleEndpoint({ ...parts, logger });
    (await endpoint.prepare(config))();
    return endpoint;
  }

  /** Where it listens, while it does. */
  get address(): HttpListener["address"] | undefined {
    return this.#place?.listener.address;
  }

  /**
   * Another configuration, or none any more. On another address it listens at once, and serves there when what is
   * returned is called.
   * @throws as `open`; then nothing has changed
   */
  async prepare(next: BundleEndpointConfig | undefined): Promise<() => void> {
    await this.#spare?.close();
    this.#spare = undefined;
    const before = this.#place;
    if (isDeepStrictEqual(before?.config, next)) return () => undefined;
    if (next === undefined) return () => this.#take(undefined);
    const face = this.#face(next);
    if (before?.config.listen === next.listen) {
      return () => {
        before.config = next;
        before.face = face;
      };
    }
    const place = await this.#listen(next);
    this.#spare = place;
    return () => {
      this.#spare = undefined;
      place.face = face;
      this.#take(place);
      const { profile } = next;
      this.#parts.logger.info("bundle endpoint listens", { profile, ...place.listener.address });
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spare?.close();
    await this.#place?.close();
  }

  #take(place: Place | undefined): void {
    const before = this.#place;
    this.#place = place;
    before
      ?.close()
      .catch((error: unknown) =>
        this.#parts.logger.warn("the bundle endpoint of before did not end well", { error }),
      );
  }

  async #listen(config: BundleEndpointConfig): Promise<Place> {
    let place: Place | undefined;
    const listener = await HttpListener.open({
      ...parseAddress(config.listen, SETTING, { zeroPort: true }),
      setting: SETTING,
      routes: { get: (path) => (path === "/" ? place?.face?.route : undefined) },
      tls: () => place?.face?.tls(),
      maxConnections: MAX_CONNECTIONS,
      logger: this.#parts.logger,
    });
    place = { listener, config, face: undefined, close: () => listener[Symbol.asyncDispose]() };
    return place;
  }

  /** Files may come not to do; an SVID of the server's own has a check of its own. */
  #beLookedAt(): void {
    if (this.#isLookedAt) return;
    this.#isLookedAt = true;
    const missing = (): string | undefined => this.#place?.face?.problem();
    this.#parts.readiness.add({ name: "bundle endpoint", isAdvice: true, missing });
  }

  #face(config: BundleEndpointConfig): Face {
    const { ownBundle, svid, clock, logger } = this.#parts;
    const { profile, certificateFile = "", keyFile = "", refreshHint } = config;
    const route = documentRoute(bundleDocument(ownBundle, refreshHint), logger);
    if (profile === "https_spiffe") return { tls: svid, route, problem: () => undefined };
    const files = new CertificateFiles({ certificateFile, keyFile, clock, logger });
    this.#beLookedAt();
    return { tls: () => files.current(), route, problem: () => files.problem() };
  }
}

/** Encoded once for each bundle. */
function bundleDocument(ownBundle: () => Bundle, refreshHint: number): () => PublicDocument {
  const maxAgeSeconds = Math.min(MAX_AGE, Math.floor(refreshHint / 5));
  let served: { readonly bundle: Bundle; readonly document: PublicDocument } | undefined;
  return () => {
    const bundle = ownBundle();
    if (bundle !== served?.bundle) {
      const body = encodeBundleDocument({ ...bundle, refreshHint });
      served = { bundle, document: { type: "application/json", body, maxAgeSeconds } };
    }
    return served.document;
  };
}

const SETTING = "federation.bundleEndpoint.listen";
const MAX_CONNECTIONS = 1024;
/** Seconds. A cache in between adds little to the time that others need to see a new authority. */
const MAX_AGE = 60;
