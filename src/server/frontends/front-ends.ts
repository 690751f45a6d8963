/** Listeners beside the server's API, each an adapter that can be left out. */
import { parseAddress } from "../../config/address.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import { HttpListener } from "../../http/http-listener.ts";
import { observeRoutes } from "../../http/observe-routes.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { BundleEndpoint } from "../federation/bundle-endpoint.ts";
import { openOidc } from "./oidc/open-oidc.ts";
import { openAcme } from "./acme/open-acme.ts";
import { openProvision } from "./provision/open-provision.ts";
import { crlRoutes } from "../revocation/crl-routes.ts";
import type { FrontEndParts } from "./front-end-parts.ts";

interface Address {
  readonly host: string;
  readonly port: number;
}

/** Where each that was asked for listens. */
export interface FrontEndAddresses {
  /** Of metrics and health over HTTP. */
  readonly metricsAddress?: Address;
  /** Of the front end `oidc`, if it listens on TCP. */
  readonly oidcAddress?: Address;
  readonly provisionAddress?: Address;
  readonly bundleEndpointAddress?: Address;
  /** Of revocation lists over HTTP. */
  readonly crlAddress?: Address;
  readonly acmeAddress?: Address;
}

export interface FrontEnds extends AsyncDisposable {
  readonly addresses: FrontEndAddresses;
}

/** Opens what the configuration asks for; the first that fails takes the others down. */
export async function openFrontEnds(
  config: ServerConfig,
  parts: FrontEndParts,
): Promise<FrontEnds> {
  await using opened = new AsyncDisposableStack();
  const metrics = await openMetrics(config, parts);
  if (metrics !== undefined) opened.use(metrics);
  const oidc = await openOidc(config, parts, opened);
  const provision = await openProvision(config, parts, opened);
  const acme = await openAcme(config, parts, opened);
  const crls = await openCrls(config, parts);
  if (crls !== undefined) opened.use(crls);
  const bundleEndpoint = await openOwnBundleEndpoint(config, parts);
  opened.use(bundleEndpoint);
  const listeners = opened.move();
  return {
    addresses: {
      ...(metrics === undefined ? {} : { metricsAddress: metrics.address }),
      ...(oidc?.address === undefined ? {} : { oidcAddress: oidc.address }),
      ...(provision?.tcpAddress === undefined ? {} : { provisionAddress: provision.tcpAddress }),
      ...(bundleEndpoint.address && { bundleEndpointAddress: bundleEndpoint.address }),
      ...(crls === undefined ? {} : { crlAddress: crls.address }),
      ...(acme === undefined ? {} : { acmeAddress: acme.address }),
    },
    [Symbol.asyncDispose]: () => listeners.disposeAsync(),
  };
}

async function openMetrics(
  { metricsListen }: ServerConfig,
  { metrics, readiness, logger, step }: FrontEndParts,
): Promise<HttpListener | undefined> {
  if (metricsListen === undefined) return undefined;
  return step("metrics", () =>
    HttpListener.open({
      ...parseAddress(metricsListen, "metrics-listen", { zeroPort: true }),
      setting: "--metrics-listen",
      routes: observeRoutes({ metrics, readiness }),
      logger,
    }),
  );
}

async function openOwnBundleEndpoint(
  { federation }: ServerConfig,
  { bundles, step, reload, ...parts }: FrontEndParts,
): Promise<BundleEndpoint> {
  const ownBundle = (): Bundle => bundles.own();
  const endpoint = await step("bundle endpoint", () =>
    BundleEndpoint.open(federation?.bundleEndpoint, { ...parts, ownBundle }),
  );
  reload.part((next) => endpoint.prepare(next.federation?.bundleEndpoint));
  return endpoint;
}

/** Revocation lists, over plain HTTP: they are signed, and what checks a certificate cannot need a certificate first. */
async function openCrls(
  { revocation }: ServerConfig,
  { revocations, clock, logger, step }: FrontEndParts,
): Promise<HttpListener | undefined> {
  const listen = revocation?.listen;
  if (listen === undefined) return undefined;
  return step("revocation lists", () =>
    HttpListener.open({
      ...parseAddress(listen, "revocation.listen", { zeroPort: true }),
      setting: "revocation.listen",
      routes: crlRoutes(revocations, clock),
      logger,
    }),
  );
}
