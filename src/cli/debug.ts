import { formatDuration } from "../config/settings/duration.ts";
import type { GetInfoResponse__Output as AgentInfo } from "../rpc/gen/spire/agent/debug/v1/GetInfoResponse.ts";
import type { GetInfoResponse__Output as ServerInfo } from "../rpc/gen/spire/api/server/debug/v1/GetInfoResponse.ts";
import { type AdminPeer, PEER_OPTIONS, connectPeer } from "./connection/admin-peer.ts";
import type { Command } from "./program/command.ts";
import { factLines, isoTime, timeText } from "./text/facts.ts";
import { idText } from "./text/ids.ts";
import { OUTPUT_OPTION } from "./program/options.ts";

export const command: Command = {
  name: "debug",
  operand: "of",
  options: [...PEER_OPTIONS, OUTPUT_OPTION],
  examples: ["assay debug", "assay debug agent --socket /run/assay/agent-admin/admin.sock"],
  async run(context) {
    using peer = await connectPeer(context);
    const { chain, uptime, numbers, lastSync } = await info(peer);
    const rows = chain.map(({ id, expires_at, subject }) => ({
      ...(id === null ? {} : { spiffeId: idText(id) }),
      subject,
      expiresAt: isoTime(Number(expires_at)),
    }));
    const synced = lastSync === 0 ? undefined : lastSync;
    context.output.data(
      {
        uptimeSeconds: uptime,
        ...numbers,
        ...(synced === undefined ? {} : { lastSync: isoTime(synced) }),
        svidChain: rows,
      },
      () => [
        ...factLines([
          ["up for", formatDuration(uptime)],
          ...Object.entries(numbers).map(([name, value]) => [name, String(value)] as const),
          ["last sync", synced === undefined ? undefined : timeText(synced, Date.now())],
        ]),
        ...chain.map(
          ({ id, expires_at, subject }) =>
            `${id === null ? subject : idText(id)}  ends ${timeText(Number(expires_at), Date.now())}`,
        ),
      ],
    );
    return undefined;
  },
};

interface Info {
  readonly chain: ServerInfo["svid_chain"];
  readonly uptime: number;
  readonly numbers: Readonly<Record<string, number>>;
  /** Seconds since 1970; 0: none. */
  readonly lastSync: number;
}

async function info({ role, client }: AdminPeer): Promise<Info> {
  if (role === "server") {
    const answer = await client.call<ServerInfo>("spire.api.server.debug.v1.Debug", "GetInfo", {});
    return {
      chain: answer.svid_chain,
      uptime: answer.uptime,
      numbers: {
        agents: answer.agents_count,
        entries: answer.entries_count,
        bundles: answer.federated_bundles_count,
      },
      lastSync: 0,
    };
  }
  const answer = await client.call<AgentInfo>("spire.agent.debug.v1.Debug", "GetInfo", {});
  return {
    chain: answer.svid_chain,
    uptime: answer.uptime,
    numbers: {
      x509Svids: answer.cached_x509_svids_count,
      jwtSvids: answer.cached_jwt_svids_count,
    },
    lastSync: Number(answer.last_sync_success),
  };
}
