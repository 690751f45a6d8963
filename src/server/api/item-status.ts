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

/** What came of one item of a batch: its fields, or why there are none. Never rejects. */
export async function itemResult<R extends object>(
  logger: Logger,
  work: () => Promise<R>,
): Promise<ItemResult<R>> {
  try {
    return { ...(await work()), status: OK_STATUS };
  } catch (thrown) {
    return { status: itemStatus(thrown, logger) };
  }
}

export type ItemResult<R> = { readonly status: Status } | ({ readonly status: Status } & R);
