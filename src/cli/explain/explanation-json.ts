import type { AgentSync__Output } from "../../rpc/gen/assay/explain/v1/AgentSync.ts";
import type { ExplainPidResponse__Output } from "../../rpc/gen/assay/explain/v1/ExplainPidResponse.ts";
import type { ExplainedEntry__Output } from "../../rpc/gen/assay/explain/v1/ExplainedEntry.ts";
import type { UnfilledVariable__Output } from "../../rpc/gen/assay/explain/v1/UnfilledVariable.ts";
import type { Selector__Output } from "../../rpc/gen/spire/api/types/Selector.ts";
import { isoTime } from "../text/facts.ts";

/** The machine-readable form; its names are stable. */
export function explanationJson(answer: ExplainPidResponse__Output): Record<string, unknown> {
  const { process, sync } = answer;
  return {
    verdict: word(answer.verdict),
    process: {
      pid: process?.pid ?? 0,
      uid: process?.uid ?? 0,
      gid: process?.gid ?? 0,
      groups: process?.groups ?? [],
      ...time("seenAt", process?.seen_at),
    },
    attestors: answer.attestors.map(({ type, names, selectors, error, gaps }) => ({
      type,
      names,
      selectors: selectors.map(selectorText),
      ...(error === "" ? {} : { error }),
      gaps: gaps.map((gap) => ({ names: gap.names, reason: gap.reason })),
    })),
    matching: answer.matching.map(entryJson),
    nearest: answer.nearest.map(entryJson),
    parentIds: answer.parent_ids,
    sync: {
      agentId: sync?.agent_id ?? "",
      inSync: sync !== null && isInSync(sync, answer.nearest),
      synced: sync?.synced ?? false,
      mode: sync?.mode ?? "",
      ...time("lastContact", sync?.last_contact),
      revision: Number(sync?.revision ?? 0),
      serverRevision: Number(sync?.server_revision ?? 0),
      failures: sync?.failures ?? 0,
      ...(sync === null || sync.last_error === "" ? {} : { lastError: sync.last_error }),
      entries: sync?.entries ?? 0,
    },
    ...(answer.server_error === "" ? {} : { serverError: answer.server_error }),
  };
}

export type Nearest = ExplainPidResponse__Output["nearest"];

/** Revisions may differ all the same: the agent is told of those that concern it, and of others every 30 s. */
export function isInSync(sync: AgentSync__Output, nearest: Nearest): boolean {
  const lacks = nearest.some(({ obstacles }) => obstacles.includes("NOT_HELD"));
  return sync.synced && sync.failures === 0 && !lacks;
}

export function selectorText(selector: Selector__Output | null): string {
  return `${selector?.type ?? ""}:${selector?.value ?? ""}`;
}

function entryJson(entry: ExplainedEntry__Output): Record<string, unknown> {
  return {
    id: entry.id,
    spiffeId: entry.spiffe_id,
    ...(entry.parent_id === "" ? {} : { parentId: entry.parent_id }),
    ...(entry.parent_kind === "PARENT_KIND_UNSPECIFIED"
      ? {}
      : { parentKind: word(entry.parent_kind) }),
    obstacles: entry.obstacles.map(word),
    missing: entry.missing.map(({ selector, reason, found, detail }) => ({
      selector: selectorText(selector),
      reason: word(reason),
      found: found.map(selectorText),
      ...(detail === "" ? {} : { detail }),
    })),
    ...(entry.unfilled.length === 0 ? {} : { unfilled: entry.unfilled.map(unfilledJson) }),
    selectorsPresent: entry.selectors_present,
    revisionNumber: Number(entry.revision_number),
    ...time("expiresAt", entry.expires_at),
    ...time("removedAt", entry.removed_at),
    ...time("svidExpiresAt", entry.svid_expires_at),
  };
}

function unfilledJson(each: UnfilledVariable__Output): Record<string, unknown> {
  return {
    variable: each.variable,
    reason: word(each.reason),
    found: each.found,
    ...(each.detail === "" ? {} : { detail: each.detail }),
  };
}

/** `NO_ENTRY` as `no_entry`. */
function word(name: string): string {
  return name.toLowerCase();
}

/** Absent for 0. */
function time(name: string, seconds: string | undefined): Record<string, string> {
  return seconds === undefined || seconds === "0" ? {} : { [name]: isoTime(Number(seconds)) };
}
