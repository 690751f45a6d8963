import { createHash } from "node:crypto";
import type { JoinToken__Output } from "../rpc/gen/spire/api/types/JoinToken.ts";
import type { Command } from "./command.ts";
import { factLines, isoTime, timeText } from "./facts.ts";
import { checkWritable, replaceFile } from "./replace-file.ts";
import { idMessage } from "./ids.ts";
import { OUTPUT_OPTION } from "./options.ts";
import {
  AGENT_SERVICE,
  BUNDLE_SERVICE,
  SERVER_SOCKET_OPTION,
  connectServer,
} from "./rpc-clients.ts";

export const command: Command = {
  name: "token generate",
  options: [
    {
      name: "spiffe-id",
      value: "ID",
      help: "name for the agent's host, to use as the parent of entries",
      fallback: "the agent's own ID",
    },
    {
      name: "ttl",
      value: "DURATION",
      help: "time in which the token can be used",
      fallback: "600s",
    },
    { name: "write", value: "FILE", help: "write the token there (0600) instead of printing it" },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay token generate --spiffe-id spiffe://example.org/host --ttl 600s",
    "assay token generate --spiffe-id spiffe://example.org/host --write token",
  ],
  notes: ["A token lets one agent attest once."],
  async run(context) {
    const { options, output } = context;
    const alias = options.text("spiffe-id");
    const ttl = options.seconds("ttl") ?? DEFAULT_TTL_SECONDS;
    const request = {
      ttl,
      ...(alias === undefined ? {} : { agent_id: idMessage(alias, "spiffe-id") }),
    };
    const file = options.text("write");
    if (file !== undefined) await checkWritable(file, "--write");
    using server = await connectServer(context);
    const token = await server.call<JoinToken__Output>(AGENT_SERVICE, "CreateJoinToken", request);
    const spiffeId = alias ?? (await agentIdOf(token.value));
    const expiresAt = Number(token.expires_at);
    if (file !== undefined) await replaceFile(file, `${token.value}\n`, 0o600);
    const shown = file === undefined ? { token: token.value } : { file };
    output.data({ ...shown, spiffeId, expiresAt: isoTime(expiresAt) }, () =>
      factLines([
        file === undefined ? ["token", token.value] : ["written to", file],
        ["parent id", spiffeId],
        ["expires", timeText(expiresAt, Date.now())],
      ]),
    );
    return undefined;

    async function agentIdOf(value: string): Promise<string> {
      const bundle = await server.call<{ trust_domain: string }>(BUNDLE_SERVICE, "GetBundle", {});
      return joinTokenAgentId(bundle.trust_domain, value);
    }
  },
};

/** IDs stand in listings and logs, so the agent's ID carries the token's hash and never the token. */
function joinTokenAgentId(trustDomain: string, token: string): string {
  const hash = createHash("sha256").update(token).digest("hex");
  return `spiffe://${trustDomain}/spire/agent/join_token/${hash}`;
}

const DEFAULT_TTL_SECONDS = 600;
