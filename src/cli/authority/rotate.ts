import { setTimeout as wait } from "node:timers/promises";
import type { ActivateX509AuthorityResponse__Output } from "../../rpc/gen/spire/api/server/localauthority/v1/ActivateX509AuthorityResponse.ts";
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

/** `authority x509 rotate`, `authority jwt rotate`: the next authority, published and then signing. */
export function rotateCommand(kind: AuthorityWord): Command {
  return {
    name: `authority ${kind} rotate`,
    options: [
      {
        name: "wait",
        value: "DURATION",
        help: "how long the new one is published before it signs",
        fallback: "15s",
      },
      SERVER_SOCKET_OPTION,
      OUTPUT_OPTION,
    ],
    examples: [`assay authority ${kind} rotate`, `assay authority ${kind} rotate --wait 10m`],
    notes: [
      "Agents that poll ask every 5 s; federated domains ask every few minutes: wait longer where they must verify what",
      "is signed next. What the old one signed stays good: 'assay agents rotate --all' has it replaced.",
    ],
    async run(context) {
      const { options, output, signal } = context;
      const seconds = options.seconds("wait") ?? DEFAULT_WAIT_SECONDS;
      using server = await connectServer(context);
      const { prepared_authority: prepared } =
        await server.call<PrepareX509AuthorityResponse__Output>(
          AUTHORITY_SERVICE,
          `Prepare${API_NAMES[kind]}Authority`,
          {},
        );
      const id = prepared?.authority_id ?? "";
      if (seconds > 0) {
        output.note(`assay: ${id} is published; it signs in ${seconds} s`);
        try {
          await wait(seconds * 1000, undefined, { signal });
        } catch (thrown) {
          output.note(`assay: stopped; 'assay authority ${kind} activate ${id}' goes on`);
          throw thrown;
        }
      }
      const { activated_authority: activated } =
        await server.call<ActivateX509AuthorityResponse__Output>(
          AUTHORITY_SERVICE,
          `Activate${API_NAMES[kind]}Authority`,
          { authority_id: id },
        );
      output.data(authorityJson(activated), () =>
        authorityLines([["active", activated]], Date.now()),
      );
      return undefined;
    },
  };
}

const DEFAULT_WAIT_SECONDS = 15;
