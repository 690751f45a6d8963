/**
 * The `systemd` workload attestor: the unit that the system's service manager says a process is in. Selectors `id` and
 * `fragment_path` as SPIRE's plugin of the same name writes them, and `slice`.
 */
import type { Clock } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import { LruMap } from "../../../base/lru.ts";
import { type Selector, isPrintableValue } from "../../../spiffe/selector.ts";
import type { WorkloadAttestor } from "../../contract.ts";
import type { ContainerLookup } from "../container/container-lookup.ts";
import { type Unit, Units } from "./units.ts";

export interface SystemdAttestorOptions {
  readonly clock: Clock;
  /** Path of the system bus's socket. */
  readonly bus: string;
  /** Shared with other attestors; whoever made it closes it. */
  readonly containers: ContainerLookup;
  /** How long the bus may take. Default: 4 s. */
  readonly patienceMs?: number;
}

/** A process that systemd is asked about. */
interface Question {
  readonly pid: number;
  /** What the kernel said of its cgroups, */
  readonly cgroup: string;
  /** and whether it still says so. */
  readonly isStill: () => boolean;
}

interface Held {
  readonly selectors: readonly Selector[];
  readonly atMs: number;
}

/**
 * A unit is a cgroup, so an answer is kept by what the kernel says of a process's cgroups, for five seconds, and never
 * by PID: a unit file that was moved shows after that.
 */
export function systemdAttestor(options: SystemdAttestorOptions): WorkloadAttestor & Disposable {
  const { clock, bus, containers: cgroups, patienceMs = DEFAULT_PATIENCE_MS } = options;
  const units = new Units({ bus, clock, patienceMs });
  const held = new LruMap<string, Held>(MAX_HELD);
  const asked = new Map<string, Promise<readonly Selector[]>>();

  const fresh = (cgroup: string): readonly Selector[] | undefined => {
    const found = held.get(cgroup);
    if (found === undefined) return undefined;
    const ageMs = clock.nowMs() - found.atMs;
    return ageMs >= 0 && ageMs < SERVES_MS ? found.selectors : undefined;
  };

  const ask = async ({ pid, cgroup, isStill }: Question): Promise<readonly Selector[]> => {
    const unit = await units.of(pid);
    // Systemd looked at the same file meanwhile: it counts if it said the same before and after.
    if (!isStill()) {
      throw fail("unavailable", "the calling process ended or moved to another cgroup meanwhile");
    }
    const selectors = sameAs(held.get(cgroup)?.selectors, selectorsOf(unit));
    if (cgroup.length <= MAX_KEPT_TEXT) held.set(cgroup, { selectors, atMs: clock.nowMs() });
    return selectors;
  };

  /** Whoever of the same cgroup comes meanwhile waits for the same answer. */
  const askForAll = (question: Question): Promise<readonly Selector[]> => {
    if (asked.size >= MAX_ASKED) {
      throw fail("limited", "too many processes are being asked about; retry");
    }
    const answer = ask(question).finally(() => asked.delete(question.cgroup));
    asked.set(question.cgroup, answer);
    return answer;
  };

  return {
    type: "systemd",
    names: NAMES,
    lookNow(pid, moment) {
      const selectors = fresh(cgroups.look(pid, moment).cgroup);
      return selectors === undefined ? undefined : { selectors: () => selectors };
    },
    async attest({ pid }, { signal }) {
      signal.throwIfAborted();
      const look = cgroups.look(pid);
      const { cgroup } = look;
      const known = fresh(cgroup);
      if (known !== undefined) return known;
      const isStill = (): boolean => cgroups.isStill(pid, look);
      const asking = asked.get(cgroup);
      if (asking === undefined) return askForAll({ pid, cgroup, isStill });
      // Another process of the cgroup is asked about; if it ends meanwhile this one still has to be.
      const shared = await asking.catch(() => undefined);
      if (shared !== undefined && isStill()) return shared;
      signal.throwIfAborted();
      return ask({ pid, cgroup, isStill });
    },
    [Symbol.dispose]: () => units[Symbol.dispose](),
  };
}

function selectorsOf(unit: Unit | undefined): readonly Selector[] {
  if (unit === undefined) return NONE;
  const { id, fragmentPath, slice } = unit;
  const values = [
    ["id", id],
    ["fragment_path", fragmentPath],
    ["slice", slice],
  ] as const;
  return Object.freeze(
    values
      .filter(([, value]) => value !== "" && isPrintableValue(value))
      .map(([name, value]) => ({ type: "systemd", value: `${name}:${value}` })),
  );
}

/** The array of before where it says the same, so that what follows from it is worked out once. */
function sameAs(
  before: readonly Selector[] | undefined,
  found: readonly Selector[],
): readonly Selector[] {
  const isSame =
    before?.length === found.length && before.every(({ value }, i) => value === found[i]?.value);
  return isSame ? before : found;
}

const NAMES = ["id", "fragment_path", "slice"];
const NONE: readonly Selector[] = Object.freeze([]);
const SERVES_MS = 5000;
const DEFAULT_PATIENCE_MS = 4000;
const MAX_HELD = 1024;
const MAX_KEPT_TEXT = 4096;
const MAX_ASKED = 256;
