import type { CountEntriesResponse__Output } from "../../rpc/gen/spire/api/server/entry/v1/CountEntriesResponse.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { ENTRY_SERVICE, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { FILTER_OPTIONS, entryFilter } from "./filter.ts";

export const command: Command = {
  name: "entry count",
  options: [...FILTER_OPTIONS, SERVER_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay entry count --parent-id spiffe://example.org/host"],
  async run(context) {
    const filter = entryFilter(context.options);
    using server = await connectServer(context);
    const { count } = await server.call<CountEntriesResponse__Output>(
      ENTRY_SERVICE,
      "CountEntries",
      { filter },
    );
    context.output.data({ count }, () => [String(count)]);
    return undefined;
  },
};
