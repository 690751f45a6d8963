import type { Clock } from "../../base/clock.ts";
import { chainMessages } from "../../rpc/debug-chain.ts";
import type { GetInfoResponse } from "../../rpc/gen/spire/agent/debug/v1/GetInfoResponse.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";

/** What an agent tells about itself; each is read at the call. */
export interface DebugSource {
  readonly clock: Clock;
  readonly startedAtMs: number;
  /** The agent's own SVID, leaf first; none before it has attested. */
  readonly chain: () => readonly Certificate[];
  readonly bundle: () => Bundle | undefined;
  /** Milliseconds since 1970; 0 before the first sync. */
  readonly lastSyncMs: () => number;
  readonly x509Svids: () => number;
  readonly jwtSvids: () => number;
  readonly storedSvids: () => number;
}

/** `spire.agent.debug.v1.Debug`. */
export function debugHandlers(source: DebugSource) {
  return {
    async GetInfo(): Promise<GetInfoResponse> {
      const roots = (source.bundle()?.x509Authorities ?? []).map(({ der }) =>
        parseCertificate(der),
      );
      const count = source.x509Svids();
      return {
        svid_chain: chainMessages(source.chain(), roots),
        uptime: Math.max(0, Math.floor((source.clock.nowMs() - source.startedAtMs) / 1000)),
        svids_count: count,
        cached_x509_svids_count: count,
        cached_jwt_svids_count: source.jwtSvids(),
        cached_svidstore_x509_svids_count: source.storedSvids(),
        last_sync_success: Math.floor(source.lastSyncMs() / 1000),
      };
    },
  };
}
