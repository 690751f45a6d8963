import type { BatchDeleteEntryResponse__Output } from "../../rpc/gen/spire/api/server/entry/v1/BatchDeleteEntryResponse.ts";
import { type Command, EXIT_FAILURE } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { ENTRY_SERVICE, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { OK, statusError } from "./batch.ts";

export const command: Command = {
  name: "entry delete",
  operand: "id",
  options: [
    { name: "id", value: "ID", help: "the entry's own ID", required: true, many: true },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay entry delete 8f0c4f57-6dd0-4b67-a7f5-0b3f5f9f1c11"],
  async run(context) {
    const { options, output } = context;
    using server = await connectServer(context);
    const { results } = await server.call<BatchDeleteEntryResponse__Output>(
      ENTRY_SERVICE,
      "BatchDeleteEntry",
      { ids: options.list("id") },
    );
    const deleted = results.filter(({ status }) => (status?.code ?? OK) === OK);
    const failed = results.filter(({ status }) => (status?.code ?? OK) !== OK);
    output.data(
      deleted.map(({ id }) => ({ id })),
      () => deleted.map(({ id }) => `deleted ${id}`),
    );
    for (const { id, status } of failed) {
      const error = statusError(status?.code ?? OK, status?.message ?? "");
      output.note(`assay: entry ${id}: ${error.message}`);
    }
    return failed.length === 0 ? undefined : EXIT_FAILURE;
  },
};
