import type { RegistryHandlers } from "../../rpc/gen/assay/explain/v1/Registry.ts";
import type { NearEntry as NearEntryMessage } from "../../rpc/gen/assay/explain/v1/NearEntry.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Implementation } from "../../rpc/service.ts";
import { agentOf } from "../endpoints/caller.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { AuthorizedEntries } from "../entries/authorized-entries.ts";
import type { NearEntry } from "../entries/nearest-entries.ts";
import { selectorsField } from "./fields.ts";

export interface RegistryApiDeps {
  readonly authorizedEntries: Pick<AuthorizedEntries, "nearest" | "revision" | "refresh">;
  readonly limits: Limits;
  readonly logger: Logger;
}

/**
 * `assay.explain.v1.Registry`: why an agent has no entry for a workload. Beside its own entries an agent is told of
 * others only that which an operator needs to find the mistake: IDs, parent and the one selector that differs.
 */
export function registryApi(deps: RegistryApiDeps): Implementation<RegistryHandlers> {
  const { authorizedEntries, limits, logger } = deps;
  return {
    async Nearest(request, call) {
      await limits.explain(call);
      const agentId = agentOf(call).toString();
      const selectors = selectorsField("selectors", request.selectors);
      await authorizedEntries.refresh();
      const { revision } = authorizedEntries;
      const { entries, agentIds } = await authorizedEntries.nearest(
        agentId,
        selectors,
        call.signal,
      );
      logger.info("agent asked for the nearest entries", {
        agentId,
        selectors: selectors.length,
        entryIds: entries.map(({ entry }) => entry.id),
      });
      return {
        entries: entries.map(nearMessage),
        parent_ids: agentIds.slice(0, MAX_PARENT_IDS),
        revision,
      };
    },
  };
}

function nearMessage({
  entry,
  missing,
  present,
  obstacles,
  parentKind,
}: NearEntry): NearEntryMessage {
  return {
    id: entry.id,
    spiffe_id: entry.spiffeId,
    parent_id: entry.parentId,
    missing: [...missing],
    selectors_present: present,
    obstacles: obstacles.map((obstacle) => OBSTACLES[obstacle]),
    expires_at: entry.expiresAt,
    revision_number: entry.revisionNumber,
    parent_kind: parentKind === undefined ? "PARENT_KIND_UNSPECIFIED" : PARENT_KINDS[parentKind],
  };
}

const OBSTACLES = {
  expired: "EXPIRED",
  parent: "PARENT",
  node_alias: "NODE_ALIAS",
} as const;

const PARENT_KINDS = {
  nobody: "NOBODY",
  agent: "OTHER_AGENT",
  alias: "OTHER_ALIAS",
  entry: "OTHER_ENTRY",
  expired: "EXPIRED_PARENT",
} as const;

const MAX_PARENT_IDS = 100;
