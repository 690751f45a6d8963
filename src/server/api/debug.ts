import type { Clock } from "../../base/clock.ts";
import { epochSeconds } from "../../base/clock.ts";
import type { DebugHandlers } from "../../rpc/gen/spire/api/server/debug/v1/Debug.ts";
import type { GetInfoResponse } from "../../rpc/gen/spire/api/server/debug/v1/GetInfoResponse.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { Readers } from "../datastore/contract.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { chainMessages } from "../../rpc/debug-chain.ts";

export interface DebugApiDeps {
  readonly readers: Pick<Readers, "entries" | "nodes" | "bundles">;
  /** The server's own SVID, leaf first. */
  readonly chain: () => readonly Certificate[];
  readonly ownBundle: () => Bundle;
  readonly clock: Clock;
}

/** `spire.api.server.debug.v1.Debug`. Of the bundles the own one counts, as at SPIRE. */
export function debugApi({
  readers,
  chain,
  ownBundle,
  clock,
}: DebugApiDeps): Implementation<DebugHandlers> {
  const startedAt = epochSeconds(clock);
  let held: { readonly at: number; readonly answer: GetInfoResponse } | undefined;
  return {
    async GetInfo() {
      const now = epochSeconds(clock);
      // Counting is dear in a large registry: as at SPIRE an answer holds for some seconds.
      if (held !== undefined && Math.abs(now - held.at) < HOLD_SECONDS) return held.answer;
      const roots = ownBundle().x509Authorities.map(({ der }) => parseCertificate(der));
      const answer: GetInfoResponse = {
        svid_chain: chainMessages(chain(), roots),
        uptime: Math.max(0, now - startedAt),
        agents_count: await readers.nodes.count({}),
        entries_count: await readers.entries.count({}),
        federated_bundles_count: await readers.bundles.count(),
      };
      held = { at: now, answer };
      return answer;
    },
  };
}

const HOLD_SECONDS = 5;
