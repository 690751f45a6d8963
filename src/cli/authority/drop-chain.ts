import type { RemoveX509ChainResponse__Output } from "../../rpc/gen/assay/authority/v1/RemoveX509ChainResponse.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { EXAMPLE_IDS } from "./kinds.ts";
import { SETS_SERVICE, SET_OPTION, setOf } from "./sets.ts";

/** `authority x509 drop-chain`: what `import` took of cross certificates. */
export const command: Command = {
  name: "authority x509 drop-chain",
  operand: "root-id",
  options: [
    {
      name: "root-id",
      value: "ROOT-ID",
      help: "the other root's ID, as 'authority x509 show' prints it ('also below')",
      required: true,
    },
    SET_OPTION,
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [`assay authority x509 drop-chain ${EXAMPLE_IDS.x509} --set web`],
  notes: [
    "The cross certificates that lead to this root go from all authorities of the set: ACME clients are offered that chain",
    "no more, for certificates of before neither. The authorities' own chains stay.",
  ],
  async run(context) {
    const { options, output } = context;
    const rootId = options.required("root-id");
    using server = await connectServer(context);
    const { authorities } = await server.call<RemoveX509ChainResponse__Output>(
      SETS_SERVICE,
      "RemoveX509Chain",
      { set: setOf("x509", options), root_subject_key_id: rootId },
    );
    const ids = authorities.map(({ authority_id: id }) => id);
    output.data({ rootId, authorities: ids }, () =>
      ids.map((id) => `${id} is not below ${rootId} any more`),
    );
    return undefined;
  },
};
