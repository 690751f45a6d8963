import { inTurn } from "../../base/in-parallel.ts";
import type { RotationHandlers } from "../../rpc/gen/assay/rotation/v1/Rotation.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { EntryService } from "../entries/entry-service.ts";
import type { NodeService } from "../nodes/node-service.ts";
import type { PushHub } from "../push/push-hub.ts";
import { MAX_BATCH, agentIdField, atMost } from "./fields.ts";
import { OK_STATUS, itemResult, itemStatus } from "./item-status.ts";

export interface RotationApiDeps {
  readonly entries: Pick<EntryService, "rotate">;
  readonly nodes: Pick<NodeService, "rotate">;
  readonly hub: Pick<PushHub, "isFollowing">;
  readonly trustDomain: TrustDomain;
  readonly logger: Logger;
}

/** `assay.rotation.v1.Rotation`: operators have SVIDs replaced before their time. */
export function rotationApi(deps: RotationApiDeps): Implementation<RotationHandlers> {
  const { entries, nodes, hub, trustDomain, logger } = deps;
  return {
    async BatchRotateEntry({ ids }) {
      atMost("ids", ids.length, MAX_BATCH);
      const results = await entries.rotate(ids);
      return {
        results: results.map((result, index) => ({
          id: ids[index] ?? "",
          ...("value" in result
            ? { status: OK_STATUS, revision_number: result.value.revisionNumber }
            : { status: itemStatus(result.error, logger) }),
        })),
      };
    },

    async BatchRotateAgent({ ids }) {
      atMost("ids", ids.length, MAX_AGENTS);
      const results = await inTurn(ids, async (id) => ({
        ...(await itemResult(logger, async () => {
          const agentId = agentIdField("ids", id, trustDomain).toString();
          await nodes.rotate(agentId);
          return { told: hub.isFollowing(agentId) };
        })),
        id,
      }));
      return { results };
    },
  };
}

/** Each is a transaction of its own. */
const MAX_AGENTS = 500;
