import type { ListEntriesResponse__Output } from "../../rpc/gen/spire/api/server/entry/v1/ListEntriesResponse.ts";
import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import { allPages } from "../connection/all-pages.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import {
  ENTRY_SERVICE,
  type RpcClient,
  SERVER_SOCKET_OPTION,
  connectServer,
} from "../connection/rpc-clients.ts";
import { entryJson, entryLines } from "./entry-json.ts";
import { readBeside } from "./beside.ts";
import { FILTER_OPTIONS, entryFilter } from "./filter.ts";

export const command: Command = {
  name: "entry list",
  options: [...FILTER_OPTIONS, SERVER_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay entry list", "assay entry list --selector unix:uid:1000 --output json"],
  async run(context) {
    const { output } = context;
    const filter = entryFilter(context.options);
    using server = await connectServer(context);
    const entries = await listEntries(server, filter);
    const ids = entries.map(({ id }) => id);
    const besideOf = await readBeside(server, ids);
    output.data(
      entries.map((entry) => entryJson(entry, besideOf(entry.id))),
      () => entries.flatMap((entry) => entryLines(entry, besideOf(entry.id), Date.now())),
    );
    if (entries.length === 0 && output.format === "text") {
      output.note("no entries; 'assay entry create --help' shows how to make one");
    }
    return undefined;
  },
};

/** All pages. */
export function listEntries(server: RpcClient, filter: object): Promise<Entry__Output[]> {
  return allPages({
    server,
    service: ENTRY_SERVICE,
    method: "ListEntries",
    request: { filter },
    pageSize: PAGE_SIZE,
    itemsOf: (page: ListEntriesResponse__Output) => page.entries,
  });
}

const PAGE_SIZE = 500;
