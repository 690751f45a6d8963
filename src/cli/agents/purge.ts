import type { Command } from "../program/command.ts";
import { idMessage, idText } from "../text/ids.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { evictEach } from "./evict.ts";
import { listAgents } from "./list.ts";

export const command: Command = {
  name: "agents purge",
  options: [
    {
      name: "expired-for",
      value: "DURATION",
      help: "how long ago the agent's SVID must have ended",
      fallback: "30d",
    },
    { name: "all", help: "also agents that cannot attest again by themselves, as with a token" },
    { name: "dry-run", help: "show them only" },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: ["assay agents purge --dry-run", "assay agents purge --expired-for 7d --all"],
  notes: [
    "Banned agents stay: without their record they could attest again. Where attestation trusts on first use, the",
    "record of an agent keeps others from attesting in its place, so --all is not the default.",
  ],
  async run(context) {
    const { options, output } = context;
    const seconds = options.seconds("expired-for") ?? DEFAULT_SECONDS;
    using server = await connectServer(context);
    const agents = await listAgents(server, {
      by_expires_before: expiresBefore(Date.now() - seconds * 1000),
      by_banned: { value: false },
      ...(options.flag("all") ? {} : { by_can_reattest: { value: true } }),
    });
    const ids = agents.map(({ id }) => idMessage(idText(id), "spiffe-id"));
    if (ids.length === 0 && output.format === "text") {
      const more = options.flag("all") ? "" : "; --all has those of join tokens too";
      output.note(`no agents that ended so long ago${more}`);
    }
    if (!options.flag("dry-run")) return await evictEach(server, output, ids);
    output.data(
      ids.map((id) => ({ spiffeId: idText(id) })),
      () => ids.map((id) => `would evict ${idText(id)}`),
    );
    return undefined;
  },
};

/** The form that the filter takes: `2026-01-31 12:00:00 +0000 +00`. */
function expiresBefore(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")} +0000 +00`;
}

const DEFAULT_SECONDS = 30 * 24 * 3600;
