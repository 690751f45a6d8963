/** Opens the front end `oidc` with its parts. */
import type { ServerConfig } from "../../../config/server/server-config.ts";
import type { FrontEndParts } from "../front-end-parts.ts";
import { webIdentity } from "../web-identity.ts";
import { OidcFrontEnd } from "./oidc-front-end.ts";

export async function openOidc(
  { frontends }: ServerConfig,
  parts: FrontEndParts,
  opened: AsyncDisposableStack,
): Promise<OidcFrontEnd | undefined> {
  const config = frontends?.oidc;
  if (config === undefined) return undefined;
  const { bundles, authorities, reload, clock, metrics, readiness, step } = parts;
  const logger = parts.logger.child({ frontend: "oidc" });
  return step("oidc front end", async () => {
    const tls = await webIdentity(config.tls, { ...parts, logger }, opened);
    const frontEnd = opened.use(
      await OidcFrontEnd.open({
        config,
        ownBundle: () => bundles.own(),
        leadSeconds: () => authorities.plan("jwt").lead,
        ...(tls === undefined ? {} : { tls: tls.current }),
        clock,
        logger,
        metrics,
      }),
    );
    reload.part((next) => frontEnd.change(next.frontends?.oidc));
    readiness.add({ name: "oidc front end", missing: () => tls?.problem() });
    logger.info("oidc front end listens", { issuer: config.issuer, ...frontEnd.address });
    return frontEnd;
  });
}
