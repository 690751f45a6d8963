import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { EXTERNAL_ACCOUNTS_SERVICE } from "./external-account.ts";

export const command: Command = {
  name: "acme eab delete",
  operand: "key-id",
  options: [
    { name: "key-id", value: "ID", help: "the external account's key ID", required: true },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay acme eab delete 90eb7a5c4f0d1e2a3b4c5d6e"],
  notes: ["Accounts that were bound to it stay, and may have no names any more."],
  async run(context) {
    const { options, output } = context;
    const keyId = options.required("key-id");
    using server = await connectServer(context);
    await server.call(
      EXTERNAL_ACCOUNTS_SERVICE,
      "DeleteExternalAccount",
      { key_id: keyId },
      "assay acme eab list",
    );
    output.data({ keyId }, () => [`deleted ${keyId}`]);
    return undefined;
  },
};
