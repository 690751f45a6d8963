import type { DeleteApiTokenResponse__Output } from "../../rpc/gen/assay/provision/v1/DeleteApiTokenResponse.ts";
import type { WithdrawResponse__Output } from "../../rpc/gen/assay/provision/v1/WithdrawResponse.ts";
import type { Command } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { PROVISION_SERVICE } from "./provision-facts.ts";

export const command: Command = {
  name: "provision revoke",
  options: [
    { name: "name", formerly: "cn", value: "NAME", help: "every authorization of this name" },
    { name: "hash", value: "SHA256", help: "the one of this token, as 'provision list' has it" },
    {
      name: "api",
      value: "NAME",
      help: "this API token, and what it authorized that nobody has used",
    },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay provision revoke --name web.example.org", "assay provision revoke --api ci"],
  notes: [
    "What was not used counts no more; what was used is not renewed any more. The certificate itself goes on until its end.",
    "What was used of an API token's authorizations is renewed after it is deleted, too; revoke it by --name or --hash.",
  ],
  async run(context) {
    const { options, output } = context;
    const given = ["name", "hash", "api"].filter((name) => options.text(name) !== undefined);
    if (given.length !== 1) throw new UsageError("give one of --name, --hash and --api");
    using server = await connectServer(context);
    const api = options.text("api");
    if (api !== undefined) {
      const { withdrawn } = await server.call<DeleteApiTokenResponse__Output>(
        PROVISION_SERVICE,
        "DeleteApiToken",
        { name: api },
        "assay provision list --api",
      );
      const also = withdrawn === 0 ? "" : `, with ${withdrawn} unused authorizations of its`;
      output.data({ count: 1, withdrawn }, () => [`1 revoked${also}`]);
      return undefined;
    }
    const { count } = await server.call<WithdrawResponse__Output>(
      PROVISION_SERVICE,
      "Withdraw",
      { common_name: options.text("name") ?? "", token_hash: options.text("hash") ?? "" },
      "assay provision list --output json",
    );
    output.data({ count }, () => [`${count} revoked`]);
    return undefined;
  },
};
