import type { JWTSVIDResponse__Output } from "../../rpc/gen/JWTSVIDResponse.ts";
import { parseCompact } from "../../jwt/compact.ts";
import type { Command, CommandContext } from "../program/command.ts";
import { factLines, isoTime, timeText } from "../text/facts.ts";
import { VIA_OPTIONS, isViaToken, jwtViaToken } from "./via-token.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { AGENT_SOCKET_OPTION, WORKLOAD_API, connectAgent } from "../connection/rpc-clients.ts";

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
    ...VIA_OPTIONS,
    AGENT_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay fetch jwt --audience reports"],
  async run(context) {
    const { output } = context;
    const tokens = isViaToken(context) ? await fromServer(context) : await fromAgent(context);
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

interface FetchedToken {
  readonly spiffeId: string;
  readonly hint: string;
  readonly expiresAt: number;
  readonly token: string;
}

async function fromAgent(context: CommandContext): Promise<FetchedToken[]> {
  const { options } = context;
  using agent = await connectAgent(context);
  const { svids } = await agent.call<JWTSVIDResponse__Output>(WORKLOAD_API, "FetchJWTSVID", {
    audience: options.list("audience"),
    spiffe_id: options.text("spiffe-id") ?? "",
  });
  return svids.map(({ spiffe_id: spiffeId, svid: token, hint }) => ({
    spiffeId,
    hint,
    expiresAt: Number(parseCompact(token).claims["exp"]),
    token,
  }));
}

async function fromServer(context: CommandContext): Promise<FetchedToken[]> {
  const { options } = context;
  const svids = await jwtViaToken(context, options.text("spiffe-id"), options.list("audience"));
  return svids.map(({ id, hint, expires_at: expiresAt, token }) => ({
    spiffeId: id === null ? "" : `spiffe://${id.trust_domain}${id.path}`,
    hint,
    expiresAt: Number(expiresAt),
    token,
  }));
}
