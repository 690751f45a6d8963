import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { KeyType } from "../../keys/contract.ts";
import type { RotationAudit } from "../../observe/audit.ts";
import type { Logger } from "../../observe/logger.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { Datastore } from "../datastore/contract.ts";
import type { KeyManager } from "../keymanager/contract.ts";
import type { OFFLINE, Upstream } from "../upstream/contract.ts";

export interface AuthoritySlotsOptions {
  /** Name of the set. */
  readonly name: string;
  /** Whether the set's authorities are in the domain's own bundle. */
  readonly published: boolean;
  readonly trustDomain: TrustDomain;
  readonly datastore: Datastore;
  readonly keyManager: KeyManager;
  /** Who signs X.509 authorities, and has to know JWT keys. */
  readonly upstream: Upstream | typeof OFFLINE;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly audit: RotationAudit;
  readonly keyType: KeyType;
  readonly ttlSeconds: number;
  readonly longestTtlSeconds: number;
  readonly marginSeconds: number;
  /** That a successor is published before it signs; the plan's own when absent. */
  readonly leadSeconds?: number;
  /** Keys of old authorities stay until those end: they sign revocation lists. */
  readonly keepsOldKeys: boolean;
  /** Ends what waits for an upstream. */
  readonly signal: AbortSignal;
}
