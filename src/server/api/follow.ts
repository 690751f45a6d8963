import type { Clock } from "../../base/clock.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { FollowRequest__Output } from "../../rpc/gen/assay/sync/v1/FollowRequest.ts";
import type { FollowResponse } from "../../rpc/gen/assay/sync/v1/FollowResponse.ts";
import type { SyncHandlers } from "../../rpc/gen/assay/sync/v1/Sync.ts";
import type { CallContext, Implementation, StreamContext } from "../../rpc/service.ts";
import { agentOf } from "../endpoints/caller.ts";
import type { FeedDelta } from "../push/agent-feed.ts";
import type { EntryRecord } from "../datastore/contract.ts";
import type { HeldEntry } from "../push/entry-diff.ts";
import type { Positions } from "../push/position.ts";
import type { Propagation } from "../push/propagation.ts";
import type { PushHub } from "../push/push-hub.ts";
import { bundleMessage, entryMessage, templateMessage } from "./messages.ts";

export interface FollowApiDeps {
  readonly hub: PushHub;
  readonly positions: Positions;
  /** Whether the call would still be let in. @throws what the gate throws */
  readonly recheck: (call: CallContext) => Promise<void>;
  readonly clock: Clock;
  readonly random: Random;
  readonly propagation: Pick<Propagation, "told">;
  /** Aborted when the server begins to stop. */
  readonly stopping: AbortSignal;
}

type FollowCall = StreamContext<FollowRequest__Output, FollowResponse>;

/** `assay.sync.v1.Sync`: each agent hears of what concerns it when it happens. */
export function followApi(deps: FollowApiDeps): Implementation<SyncHandlers> {
  return {
    async Follow(call) {
      const request = await call.request();
      const signal = AbortSignal.any([call.signal, deps.stopping]);
      try {
        await follow(call, request, signal, deps);
      } catch (thrown) {
        if (deps.stopping.aborted) throw fail("unavailable", "the server is stopping");
        throw errorFrom(thrown);
      }
    },
  };
}

async function follow(
  call: FollowCall,
  request: FollowRequest__Output,
  signal: AbortSignal,
  deps: FollowApiDeps,
): Promise<never> {
  const { hub, positions, random } = deps;
  const held = await resumed(request, deps);
  using feed = hub.open(agentOf(call).toString());
  if (held !== undefined) feed.resume(held);
  let isChange = false;
  for (let delta = feed.take(); ; ) {
    hub.watchBundles(feed);
    if (delta !== undefined) {
      await tell(call, delta, deps);
      // What a stream begins with, and an entry that ended by itself, is no change that was under way.
      if (isChange) deps.propagation.told(delta.revision);
    }
    const event = await feed.wait(HEARTBEAT_MS * (1 - 0.2 * random.unit()), signal);
    if (event === "replaced") throw fail("conflict", "the agent follows on another stream now");
    isChange = event === "changed" || event === "identity";
    if (event === "changed" || event === "expired") await feed.rest(signal);
    else await deps.recheck(call);
    delta = feed.take();
    if (event === "quiet" && delta === undefined) {
      await send(call, { position: await positions.of(hub.revision) }, deps.clock);
    }
  }
}

/** What the agent holds, when that is a state that this server's history came by; otherwise it begins anew. */
async function resumed(
  { position, held }: FollowRequest__Output,
  { hub, positions }: FollowApiDeps,
): Promise<readonly HeldEntry[] | undefined> {
  // Another server may have told the agent more than this one has seen yet.
  await hub.refresh();
  if (position === null) return undefined;
  const from = { revision: Number(position.revision), mark: Number(position.mark) };
  if (from.revision > hub.revision || !(await positions.isKnown(from))) return undefined;
  return held.map(({ id, revision_number, created_at }) => ({
    id,
    revisionNumber: Number(revision_number),
    createdAt: Number(created_at),
  }));
}

async function tell(call: FollowCall, delta: FeedDelta, deps: FollowApiDeps): Promise<void> {
  const { upserts, removed, rotated, rotation, bundles, removedBundles, reset, revision } = delta;
  // Entries first: the last page has the rest, and the position that holds once all pages are there.
  let at = 0;
  for (; upserts.length - at > PAGE_SIZE; at += PAGE_SIZE) {
    const page = entryLists(upserts.slice(at, at + PAGE_SIZE));
    await send(call, { reset: reset && at === 0, ...page, more: true }, deps.clock);
  }
  const last = {
    reset: reset && at === 0,
    ...entryLists(upserts.slice(at)),
    removed_entries: [...removed],
    rotated_entries: [...rotated],
    bundles: bundles.map((bundle) => bundleMessage(bundle, null)),
    removed_bundles: [...removedBundles],
    // The own bundle alone has any.
    crls: bundles.flatMap(({ crls = [] }) => crls.map((der) => Buffer.from(der))),
    position: await deps.positions.of(revision),
    ...(rotation === undefined ? {} : { rotation: { number: rotation } }),
    spread_ms: Math.min(deps.hub.size * SPREAD_PER_AGENT_MS, MAX_SPREAD_MS),
  };
  await send(call, last, deps.clock);
}

/** Identities, and families of them. */
function entryLists(
  records: readonly EntryRecord[],
): Pick<FollowResponse, "entries" | "templated_entries"> {
  const plain = records.filter(({ template }) => template === undefined);
  return {
    entries: plain.map((entry) => entryMessage(entry, null)),
    templated_entries: records.flatMap((entry) => {
      const template = templateMessage(entry);
      return template === undefined ? [] : [{ entry: entryMessage(entry, null), template }];
    }),
  };
}

/** @throws deadline when the agent reads nothing for so long */
async function send(call: FollowCall, response: FollowResponse, clock: Clock): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const cancel = clock.after(SEND_TIMEOUT_MS, () =>
    reject(fail("deadline", "the agent does not read its stream")),
  );
  try {
    await Promise.race([call.send(response), late]);
  } finally {
    cancel();
  }
}

const PAGE_SIZE = 500;
const HEARTBEAT_MS = 30_000;
const SEND_TIMEOUT_MS = 60_000;
/** Some agents' renewals take a server this long. */
const SPREAD_PER_AGENT_MS = 5;
const MAX_SPREAD_MS = 10 * 60_000;
