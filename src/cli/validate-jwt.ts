import { readFileSync } from "node:fs";
import { fail, isKind } from "../base/errors.ts";
import { readSecretFile } from "../config/secret.ts";
import type { ValidateJWTSVIDResponse__Output } from "../rpc/gen/ValidateJWTSVIDResponse.ts";
import type { Command } from "./program/command.ts";
import { UsageError } from "./program/grammar.ts";
import { factLines } from "./text/facts.ts";
import { OUTPUT_OPTION } from "./program/options.ts";
import { AGENT_SOCKET_OPTION, WORKLOAD_API, connectAgent } from "./connection/rpc-clients.ts";
import { plainValue } from "./text/struct.ts";

export const command: Command = {
  name: "validate jwt",
  options: [
    { name: "audience", value: "NAME", help: "who the token must be meant for", required: true },
    { name: "token-file", value: "FILE", help: "file with the token; - is standard input" },
    {
      name: "token",
      value: "TOKEN",
      help: "the token; every user of this host can read it in the process list",
    },
    AGENT_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay validate jwt --audience reports --token-file token.jwt"],
  notes: ["Exit code 0: valid; 1: not valid, or nobody could tell."],
  async run(context) {
    const { options, output } = context;
    const svid = tokenText(options.text("token"), options.text("token-file"));
    using agent = await connectAgent(context);
    const response = await validate(options.required("audience"));
    const claims = plainValue(response.claims) as Record<string, unknown>;
    output.data({ spiffeId: response.spiffe_id, claims }, () => [
      `valid: ${response.spiffe_id}`,
      ...factLines(
        Object.entries(claims).map(([name, value]) => [name, JSON.stringify(value)] as const),
        "  ",
      ),
    ]);
    return undefined;

    async function validate(audience: string): Promise<ValidateJWTSVIDResponse__Output> {
      try {
        return await agent.call(WORKLOAD_API, "ValidateJWTSVID", { audience, svid });
      } catch (thrown) {
        if (!isKind(thrown, "invalid")) throw thrown;
        throw fail("invalid", `not valid: ${thrown.message}`, { cause: thrown });
      }
    }
  },
};

function tokenText(token: string | undefined, file: string | undefined): string {
  if (token !== undefined && file !== undefined) {
    throw new UsageError("--token and --token-file are both given; leave one out");
  }
  if (token !== undefined) return token;
  if (file === undefined) {
    throw new UsageError("no token was given; use --token-file FILE, or --token-file - for a pipe");
  }
  return file === "-" ? readFileSync(0, "utf8").trim() : readSecretFile(file, "--token-file");
}
