import type { GetX509AuthorityStateResponse__Output } from "../../rpc/gen/spire/api/server/localauthority/v1/GetX509AuthorityStateResponse.ts";
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

/** `authority x509 show`, `authority jwt show`. */
export function showCommand(kind: AuthorityWord): Command {
  return {
    name: `authority ${kind} show`,
    options: [SERVER_SOCKET_OPTION, OUTPUT_OPTION],
    examples: [`assay authority ${kind} show`],
    notes: [
      "The active one signs; the prepared one is published and signs next; the old one signed last and may be tainted.",
    ],
    async run(context) {
      using server = await connectServer(context);
      // Both kinds' responses are alike.
      const { active, prepared, old } = await server.call<GetX509AuthorityStateResponse__Output>(
        AUTHORITY_SERVICE,
        `Get${API_NAMES[kind]}AuthorityState`,
        {},
      );
      const states = [
        ["active", active],
        ["prepared", prepared],
        ["old", old],
      ] as const;
      const json = states.flatMap(([name, state]) => {
        const shown = authorityJson(state);
        return shown === undefined ? [] : [[name, shown] as const];
      });
      context.output.data(Object.fromEntries(json), () => authorityLines(states, Date.now()));
      return undefined;
    },
  };
}
