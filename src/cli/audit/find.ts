import { AUDIT_KINDS } from "../../observe/audit.ts";
import type { Command } from "../program/command.ts";
import { idMessage, idText } from "../text/ids.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION } from "../connection/rpc-clients.ts";
import { printRecords, requestIdOption, serialOption, timeOption } from "./records.ts";

export const command: Command = {
  name: "audit find",
  options: [
    { name: "spiffe-id", value: "ID", help: "records about this ID, or by a caller that has it" },
    { name: "serial", value: "HEX", help: "records about the certificate with this serial number" },
    {
      name: "request-id",
      value: "ID",
      help: "records of this request, as an error or a log names it",
    },
    { name: "entry", value: "ID", help: "records about this registration entry" },
    {
      name: "authority",
      value: "ID",
      help: "what this authority signed, and what was done to it",
    },
    {
      name: "name",
      value: "NAME",
      help: "certificates of front ends with this common name, DNS name or address",
    },
    {
      name: "action",
      value: "ACTION",
      help: "records of this action, as x509.workload, or method, as BatchDeleteEntry",
      many: true,
    },
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
    {
      name: "until",
      value: "TIME",
      help: "records up to this time, written as for --since",
    },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay audit find --spiffe-id spiffe://example.org/web --since 2h",
    "assay audit find --request-id 5f0c6b1e9a3d2247",
    "assay audit find --kind denial --output json",
  ],
  notes: [
    "Conditions hold together; of several --kind or --action one suffices.",
    "In the JSON form each record is one line, exactly as it stands in the log.",
  ],
  async run(context) {
    const { options, output } = context;
    const nowMs = Date.now();
    const time = (name: "since" | "until"): number => {
      const text = options.text(name);
      return text === undefined ? 0 : timeOption(name, text, nowMs);
    };
    const id = options.text("spiffe-id");
    const found = await printRecords(context, {
      spiffe_id: id === undefined ? "" : idText(idMessage(id, "spiffe-id")),
      serial: serialOption(options.text("serial") ?? ""),
      request_id: requestIdOption(options.text("request-id") ?? ""),
      entry_id: options.text("entry") ?? "",
      authority_id: options.text("authority") ?? "",
      name: options.text("name") ?? "",
      kinds: options.list("kind"),
      actions: options.list("action"),
      since: time("since"),
      until: time("until"),
    });
    if (found === 0 && output.format === "text") output.note("no records");
    return undefined;
  },
};
