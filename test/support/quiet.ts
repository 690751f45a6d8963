/** When a process has nothing more to do: no request under way, nothing that came in. For tests in virtual time. */
import { createHook } from "node:async_hooks";

/** Timers and what runs in JavaScript alone. */
const OWN = new Set([
  "Timeout",
  "Immediate",
  "TickObject",
  "Microtask",
  "PROMISE",
  "AsyncContextFrame",
]);
/** They end by themselves, soon: threads of the pool, connections being made, writes. */
const UNDER_WAY = /REQ|CONNECTWRAP|WRITEWRAP|SHUTDOWNWRAP|JOB/;
/** Of node:crypto. What is done at once is one, too, and ends for its hooks when it is collected, minutes later. */
const OF_CRYPTO = /REQUEST$|JOB$/;

/** With what of node:crypto stands behind it. */
const open = new Map<number, WeakRef<{ readonly ondone?: unknown }> | undefined>();
const counted = new Set<number>();
let activity = 0;
/** As it was when all was quiet last. */
let seen = -1;
createHook({
  trackPromises: false,
  init(asyncId, type, _triggerAsyncId, resource) {
    if (OWN.has(type)) return;
    activity += 1;
    counted.add(asyncId);
    if (!UNDER_WAY.test(type)) return;
    open.set(asyncId, OF_CRYPTO.test(type) ? new WeakRef(resource) : undefined);
  },
  before(asyncId) {
    if (counted.has(asyncId)) activity += 1;
  },
  after(asyncId) {
    open.delete(asyncId);
  },
  destroy(asyncId) {
    open.delete(asyncId);
    counted.delete(asyncId);
  },
}).enable();

/** Resolves when nothing has happened for some turns of the event loop and nothing is under way. */
export async function quiet(): Promise<void> {
  if (activity === seen && !isUnderWay()) return;
  for (let calm = 0; calm < CALM_TURNS; ) {
    const before = activity;
    await new Promise((resolve) => setImmediate(resolve));
    calm = activity === before && !isUnderWay() ? calm + 1 : 0;
  }
  seen = activity;
}

function isUnderWay(): boolean {
  for (const [asyncId, ofCrypto] of open) {
    // Nobody waits for it: it was done before its caller went on.
    if (ofCrypto !== undefined && ofCrypto.deref()?.ondone === undefined) open.delete(asyncId);
  }
  return open.size > 0;
}

const CALM_TURNS = 5;
