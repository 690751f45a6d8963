/** The parts of revocation, as a server's configuration has them. */
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import type { Logger } from "../../observe/logger.ts";
import { SERVER_METRICS } from "../../observe/metric-names.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { AuthoritySet } from "../ca/authority-set.ts";
import type { Datastore } from "../datastore/contract.ts";
import { CrlIssuance } from "../issuance/crl.ts";
import { CrlFiles } from "./crl-files.ts";
import { Revocations } from "./revocations.ts";

export interface OpenRevocationParams {
  readonly config: ServerConfig["revocation"];
  readonly authorities: Pick<AuthoritySet, "crlSigners">;
  readonly datastore: Datastore;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface RevocationParts extends AsyncDisposable {
  readonly revocations: Revocations;
  readonly crlIssuance: CrlIssuance;
}

/** What was revoked holds also while revocation is off; lists are signed only while it is on. */
export async function openRevocation(params: OpenRevocationParams): Promise<RevocationParts> {
  const { config, authorities, datastore, metrics, clock, random, logger } = params;
  await using opened = new AsyncDisposableStack();
  const crlIssuance = new CrlIssuance(authorities);
  const revocations = opened.use(
    await Revocations.open({
      datastore,
      ...(config === undefined ? {} : { issuance: crlIssuance }),
      crlTtlSeconds: config?.crlTtl ?? DEFAULT_TTL,
      clock,
      random,
      logger,
    }),
  );
  if (config?.folder !== undefined) {
    opened.use(await CrlFiles.open(config.folder, revocations, logger));
  }
  if (config !== undefined) {
    metrics.read(SERVER_METRICS.revocations, () => [
      { labels: [], value: revocations.records.length },
    ]);
    metrics.read(SERVER_METRICS.crlSecondsLeft, () => {
      const ends = revocations.crls.map(({ nextUpdate }) => nextUpdate);
      if (ends.length === 0) return [];
      return [{ labels: [], value: Math.min(...ends) - clock.nowMs() / 1000 }];
    });
    metrics.read(SERVER_METRICS.crlFailing, () => [
      { labels: [], value: revocations.failing ? 1 : 0 },
    ]);
  }
  revocations.start();
  const parts = opened.move();
  return { revocations, crlIssuance, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** How SVIDs name the list of the authority that signed them; absent when they name none. */
export function crlUrlOf(
  config: ServerConfig["revocation"],
): ((authorityId: string) => string) | undefined {
  const url = config?.url;
  return url === undefined ? undefined : (authorityId) => `${url}/${authorityId}.crl`;
}

const DEFAULT_TTL = 24 * 3600;
