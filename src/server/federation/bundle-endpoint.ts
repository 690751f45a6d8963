/** The trust domain's bundle endpoint (SPIFFE Federation §5): its own bundle at `/`, to anyone, over TLS. */
import type { Clock } from "../../base/clock.ts";
import { parseAddress } from "../../config/address.ts";
import type { ServerConfig } from "../../config/server.ts";
import { CertificateFiles } from "../../http/certificate-files.ts";
import { HttpListener } from "../../http/http-listener.ts";
import { type PublicDocument, documentRoute } from "../../http/public-document.ts";
import type { TlsIdentity } from "../../http/tls-identity.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Readiness } from "../../observe/readiness.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { encodeBundleDocument } from "../../spiffe/bundle-document.ts";

type BundleEndpointConfig = NonNullable<NonNullable<ServerConfig["federation"]>["bundleEndpoint"]>;

export interface BundleEndpointParams {
  readonly config: BundleEndpointConfig;
  /** The same object until it changes. */
  readonly ownBundle: () => Bundle;
  /** The server's own SVID, for `https_spiffe`. */
  readonly svid: () => TlsIdentity | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly readiness: Readiness;
}

/** @throws precondition when the address or a file cannot be had, or certificate and key do not fit */
export async function openBundleEndpoint(params: BundleEndpointParams): Promise<HttpListener> {
  const { config, ownBundle } = params;
  const logger = params.logger.child({ frontend: "bundle endpoint" });
  const listener = await HttpListener.open({
    ...parseAddress(config.listen, SETTING, { zeroPort: true }),
    setting: SETTING,
    routes: new Map([["/", documentRoute(bundleDocument(ownBundle, config.refreshHint), logger)]]),
    tls: identityOf({ ...params, logger }),
    maxConnections: MAX_CONNECTIONS,
    logger,
  });
  logger.info("bundle endpoint listens", { profile: config.profile, ...listener.address });
  return listener;
}

function identityOf(params: BundleEndpointParams): () => TlsIdentity | undefined {
  const { config, svid, clock, logger, readiness } = params;
  const { profile, certificateFile = "", keyFile = "" } = config;
  if (profile === "https_spiffe") return svid;
  const files = new CertificateFiles({ certificateFile, keyFile, clock, logger });
  readiness.add({ name: "bundle endpoint", isAdvice: true, missing: () => files.problem() });
  return () => files.current();
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
