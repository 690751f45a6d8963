/** `assay.explain.v1.Explain`: why a process of this host has the identities it has, and no others. */
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { errorFrom, fail, isKind } from "../../base/errors.ts";
import type { AgentSync } from "../../rpc/gen/assay/explain/v1/AgentSync.ts";
import type { ExplainedEntry } from "../../rpc/gen/assay/explain/v1/ExplainedEntry.ts";
import type { ExplainPidRequest__Output } from "../../rpc/gen/assay/explain/v1/ExplainPidRequest.ts";
import type { ExplainPidResponse } from "../../rpc/gen/assay/explain/v1/ExplainPidResponse.ts";
import type { NearestResponse__Output } from "../../rpc/gen/assay/explain/v1/NearestResponse.ts";
import type { NearEntry__Output } from "../../rpc/gen/assay/explain/v1/NearEntry.ts";
import type { Verdict } from "../../rpc/gen/assay/explain/v1/Verdict.ts";
import { type Selector, canonicalSelectors } from "../../spiffe/selector.ts";
import type { Attestation, Examination, Finding } from "../attestation/attestation.ts";
import type { Cache } from "../cache/cache.ts";
import { openPeer } from "../peer/peer.ts";
import type { SyncState } from "../sync/sync.ts";
import { MAX_NEAREST, type NearEntry, ownEntries, registeredId } from "./near-entries.ts";
import { explainUnfilled } from "./unfilled-template.ts";
import { explainMissing } from "./selector-mismatch.ts";

export interface ExplainSource {
  readonly attestation: Attestation;
  readonly cache: Cache;
  readonly clock: Clock;
  /** `undefined` until the agent follows its server. */
  readonly syncState: () => SyncState | undefined;
  /** The agent's own ID; `undefined` before it has one. */
  readonly agentId: () => string | undefined;
  /** Why it has none yet, as far as is known. */
  readonly whyNoIdentity: () => string | undefined;
  /** What the server adds. */
  readonly askServer: (
    selectors: readonly Selector[],
    signal: AbortSignal,
  ) => Promise<NearestResponse__Output>;
  /** Ends when the agent stops. */
  readonly stopping: AbortSignal;
}

export function explainHandlers(source: ExplainSource) {
  return {
    ExplainPid: async ({ pid, uid }: ExplainPidRequest__Output): Promise<ExplainPidResponse> => {
      if (pid < 0) throw fail("invalid", "pid is a number from 0 on");
      if (pid > 0) return explain(await examine(pid, source), source);
      const last = source.attestation.lastForeign(uid);
      if (last === undefined) {
        const whose = uid === undefined ? "" : ` of user ${uid}`;
        throw fail("not_found", `no caller${whose} without a process id here has called lately`);
      }
      return explain(last, source, last.atMs);
    },
  };
}

/** @param atMs when it was looked at, if that is not now */
async function explain(
  { facts, findings }: Examination,
  source: ExplainSource,
  atMs = 0,
): Promise<ExplainPidResponse> {
  const selectors = canonicalSelectors(findings.flatMap((finding) => finding.selectors));
  const attested = findings.some(({ error }) => error === undefined);
  const own = ownEntries(source.cache, selectors, epochSeconds(source.clock));
  const { answer, serverError } = await askServer(source, selectors);
  const told = (answer?.entries ?? []).flatMap((near) => explainTold(near, source, own, findings));
  const shown = (near: NearEntry): ExplainedEntry => ({
    ...explainOwn(near, source, findings),
    unfilled: near.obstacles.includes("TEMPLATE")
      ? explainUnfilled(near.entry, selectors, findings)
      : [],
  });
  const matching = attested ? own.matching.map(shown) : [];
  const toldIds = new Set(told.map(({ id }) => id));
  const ownNearest = own.nearest
    .filter(({ entry }) => !toldIds.has(registeredId(entry)))
    .map(shown);
  const agentId = source.agentId();
  return {
    verdict: verdictOf(attested, matching, told, source.cache),
    process: { ...facts, groups: [...facts.groups], seen_at: Math.floor(atMs / 1000) },
    attestors: findings.map(({ type, names, error, gaps, ...finding }) => ({
      type,
      names: [...names],
      selectors: [...finding.selectors],
      gaps: gaps.map((gap) => ({ names: [...gap.names], reason: gap.reason })),
      error: error?.message ?? "",
    })),
    matching,
    nearest: attested ? mixed(ownNearest, told) : [],
    parent_ids: answer?.parent_ids ?? (agentId === undefined ? [] : [agentId]),
    sync: syncMessage(source, answer),
    server_error: serverError,
  };
}

/** Held from here on, so that another process that gets the PID meanwhile is not mistaken for it. */
async function examine(
  pid: number,
  { attestation, stopping }: ExplainSource,
): Promise<Examination> {
  const peer = openPeer(pid);
  try {
    return await attestation.examine(peer, stopping);
  } catch (error) {
    if (!isKind(error, "denied")) throw error;
    throw fail("not_found", `process ${pid} ended or changed while it was looked at`, {
      cause: error,
    });
  } finally {
    peer.release();
  }
}

