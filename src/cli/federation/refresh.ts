import { trustDomainName } from "../bundle/bundle-message.ts";
import { type Command, EXIT_FAILURE } from "../program/command.ts";
import { errorFrom } from "../../base/errors.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { TRUST_DOMAIN_OPTION, TRUST_DOMAIN_SERVICE } from "./relationship.ts";

export const command: Command = {
  name: "federation refresh",
  operand: "trust-domain",
  options: [{ ...TRUST_DOMAIN_OPTION, many: true }, SERVER_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay federation refresh partner.example"],
  notes: ["Fetches now; the server does so by itself at each domain's refresh hint."],
  async run(context) {
    const { options, output } = context;
    const names = options.list("trust-domain").map((text) => trustDomainName(text, "trust-domain"));
    using server = await connectServer(context);
    const refreshed: string[] = [];
    for (const trust_domain of names) {
      try {
        await server.call(
          TRUST_DOMAIN_SERVICE,
          "RefreshBundle",
          { trust_domain },
          "assay federation list",
        );
        refreshed.push(trust_domain);
      } catch (error) {
        output.note(`assay: ${trust_domain}: ${errorFrom(error).message}`);
      }
    }
    output.data({ refreshed }, () => refreshed.map((name) => `refreshed ${name}`));
    return refreshed.length === names.length ? undefined : EXIT_FAILURE;
  },
};
