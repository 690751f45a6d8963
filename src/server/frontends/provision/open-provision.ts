/** Opens the listener of the front end `provision`. */
import type { ServerConfig } from "../../../config/server/server-config.ts";
import type { ApiListener } from "../../../http/api-listener.ts";
import type { FrontEndParts } from "../front-end-parts.ts";
import { Attempts } from "./attempts.ts";
import { grantorOf } from "./callers.ts";
import { openProvisionListener } from "./provision-front-end.ts";
import { webIdentity } from "../web-identity.ts";

export async function openProvision(
  { frontends }: ServerConfig,
  parts: FrontEndParts,
  opened: AsyncDisposableStack,
): Promise<ApiListener | undefined> {
  const { provisioning, readiness, step } = parts;
  const config = frontends?.provision;
  if (config === undefined || provisioning === undefined) return undefined;
  const logger = parts.logger.child({ frontend: "provision" });
  return step("provision front end", async () => {
    const tls = await webIdentity(config.tls, { ...parts, logger }, opened);
    const { datastore, roots, revocations, clock } = parts;
    const callers = {
      ...provisioning,
      entries: datastore.entries,
      roots,
      isRevoked: (authorityId: string, serial: string) =>
        revocations.isRevoked(authorityId, serial),
      anonymous: config.anonymousAuthorize,
      clock,
    };
    const listener = opened.use(
      await openProvisionListener({
        ...provisioning,
        ...parts,
        roots: provisioning.roots,
        config,
        ...(tls === undefined ? {} : { tls: tls.current }),
        grantorOf: (call) => grantorOf(call, callers),
        attempts: new Attempts({ ...parts, logger }),
        logger,
      }),
    );
    readiness.add({ name: "provision front end", missing: () => tls?.problem() });
    logger.info("provision front end listens", { ...listener.tcpAddress, set: config.set });
    return listener;
  });
}
