import { AUDIT_KINDS } from "../../observe/audit.ts";
import type { Command } from "../command.ts";
import { idMessage, idText } from "../ids.ts";
import { OUTPUT_OPTION } from "../options.ts";
import { SERVER_SOCKET_OPTION } from "../rpc-clients.ts";
import { printRecords, serialOption, sinceOption } from "./records.ts";

export const command: Command = {
  name: "audit find",
  options: [
    { name: "spiffe-id", value: "ID", help: "records about this ID, or by a caller that has it" },
    { name: "serial", value: "HEX", help: "records about the certificate with this serial number" },
    {
      name: "kind",
      value: "KIND",
      help: "records of this kind",
      choices: AUDIT_KINDS,
      many: true,
    },
    {
      name: "since",
      value: "TIME",
      help: "records from this time on: 2026-11-22T16:00:00Z, or how long ago, such as 2h",
    },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay audit find --spiffe-id spiffe://example.org/web --since 2h",
    "assay audit find --kind denial --output json",
  ],
  notes: ["In the JSON form each record is one line, exactly as it stands in the log."],
  async run(context) {
    const { options, output } = context;
    const since = options.text("since");
    const id = options.text("spiffe-id");
    const found = await printRecords(context, {
      spiffe_id: id === undefined ? "" : idText(idMessage(id, "spiffe-id")),
      serial: serialOption(options.text("serial") ?? ""),
      kinds: options.list("kind"),
      since: since === undefined ? 0 : sinceOption(since, Date.now()),
    });
    if (found === 0 && output.format === "text") output.note("no records");
    return undefined;
  },
};
