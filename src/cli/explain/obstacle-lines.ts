/** One sentence for each thing that keeps an entry from a process, with what to do where that is known. */
import type { AttestorReport__Output } from "../../rpc/gen/assay/explain/v1/AttestorReport.ts";
import type { ExplainPidResponse__Output } from "../../rpc/gen/assay/explain/v1/ExplainPidResponse.ts";
import type { ExplainedEntry__Output } from "../../rpc/gen/assay/explain/v1/ExplainedEntry.ts";
import type { UnfilledVariable__Output } from "../../rpc/gen/assay/explain/v1/UnfilledVariable.ts";
import type { MissingSelector__Output } from "../../rpc/gen/assay/explain/v1/MissingSelector.ts";
import type { Obstacle__Output } from "../../rpc/gen/assay/explain/v1/Obstacle.ts";
import type { ParentKind__Output } from "../../rpc/gen/assay/explain/v1/ParentKind.ts";
import { timeText } from "../text/facts.ts";
import { nearest } from "../../base/nearest.ts";
import { selectorText } from "./explanation-json.ts";

export function obstacleLine(
  obstacle: Obstacle__Output,
  entry: ExplainedEntry__Output,
  { parent_ids, sync }: ExplainPidResponse__Output,
  nowMs: number,
): string {
  switch (obstacle) {
    case "EXPIRED":
      return `expired ${timeText(Number(entry.expires_at), nowMs)}`;
    case "PARENT":
      return parentLine(entry, parent_ids);
    case "NODE_ALIAS":
      return "its parent is the server: it groups agents and is no workload's; give it an agent or an alias as its parent";
    case "NOT_HELD":
      return `the agent does not hold revision ${entry.revision_number} of it: it is at revision ${sync?.revision ?? 0}, the server at ${sync?.server_revision ?? 0}`;
    case "REMOVED":
      return `taken from this agent ${timeText(Number(entry.removed_at), nowMs)}: deleted, or given to another`;
    case "STORED":
      return "its SVIDs go to a store and not to workloads (store_svid)";
    case "SAME_HINT":
      return "an older entry that matches has the same hint";
    case "TEMPLATE":
      return "its template wants a value that the process lacks, has several of, or that is no path segment";
    case "NOT_SIGNED":
      return "the server signed no SVID for it; the agent's log says why";
    case "SELECTORS":
      return "its selectors are not the process's";
    case "OBSTACLE_UNSPECIFIED":
      return "for a reason that this version does not know";
  }
}

export function missingLine(
  { selector, reason, found, detail }: MissingSelector__Output,
  attestors: readonly AttestorReport__Output[],
): string {
  const wanted = selectorText(selector);
  const type = selector?.type ?? "";
  const name = (selector?.value ?? "").split(":", 1)[0] ?? "";
  switch (reason) {
    case "DIFFERENT_VALUE":
      return `wants ${wanted}; the process has ${found.map(selectorText).join(", ")}`;
    case "ABSENT":
      return `wants ${wanted}; the process has no ${type}:${name}`;
    case "UNKNOWN_NAME": {
      const names = attestors.find((attestor) => attestor.type === type)?.names ?? [];
      return `wants ${wanted}; the attestor ${type} has no selector ${name}${hint(name, names)}`;
    }
    case "UNKNOWN_TYPE": {
      const types = attestors.map((attestor) => attestor.type);
      return `wants ${wanted}; no attestor of this agent has the type ${type}${hint(type, types)}`;
    }
    case "UNREADABLE":
      return `wants ${wanted}; that could not be found out: ${detail}${/\bE(ACCES|PERM)\b/.test(detail) ? PRIVILEGE : ""}`;
    case "MISSING_REASON_UNSPECIFIED":
      return `wants ${wanted}`;
  }
}

/** What a template wants, and why it has it not. */
export function unfilledLine(
  {
    variable,
    reason,
    found,
    missing_reason: why,
    detail,
    names_pod: namesPod,
  }: UnfilledVariable__Output,
  attestors: readonly AttestorReport__Output[],
): string {
  const wanted = namesPod
    ? `the server checks its template by the pod, and wants {{${variable}}}`
    : `its template wants {{${variable}}}`;
  switch (reason) {
    case "SEVERAL_VALUES":
      return `${wanted}; the process has several: ${found.map(quoted).join(", ")}`;
    case "NO_SEGMENT":
      return `${wanted}; the process has ${found.map(quoted).join(", ")}, which is no path segment: 1 to 255 letters, digits, dots, dashes and underscores, not . or ..`;
    case "NO_VALUE":
    case "VALUE_REASON_UNSPECIFIED":
      break;
  }
  switch (why) {
    case "UNKNOWN_TYPE": {
      const type = variable.split(".", 1)[0] ?? "";
      const types = attestors.map((attestor) => attestor.type);
      return `${wanted}; no attestor of this agent has the type ${type}${hint(type, types)}`;
    }
    case "UNREADABLE":
      return `${wanted}; that could not be found out: ${detail}${/\bE(ACCES|PERM)\b/.test(detail) ? PRIVILEGE : ""}`;
    case "ABSENT":
    case "DIFFERENT_VALUE":
    case "UNKNOWN_NAME":
    case "MISSING_REASON_UNSPECIFIED":
      return `${wanted}; the process has none`;
  }
}

/** As the process chose it: shortened, on one line. */
function quoted(value: string): string {
  return JSON.stringify(value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}...` : value);
}

/** An ID that nobody bears is one that was mistyped, more often than not. */
function parentLine(
  { parent_id: parent, parent_kind: kind }: ExplainedEntry__Output,
  ids: readonly string[],
): string {
  const paths = new Map(ids.map((id) => [pathOf(id), id]));
  const path = kind === "NOBODY" ? nearest(pathOf(parent), [...paths.keys()]) : undefined;
  const meant = path === undefined ? undefined : paths.get(path);
  const question = meant === undefined ? "" : `, did you mean ${meant}?`;
  return `its parent is ${parent} (${PARENTS[kind]})${question}; this agent is ${ids.join(" and ")}`;
}

function pathOf(id: string): string {
  return id.replace(/^spiffe:\/\/[^/]*/, "");
}

function hint(word: string, candidates: readonly string[]): string {
  const meant = nearest(word, candidates);
  const those = candidates.join(", ");
  return meant === undefined
    ? `; there are ${those}`
    : `, did you mean ${meant}? there are ${those}`;
}

const MAX_VALUE = 80;
/** ptrace(2), "PTRACE_MODE_READ_FSCREDS": what it takes to look at another user's executable. */
const PRIVILEGE = "; an agent that runs as root, or with CAP_SYS_PTRACE, can";

const PARENTS: Readonly<Record<ParentKind__Output, string>> = {
  PARENT_KIND_UNSPECIFIED: "not this agent",
  NOBODY: "neither an agent nor an entry has this ID",
  OTHER_AGENT: "another agent",
  OTHER_ALIAS: "a group of agents that this one is not in",
  OTHER_ENTRY: "an entry that this agent does not serve",
  EXPIRED_PARENT: "an entry that has expired",
};
