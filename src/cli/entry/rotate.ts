import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { rotateEach } from "../connection/rotation.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";

export const command: Command = {
  name: "entry rotate",
  operand: "id",
  options: [
    { name: "id", value: "ID", help: "the entry's own ID", required: true, many: true },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay entry rotate 8f0c4f57-6dd0-4b67-a7f5-0b3f5f9f1c11"],
  notes: [
    "Agents make new keys and SVIDs for it now, SPIRE agents too; workloads get them on their open streams. What they",
    "had goes on verifying until it ends: to end that, taint and revoke the authority that signed it.",
  ],
  async run({ options, output, ...context }) {
    const ids = options.list("id");
    using server = await connectServer({ options, output, ...context });
    return await rotateEach(server, output, {
      method: "BatchRotateEntry",
      ids,
      name: (id) => id,
      field: "id",
      listedBy: "assay entry list",
    });
  },
};
