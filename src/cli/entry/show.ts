import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { ENTRY_SERVICE, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { entryJson, entryLines } from "./entry-json.ts";
import { readBeside } from "./beside.ts";

export const command: Command = {
  name: "entry show",
  operand: "id",
  options: [
    { name: "id", value: "ID", help: "the entry's own ID", required: true },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay entry show 8f0c4f57-6dd0-4b67-a7f5-0b3f5f9f1c11"],
  async run(context) {
    const { options, output } = context;
    using server = await connectServer(context);
    const id = options.required("id");
    const entry = await server.call<Entry__Output>(
      ENTRY_SERVICE,
      "GetEntry",
      { id },
      "assay entry list",
    );
    const beside = (await readBeside(server, [id]))(id);
    output.data(entryJson(entry, beside), () => entryLines(entry, beside, Date.now()));
    return undefined;
  },
};
