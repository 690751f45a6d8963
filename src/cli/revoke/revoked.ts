import type { ListRevocationsResponse__Output } from "../../rpc/gen/assay/revocation/v1/ListRevocationsResponse.ts";
import type { Command } from "../program/command.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { REVOCATION_SERVICE, revocationJson, revocationLine } from "./revocation-facts.ts";

export const command: Command = {
  name: "x509 revoked",
  options: [SERVER_SOCKET_OPTION, OUTPUT_OPTION],
  examples: ["assay x509 revoked"],
  notes: ["Those that ended long ago are not kept."],
  async run(context) {
    using server = await connectServer(context);
    const { revocations } = await server.call<ListRevocationsResponse__Output>(
      REVOCATION_SERVICE,
      "ListRevocations",
      {},
    );
    context.output.data(revocations.map(revocationJson), () =>
      revocations.length === 0 ? ["none"] : revocations.map(revocationLine),
    );
    return undefined;
  },
};
