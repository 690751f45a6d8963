import type { Logger } from "../../observe/logger.ts";
import type { Status } from "../../rpc/gen/spire/api/types/Status.ts";
import { toStatus } from "../../rpc/status.ts";

/** The status of an item of a batch that went well. */
export const OK_STATUS: Status = { code: 0, message: "OK" };

/** The status of an item that failed; as everywhere on the wire, internal text stays in the log. */
export function itemStatus(thrown: unknown, logger: Logger): Status {
  const { code, message } = toStatus(thrown, logger);
  return { code, message };
}
