import type { RevokeX509SVIDResponse__Output } from "../../rpc/gen/assay/revocation/v1/RevokeX509SVIDResponse.ts";
import { serialOption } from "../audit/records.ts";
import type { Command } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { idMessage } from "../text/ids.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import {
  REASON_WORDS,
  REVOCATION_SERVICE,
  reasonMessage,
  revocationJson,
  revocationLine,
} from "./revocation-facts.ts";

export const command: Command = {
  name: "x509 revoke",
  options: [
    { name: "serial", value: "HEX", help: "serial number of the X.509-SVID" },
    { name: "spiffe-id", value: "ID", help: "all X.509-SVIDs of this ID that have not ended" },
    {
      name: "authority",
      value: "ID",
      help: "with --serial: the authority that signed it, where this server's audit log does not have it",
    },
    {
      name: "reason",
      value: "REASON",
      help: "why, as the revocation list says it",
      choices: REASON_WORDS,
      fallback: "unspecified",
    },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay x509 revoke --serial 5f2ac9d10b --reason key-compromise",
    "assay x509 revoke --spiffe-id spiffe://example.org/web",
  ],
  notes: [
    "The agents that hold them make new ones at once. It is for good: who shall get none delete the entry first.",
  ],
  async run(context) {
    const { options, output } = context;
    const serial = options.text("serial");
    const id = options.text("spiffe-id");
    if ((serial === undefined) === (id === undefined)) {
      throw new UsageError("name one: --serial or --spiffe-id");
    }
    using server = await connectServer(context);
    const { results, pending, rotated_entries } = await server.call<RevokeX509SVIDResponse__Output>(
      REVOCATION_SERVICE,
      "RevokeX509SVID",
      {
        ...(serial === undefined ? {} : { serial: serialOption(serial) }),
        ...(id === undefined ? {} : { spiffe_id: idMessage(id, "spiffe-id") }),
        authority_id: options.text("authority") ?? "",
        reason: reasonMessage(options.text("reason") ?? "unspecified"),
      },
      "assay audit find --kind issuance",
    );
    output.data(
      { revoked: results.map(revocationJson), pending, rotatedEntries: rotated_entries },
      () => [
        ...results.map((each) => `revoked ${revocationLine(each)}`),
        ...(results.length === 0 ? ["revoked already"] : []),
      ],
    );
    if (pending) {
      output.note("assay: no revocation list names all of them yet; the server's log says why");
    }
    return undefined;
  },
};
