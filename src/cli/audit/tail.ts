import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION } from "../connection/rpc-clients.ts";
import { countOption, printRecords } from "./records.ts";

export const command: Command = {
  name: "audit tail",
  options: [
    { name: "follow", help: "go on with records to come, until Ctrl-C" },
    { name: "lines", value: "N", help: "how many records to begin with", fallback: "20" },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay audit tail", "assay audit tail --follow --output json"],
  notes: ["In the JSON form each record is one line, exactly as it stands in the log."],
  async run(context) {
    const last = countOption(context.options.text("lines") ?? "20");
    await printRecords(context, { last, follow: context.options.flag("follow") });
    return undefined;
  },
};
