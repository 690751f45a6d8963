import type { BatchDeleteFederatedBundleResponse__Output } from "../../rpc/gen/spire/api/server/bundle/v1/BatchDeleteFederatedBundleResponse.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { BUNDLE_SERVICE, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { deletedEach } from "../text/status.ts";
import { trustDomainName } from "./bundle-message.ts";

export const command: Command = {
  name: "bundle delete",
  operand: "trust-domain",
  options: [
    { name: "trust-domain", value: "TD", help: "foreign trust domain", required: true, many: true },
    {
      name: "mode",
      value: "MODE",
      help: "entries that federate with it: refuse while there are any, delete them, or take the domain off them",
      choices: ["restrict", "delete", "dissociate"],
      fallback: "restrict",
    },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay bundle delete partner.example",
    "assay bundle delete partner.example --mode dissociate",
  ],
  async run(context) {
    const { options, output } = context;
    const names = options.list("trust-domain").map((text) => trustDomainName(text, "trust-domain"));
    using server = await connectServer(context);
    const { results } = await server.call<BatchDeleteFederatedBundleResponse__Output>(
      BUNDLE_SERVICE,
      "BatchDeleteFederatedBundle",
      { trust_domains: names, mode: (options.text("mode") ?? "restrict").toUpperCase() },
    );
    return deletedEach(output, results, "assay bundle list");
  },
};