async function askServer(
  { askServer: ask, agentId, whyNoIdentity, stopping }: ExplainSource,
  selectors: readonly Selector[],
): Promise<{ readonly answer?: NearestResponse__Output; readonly serverError: string }> {
  if (agentId() === undefined) {
    const why = whyNoIdentity();
    const none = "the agent has no identity yet";
    return { serverError: why === undefined ? none : `${none}: ${why}` };
  }
  if (selectors.length === 0) return { serverError: "there is no selector to ask about" };
  try {
    return { answer: await ask(selectors.slice(0, MAX_ASKED), stopping), serverError: "" };
  } catch (thrown) {
    const error = errorFrom(thrown);
    // What grpc says of a deadline is about itself.
    if (error.kind === "deadline") return { serverError: "it did not answer in time" };
    if (error.kind === "unsupported") return { serverError: "it does not explain its entries" };
    return { serverError: error.message };
  }
}

/** What the server told, but for what the agent knows as well. */
function explainTold(
  near: NearEntry__Output,
  { cache }: ExplainSource,
  own: { readonly matching: readonly NearEntry[] },
  findings: readonly Finding[],
): ExplainedEntry[] {
  const held = cache.entries.get(near.id);
  const isServed = own.matching.some(({ entry }) => registeredId(entry) === near.id);
  const { revision_number } = near;
  const obstacles = [...near.obstacles];
  if (obstacles.length === 0) {
    // The agent's own to serve: worth a word only if it does not know so.
    if (held !== undefined && String(held.revisionNumber) === revision_number) return [];
    obstacles.push("NOT_HELD");
  } else if (isServed) {
    // It was taken away in this very moment.
    return [];
  }
  if (near.missing.length > 0) obstacles.push("SELECTORS");
  return [
    {
      ...near,
      obstacles,
      missing: near.missing.map((selector) => explainMissing(selector, findings)),
      removed_at: 0,
    },
  ];
}

function explainOwn(
  { entry, missing, obstacles, removedAt }: NearEntry,
  { cache }: ExplainSource,
  findings: readonly Finding[],
): ExplainedEntry {
  return {
    id: registeredId(entry),
    spiffe_id: entry.template?.id ?? entry.spiffeId,
    obstacles: [...obstacles],
    missing: missing.map((selector) => explainMissing(selector, findings)),
    selectors_present: entry.selectors.length - missing.length,
    expires_at: entry.expiresAt,
    revision_number: entry.revisionNumber,
    svid_expires_at: cache.svidState(entry).expiresAt ?? 0,
    removed_at: removedAt,
  };
}

/**
 * Nearest first; a parent that is not this agent counts as much as a selector, and so does that it is held no more: what
 * the process could have comes before what it had. Neither side crowds out the other.
 */
function mixed(own: readonly ExplainedEntry[], told: readonly ExplainedEntry[]): ExplainedEntry[] {
  const kept = own.slice(0, MAX_NEAREST - Math.min(told.length, MAX_NEAREST / 2));
  const all = [...kept, ...told.slice(0, MAX_NEAREST - kept.length)];
  return all.sort((a, b) => distance(a) - distance(b));
}

function distance({ obstacles = [], missing = [], selectors_present }: ExplainedEntry): number {
  const isElsewhere = obstacles.includes("PARENT") || obstacles.includes("NODE_ALIAS");
  // More than what lacks one thing, less than what lacks it and has nothing else in common.
  const wasHeld = obstacles.includes("REMOVED") ? 1.5 : 0;
  const nothingShared = selectors_present === 0 ? 1 : 0;
  return missing.length + (isElsewhere ? 1 : 0) + wasHeld + nothingShared;
}

function verdictOf(
  attested: boolean,
  matching: readonly ExplainedEntry[],
  told: readonly ExplainedEntry[],
  cache: Cache,
): Verdict {
  if (!attested) return "NOT_ATTESTED";
  if (matching.length > 0) return "SERVED";
  const lacks = told.some(({ obstacles }) => obstacles?.includes("NOT_HELD"));
  return cache.synced && !lacks ? "NO_ENTRY" : "NOT_SYNCED";
}

function syncMessage(
  { cache, syncState, agentId }: ExplainSource,
  answer: NearestResponse__Output | undefined,
): AgentSync {
  const state = syncState();
  return {
    synced: cache.synced,
    mode: state?.mode ?? "",
    last_contact: Math.floor((state?.lastContactMs ?? 0) / 1000),
    revision: state?.revision ?? 0,
    server_revision: answer?.revision ?? 0,
    failures: state?.failures ?? 0,
    last_error: state?.lastError?.message ?? "",
    entries: cache.entryCount,
    agent_id: agentId() ?? "",
  };
}

/** As many as the server takes. */
const MAX_ASKED = 1000;
