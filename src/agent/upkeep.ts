/** What the agent holds for its workloads, kept as the server says: synced, signed, replaced where authorities are lost. */
import type { Clock } from "../base/clock.ts";
import type { Random } from "../base/random.ts";
import type { AgentConfig } from "../config/agent/agent-config.ts";
import type { Logger } from "../observe/logger.ts";
import type { Cache } from "./cache/cache.ts";
import type { JwtCache } from "./cache/jwt-cache.ts";
import type { KnownBundles } from "./cache/known-bundles.ts";
import type { AgentIdentity } from "./identity/agent-identity.ts";
import { authorityOf } from "./identity/agent-svid.ts";
import type { ServerClient } from "./server-client/server-client.ts";
import type { StoredSvids } from "./stores/stored-svids.ts";
import { Replacement } from "./sync/replacement.ts";
import { SvidLoop } from "./sync/svid-loop.ts";
import { SvidMaker } from "./sync/svid-maker.ts";
import { Sync } from "./sync/sync.ts";

export interface UpkeepOptions {
  readonly config: Pick<AgentConfig, "trustDomain" | "workloadKeyType" | "syncIntervalMs">;
  readonly identity: AgentIdentity;
  readonly client: ServerClient;
  readonly cache: Cache;
  readonly jwtCache: JwtCache;
  readonly stored: StoredSvids;
  readonly bundles: KnownBundles;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Nothing new will come: what is held is served until it ends. */
  readonly isFading: () => boolean;
  /** The last SVID has ended. */
  readonly onEmpty: () => void;
  /** The agent's own SVID is to be renewed whatever its age. */
  readonly outdateIdentity: () => void;
  readonly wakeRenewal: () => void;
}

export class Upkeep implements AsyncDisposable {
  readonly sync: Sync;
  readonly #identity: AgentIdentity;
  readonly #stack = new AsyncDisposableStack();
  /** Takes the key id of the authority above the agent's SVID. */
  #replaceWhenRenewed: ((ownAuthority: string) => void) | undefined;
  #disposing: Promise<void> | undefined;

  constructor(options: UpkeepOptions) {
    const { config, identity, client, cache, jwtCache, stored, bundles } = options;
    const { clock, random, logger, isFading, onEmpty } = options;
    const common = { clock, random, logger };
    this.#identity = identity;
    const maker = new SvidMaker({
      ...common,
      signer: client.signer,
      keyType: config.workloadKeyType,
      onMade: (made, failed) => cache.applySvids(made, failed),
    });
    const svids = new SvidLoop({ ...common, cache, maker, isFading, onEmpty });
    const replacement = new Replacement({
      clock,
      random,
      onTurn: ({ lost, rotated }) => {
        jwtCache.outdate(rotated);
        if (rotated === "all") options.outdateIdentity();
        // With an SVID of a lost authority the server signs nothing for the agent: its own is first.
        this.#replaceWhenRenewed = (ownAuthority) => {
          if (lost.has(ownAuthority)) return;
          this.#replaceWhenRenewed = undefined;
          svids.replace(lost);
          stored.replace(lost);
        };
        this.#replaceNow();
        options.wakeRenewal();
      },
    });
    this.sync = new Sync({
      ...common,
      trustDomain: config.trustDomain,
      source: client,
      intervalMs: config.syncIntervalMs,
      onSynced: async (synced) => {
        await identity.setBundle(synced.own);
        const turnAtMs = replacement.see(synced, this.sync.spreadMs);
        jwtCache.retain(replacement.jwtKeyIds);
        cache.apply(synced);
        stored.see(synced, turnAtMs);
        bundles.take(synced.own, synced.foreign);
        if (turnAtMs !== undefined && synced.rotated !== undefined) {
          cache.rotate(synced.rotated, turnAtMs);
        }
        // There may be something new to sign, and a server that failed before is back.
        svids.wake();
      },
      onBack: options.wakeRenewal,
    });
    this.#stack.use(replacement);
    this.#stack.use(svids);
    this.#stack.use(this.sync);
  }

  /** The agent's own SVID has been looked at, and may be another. */
  identityRenewed(): void {
    this.sync.leaveOldConnection();
    this.#replaceNow();
  }

  #replaceNow(): void {
    this.#replaceWhenRenewed?.(authorityOf(this.#identity.svid?.chain ?? []));
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposing ??= this.#stack.disposeAsync();
    return this.#disposing;
  }
}
