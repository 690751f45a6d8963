import type { Clock } from "../../base/clock.ts";
import type { AgentConfig } from "../../config/agent/agent-config.ts";
import { isExperimental } from "../../keys/contract.ts";
import { WitStore } from "../cache/wit-store.ts";
import type { ServerClient } from "../server-client/server-client.ts";
import { WitKeys } from "./wit-keys.ts";
import type { WitParts } from "./wit-streams.ts";

export interface WitPartsParams {
  readonly config: AgentConfig;
  readonly client: Pick<ServerClient, "signer" | "witKeys">;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** What the Workload API needs for WIT-SVIDs, where they are on. */
export function witParts({ config, client, clock, signal }: WitPartsParams): {
  readonly wit?: WitParts;
} {
  if (config.experimental?.includes("wit-svid") !== true) return {};
  const store = new WitStore({
    // Tokens have no algorithm for the others yet.
    keyType: isExperimental(config.workloadKeyType) ? "ec-p256" : config.workloadKeyType,
    clock,
    sign: (order) => client.signer.signWitSvid(order, signal),
  });
  return { wit: { store, keys: new WitKeys({ clock, fetch: () => client.witKeys(signal) }) } };
}
