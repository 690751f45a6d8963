import { createHash } from "node:crypto";
import type { CreateOneTimeResponse__Output } from "../rpc/gen/assay/token/v1/CreateOneTimeResponse.ts";
import type { JoinToken__Output } from "../rpc/gen/spire/api/types/JoinToken.ts";
import { factLines, isoTime, timeText } from "./text/facts.ts";
import { checkWritable, replaceFile } from "./files/replace-file.ts";
import { idMessage, idText } from "./text/ids.ts";
import type { Command, CommandContext } from "./program/command.ts";
import { UsageError } from "./program/grammar.ts";
import { OUTPUT_OPTION } from "./program/options.ts";
import {
  AGENT_SERVICE,
  BUNDLE_SERVICE,
  SERVER_SOCKET_OPTION,
  connectServer,
} from "./connection/rpc-clients.ts";

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
      name: "entry",
      value: "ID",
      help: "make a one-time token of this entry for a workload, not a join token",
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
    "assay token generate --entry vm7 --ttl 1h --write vm7.token",
  ],
  notes: [
    "A join token lets one agent attest once; a one-time token proves one workload once, for an entry with the selector token:once:entry:ID.",
  ],
  async run(context) {
    const { options, output } = context;
    if (options.text("entry") !== undefined) return oneTime(context);
    const alias = options.text("spiffe-id");
    const ttl = options.life("ttl") ?? DEFAULT_TTL_SECONDS;
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

async function oneTime(context: CommandContext): Promise<undefined> {
  const { options, output } = context;
  if (options.text("spiffe-id") !== undefined) {
    throw new UsageError("--entry and --spiffe-id exclude each other");
  }
  const entryId = options.required("entry");
  const ttl = options.life("ttl") ?? DEFAULT_TTL_SECONDS;
  const file = options.text("write");
  if (file !== undefined) await checkWritable(file, "--write");
  using server = await connectServer(context);
  const made = await server.call<CreateOneTimeResponse__Output>(
    "assay.token.v1.OneTime",
    "Create",
    { entry_id: entryId, ttl },
    "assay entry list",
  );
  const { token } = made;
  const spiffeId = idText(made.spiffe_id);
  const expiresAt = Number(made.expires_at);
  if (file !== undefined) await replaceFile(file, `${token}\n`, 0o600);
  const shown = file === undefined ? { token } : { file };
  output.data({ ...shown, entryId, spiffeId, expiresAt: isoTime(expiresAt) }, () =>
    factLines([
      file === undefined ? ["token", token] : ["written to", file],
      ["entry", entryId],
      ["spiffe id", spiffeId],
      ["expires", timeText(expiresAt, Date.now())],
    ]),
  );
  return undefined;
}

/** IDs stand in listings and logs, so the agent's ID carries the token's hash and never the token. */
function joinTokenAgentId(trustDomain: string, token: string): string {
  const hash = createHash("sha256").update(token).digest("hex");
  return `spiffe://${trustDomain}/spire/agent/join_token/${hash}`;
}

const DEFAULT_TTL_SECONDS = 600;
