import type { Agent__Output } from "../../rpc/gen/spire/api/types/Agent.ts";
import { factLines, isoTime, timeText } from "../text/facts.ts";
import { idText } from "../text/ids.ts";

/** An agent as `--output json` prints it. */
export interface AgentJson {
  readonly spiffeId: string;
  readonly attestationType: string;
  readonly selectors: readonly string[];
  readonly banned: boolean;
  readonly canReattest: boolean;
  readonly agentVersion: string;
  /** Of the agent's own SVID, lower-case hex; absent when it has none any more. */
  readonly serialNumber?: string;
  readonly expiresAt?: string;
}

export function agentJson(agent: Agent__Output): AgentJson {
  const expiresAt = Number(agent.x509svid_expires_at);
  return {
    spiffeId: idText(agent.id),
    attestationType: agent.attestation_type,
    selectors: agent.selectors.map(({ type, value }) => `${type}:${value}`),
    banned: agent.banned,
    canReattest: agent.can_reattest,
    agentVersion: agent.agent_version,
    ...(agent.x509svid_serial_number === ""
      ? {}
      : { serialNumber: hexSerial(agent.x509svid_serial_number) }),
    ...(expiresAt === 0 ? {} : { expiresAt: isoTime(expiresAt) }),
  };
}

export function agentLines(agent: Agent__Output, nowMs: number): string[] {
  const json = agentJson(agent);
  return [
    json.spiffeId,
    ...factLines(
      [
        ["attested by", json.attestationType],
        ["state", stateText(agent, nowMs)],
        ...json.selectors.map((selector) => ["selector", selector] as const),
        ["svid serial", json.serialNumber],
        ["svid expires", json.expiresAt && timeText(Number(agent.x509svid_expires_at), nowMs)],
        ["version", json.agentVersion === "" ? undefined : json.agentVersion],
      ],
      "  ",
    ),
  ];
}

/** The API has it in decimal; certificates are told apart in hex everywhere else. */
function hexSerial(text: string): string {
  return /^\d+$/.test(text) ? BigInt(text).toString(16) : text;
}

function stateText(agent: Agent__Output, nowMs: number): string {
  if (agent.banned) return "banned";
  return Number(agent.x509svid_expires_at) * 1000 < nowMs ? "expired" : "active";
}
