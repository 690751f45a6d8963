/** The form for people: the answer first, then what it rests on. */
import type { AttestorReport__Output } from "../../rpc/gen/assay/explain/v1/AttestorReport.ts";
import type { AgentSync__Output } from "../../rpc/gen/assay/explain/v1/AgentSync.ts";
import type { ExplainPidResponse__Output } from "../../rpc/gen/assay/explain/v1/ExplainPidResponse.ts";
import type { ExplainedEntry__Output } from "../../rpc/gen/assay/explain/v1/ExplainedEntry.ts";
import { timeText } from "../text/facts.ts";
import { type Nearest, isInSync, selectorText } from "./explanation-json.ts";
import { missingLine, obstacleLine, unfilledLine } from "./obstacle-lines.ts";

export function explanationLines(answer: ExplainPidResponse__Output, nowMs: number): string[] {
  const { process, attestors, matching, nearest, sync } = answer;
  const identity = sync?.agent_id ?? "";
  return [
    `${subjectText(process, nowMs)}: ${verdictText(answer)}`,
    "",
    `attested (uid ${process?.uid}, gid ${process?.gid})`,
    ...attestors.flatMap(attestorLines),
    "",
    matching.length === 0 ? "no entry matches" : "entries that match",
    ...matching.flatMap((entry) => matchingLines(entry, nowMs)),
    ...(nearest.length === 0 ? [] : ["", "nearest entries that do not"]),
    ...nearest.flatMap((entry) => nearLines(entry, answer, nowMs)),
    ...nextStep(answer),
    "",
    `agent ${identity === "" ? "without an identity" : identity}`,
    ...answer.parent_ids.filter((id) => id !== identity).map((id) => `  also ${id}`),
    ...(sync === null ? [] : syncLines(sync, nearest, nowMs)),
    ...(answer.server_error === "" ? [] : [`  nothing from the server: ${answer.server_error}`]),
  ];
}

function subjectText(process: ExplainPidResponse__Output["process"], nowMs: number): string {
  const seenAt = Number(process?.seen_at ?? 0);
  if (seenAt === 0) return `process ${process?.pid}`;
  return `the last caller without a process id here, ${timeText(seenAt, nowMs)}`;
}

/** Where nothing comes near there is nothing to correct, but something to make. */
function nextStep({ verdict, nearest, attestors, parent_ids, sync }: ExplainPidResponse__Output) {
  if (verdict !== "NO_ENTRY" || nearest.length > 0) return [];
  const [selector] = attestors.flatMap(({ selectors }) => selectors);
  // An alias outlives the agent that bears it now.
  const parent = parent_ids.find((id) => id !== sync?.agent_id) ?? parent_ids[0];
  if (selector === undefined || parent === undefined) return [];
  const domain = /^spiffe:\/\/[^/]*/.exec(parent)?.[0] ?? "";
  return [
    "",
    "no entry comes near; one that would, to be run at the server:",
    `  assay entry create --spiffe-id ${domain}/NAME --parent-id ${parent} --selector ${selectorText(selector)}`,
  ];
}

function verdictText({
  verdict,
  matching,
  sync,
  nearest,
  server_error: serverError,
}: ExplainPidResponse__Output): string {
  switch (verdict) {
    case "SERVED":
      return `${matching.length} ${matching.length === 1 ? "entry gives" : "entries give"} it an identity`;
    case "NOT_ATTESTED":
      return "no identity, as every attestor failed";
    case "NOT_SYNCED":
      return "no identity yet, as the agent lacks what the server has";
    case "NO_ENTRY":
    case "VERDICT_UNSPECIFIED": {
      const isDeaf = serverError !== "" && sync !== null && !isInSync(sync, nearest);
      return isDeaf
        ? "no identity, as no entry that the agent knew of matches; it does not hear its server now"
        : "no identity, as no entry of this agent matches";
    }
  }
}

function attestorLines({ type, selectors, error, gaps }: AttestorReport__Output): string[] {
  return [
    ...(error === "" ? [] : [`  ${type} failed: ${error}`]),
    ...selectors.map((selector) => `  ${selectorText(selector)}`),
    ...gaps.map(({ names, reason }) => {
      if (names.length === 0) return `  incomplete: ${reason}`;
      const missing = names.map((name) => `${type}:${name}`).join(", ");
      return `  without ${missing}: ${reason}`;
    }),
  ];
}

function matchingLines(entry: ExplainedEntry__Output, nowMs: number): string[] {
  const until = Number(entry.svid_expires_at);
  const svid = until === 0 ? "no X.509-SVID is held" : `X.509-SVID until ${timeText(until, nowMs)}`;
  return [`  ${entry.spiffe_id}  (entry ${entry.id}, ${svid})`];
}

function nearLines(
  entry: ExplainedEntry__Output,
  answer: ExplainPidResponse__Output,
  nowMs: number,
): string[] {
  // The lines below say which.
  const isSaid = new Set<string>(["SELECTORS", ...(entry.unfilled.length > 0 ? ["TEMPLATE"] : [])]);
  const others = entry.obstacles.filter((obstacle) => !isSaid.has(obstacle));
  return [
    `  ${entry.spiffe_id}  (entry ${entry.id})`,
    ...others.map((obstacle) => `    ${obstacleLine(obstacle, entry, answer, nowMs)}`),
    ...entry.unfilled.map((variable) => `    ${unfilledLine(variable, answer.attestors)}`),
    ...entry.missing.map((missing) => `    ${missingLine(missing, answer.attestors)}`),
  ];
}

function syncLines(sync: AgentSync__Output, nearest: Nearest, nowMs: number): string[] {
  const contact = Number(sync.last_contact);
  const how = { push: "by the server's stream", poll: "by polling" }[sync.mode] ?? "";
  const heard = contact === 0 ? "never heard" : `last heard ${timeText(contact, nowMs)}`;
  const held = sync.entries === 1 ? "1 entry held" : `${sync.entries} entries held`;
  const inSync = isInSync(sync, nearest);
  const isOther = sync.server_revision !== sync.revision;
  const rest = inSync && isOther ? "; what came between is none of this agent's" : "";
  const server =
    sync.server_revision === "0" ? "" : `, the server's ${sync.server_revision}${rest}`;
  return [
    inSync
      ? `  in sync ${how}: ${heard}, ${held}`
      : `  out of sync with its server: ${heard}, ${held}`,
    ...(sync.revision === "0" ? [] : [`  revision ${sync.revision}${server}`]),
    ...(sync.failures === 0
      ? []
      : [`  ${sync.failures} failures in a row, the last: ${sync.last_error}`]),
  ];
}
