/** What the `docker` and `podman` attestors share: the container's id from the kernel, the rest from its engine. */
import { fail } from "../../../base/errors.ts";
import type { Selector } from "../../../spiffe/selector.ts";
import type { AttestCall, Moment, ProcessFacts, WorkloadLook } from "../../contract.ts";
import type { ContainerLook, ContainerLookup } from "../container/container-lookup.ts";
import type { ContainerAnswer, ContainerAnswers } from "./container-answers.ts";

/** A container and who is to be asked about it. */
export interface ContainerQuestion {
  readonly containerId: string;
  readonly answers: ContainerAnswers;
  /** False for a process that the answer proves nothing about. */
  appliesTo?(process: ProcessFacts): boolean;
}

export interface EngineAttestOptions {
  readonly lookup: ContainerLookup;
  /** All selector names: those that are missing when nothing can be said. */
  readonly names: readonly string[];
  /** `undefined` for a process that this attestor has nothing to say about. */
  readonly questionOf: (look: ContainerLook) => ContainerQuestion | undefined;
}

/** Like `lookNow` of the contract: told at once for a host process, and for a container whose answer still serves. */
export function lookNowAt(
  pid: number,
  { lookup, questionOf }: EngineAttestOptions,
  moment?: Moment,
): WorkloadLook | undefined {
  const look = lookup.look(pid, moment);
  const question = questionOf(look);
  if (question === undefined) {
    // `attest` shows the raw lines of what is not known.
    return look.unknown === undefined ? NOTHING : undefined;
  }
  const fresh = question.answers.fresh(question.containerId);
  if (fresh === undefined) return undefined;
  const { answer } = fresh;
  return { selectors: (process) => selectorsFor(process, question, answer) };
}

/** Like `attest` of the contract. @throws unavailable, unsupported, limited, deadline, denied */
export async function attestWith(
  process: ProcessFacts,
  { signal, onGap }: AttestCall,
  { lookup, names, questionOf }: EngineAttestOptions,
): Promise<readonly Selector[]> {
  signal.throwIfAborted();
  const look = lookup.look(process.pid);
  const question = questionOf(look);
  if (question === undefined) {
    if (look.unknown !== undefined) {
      const reason = `its cgroups look like a container's that is not known: ${look.unknown}`;
      onGap({ names, reason, isTransient: false });
    }
    return NONE;
  }
  if (question.appliesTo?.(process) === false) {
    const reason = `container ${question.containerId} is of another user's engine`;
    onGap({ names, reason, isTransient: false });
    return NONE;
  }
  const answer = await question.answers.ask(question.containerId, signal);
  if (!lookup.isStill(process.pid, look)) {
    throw fail("unavailable", "the calling process moved to another cgroup meanwhile");
  }
  if (answer === undefined) {
    const reason = `the engine has no container ${question.containerId}; another one may run it`;
    onGap({ names, reason, isTransient: false });
  } else if (answer.leftOut.length > 0) {
    const reason = "values that are too long or too many are left out";
    onGap({ names: answer.leftOut, reason, isTransient: false });
  }
  return selectorsFor(process, question, answer);
}

function selectorsFor(
  process: ProcessFacts,
  question: ContainerQuestion,
  answer: ContainerAnswer,
): readonly Selector[] {
  if (answer === undefined || question.appliesTo?.(process) === false) return NONE;
  return answer.selectors;
}

const NONE: readonly Selector[] = Object.freeze([]);
const NOTHING: WorkloadLook = { selectors: () => NONE };
