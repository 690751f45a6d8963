import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { type AuthorityWord, authorityJson, authorityLines } from "./kinds.ts";
import { callStep, setOf, setOptions } from "./sets.ts";

/** `authority x509 prepare`, `authority jwt prepare`. */
export function prepareCommand(kind: AuthorityWord): Command {
  return {
    name: `authority ${kind} prepare`,
    options: [...setOptions(kind), SERVER_SOCKET_OPTION, OUTPUT_OPTION],
    examples: [`assay authority ${kind} prepare`],
    notes: [
      "It signs nothing before it is activated. Wait until every agent and every federated domain has the new bundle.",
    ],
    async run(context) {
      using server = await connectServer(context);
      const set = setOf(kind, context.options);
      const prepared = await callStep(server, kind, PREPARE, { set });
      context.output.data(authorityJson(prepared), () =>
        authorityLines([["prepared", prepared]], Date.now()),
      );
      return undefined;
    },
  };
}

const PREPARE = { method: "Prepare", done: "prepared" } as const;
