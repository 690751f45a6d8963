import type { JWTSVIDResponse__Output } from "../../rpc/gen/JWTSVIDResponse.ts";
import { parseCompact } from "../../jwt/compact.ts";
import type { Command } from "../command.ts";
import { factLines, isoTime, timeText } from "../facts.ts";
import { OUTPUT_OPTION } from "../options.ts";
import { AGENT_SOCKET_OPTION, WORKLOAD_API, connectAgent } from "../rpc-clients.ts";

export const command: Command = {
  name: "fetch jwt",
  options: [
    {
      name: "audience",
      value: "NAME",
      help: "who is to accept the token",
      required: true,
      many: true,
    },
    {
      name: "spiffe-id",
      value: "ID",
      help: "identity to use, for a process that has several",
      fallback: "all of them",
    },
    AGENT_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay fetch jwt --audience reports"],
  async run(context) {
    const { options, output } = context;
    using agent = await connectAgent(context);
    const { svids } = await agent.call<JWTSVIDResponse__Output>(WORKLOAD_API, "FetchJWTSVID", {
      audience: options.list("audience"),
      spiffe_id: options.text("spiffe-id") ?? "",
    });
    const tokens = svids.map(({ spiffe_id: spiffeId, svid: token, hint }) => ({
      spiffeId,
      hint,
      expiresAt: Number(parseCompact(token).claims["exp"]),
      token,
    }));
    output.data(
      tokens.map((token) => ({ ...token, expiresAt: isoTime(token.expiresAt) })),
      () =>
        tokens.flatMap(({ spiffeId, hint, expiresAt, token }) => [
          spiffeId,
          ...factLines(
            [
              ["hint", hint === "" ? undefined : hint],
              ["expires", timeText(expiresAt, Date.now())],
              ["token", token],
            ],
            "  ",
          ),
        ]),
    );
    return undefined;
  },
};
