import type { AgentConfig } from "../config/agent/agent-config.ts";
import { type ConfigChange, Reload, type ReloadPart } from "../config/reload.ts";
import type { Cache, CachePolicy } from "./cache/cache.ts";
import type { JwtCache } from "./cache/jwt-cache.ts";
import type { Sync } from "./sync/sync.ts";

export interface ConfiguredParts {
  readonly cache: Pick<Cache, "setPolicy">;
  readonly jwtCache: Pick<JwtCache, "resize">;
  readonly sync: Pick<Sync, "changeInterval">;
}

/** The agent's configuration as it is now, and whom a new one concerns while the agent runs. */
export class LiveConfig {
  readonly #reload = new Reload<AgentConfig>();
  #current: AgentConfig;

  constructor(config: AgentConfig) {
    this.#current = config;
    this.#reload.part((next) => () => {
      this.#current = next;
    });
  }

  get current(): AgentConfig {
    return this.#current;
  }

  get cachePolicy(): CachePolicy {
    const { x509CacheMax, allowUnauthenticatedVerifiers } = this.#current;
    return { maxIdleSvids: x509CacheMax, allowUnregistered: allowUnauthenticatedVerifiers };
  }

  /** Another part that takes over what a reload changes. */
  part(prepare: ReloadPart<AgentConfig>): void {
    this.#reload.part(prepare);
  }

  /** These parts take over what a reload changes. */
  follow({ cache, jwtCache, sync }: ConfiguredParts): void {
    this.#reload.part(({ jwtCacheMax, syncIntervalMs }) => () => {
      cache.setPolicy(this.cachePolicy);
      jwtCache.resize(jwtCacheMax);
      sync.changeInterval(syncIntervalMs);
    });
  }

  /** @throws what is wrong with the new configuration; then nothing changes */
  reload(load: () => Promise<ConfigChange<AgentConfig>>): Promise<void> {
    return this.#reload.run(load);
  }
}
