import type { PrepareX509AuthorityResponse__Output } from "../../rpc/gen/spire/api/server/localauthority/v1/PrepareX509AuthorityResponse.ts";
import type { Command } from "../command.ts";
import { OUTPUT_OPTION } from "../options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../rpc-clients.ts";
import {
  API_NAMES,
  AUTHORITY_SERVICE,
  type AuthorityWord,
  authorityJson,
  authorityLines,
} from "./kinds.ts";

/** `authority x509 prepare`, `authority jwt prepare`. */
export function prepareCommand(kind: AuthorityWord): Command {
  return {
    name: `authority ${kind} prepare`,
    options: [SERVER_SOCKET_OPTION, OUTPUT_OPTION],
    examples: [`assay authority ${kind} prepare`],
    notes: [
      "It signs nothing before it is activated. Wait until every agent and every federated domain has the new bundle.",
    ],
    async run(context) {
      using server = await connectServer(context);
      const { prepared_authority: prepared } =
        await server.call<PrepareX509AuthorityResponse__Output>(
          AUTHORITY_SERVICE,
          `Prepare${API_NAMES[kind]}Authority`,
          {},
        );
      context.output.data(authorityJson(prepared), () =>
        authorityLines([["prepared", prepared]], Date.now()),
      );
      return undefined;
    },
  };
}
