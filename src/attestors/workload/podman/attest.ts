/**
 * The `podman` workload attestor: the selectors of `docker`, from Podman's Docker-compatible API.
 *
 * The socket of rootless Podman belongs to the workload's own user, who can answer there what they like. So it is asked
 * only when that is switched on, what it says is written `user:<uid>:...`, and counts for processes of that uid alone.
 */
import { lstatSync } from "node:fs";
import type { Clock } from "../../../base/clock.ts";
import { LruMap } from "../../../base/lru.ts";
import type { WorkloadAttestor } from "../../contract.ts";
import {
  type ContainerLook,
  type ContainerLookup,
  isPodmans,
} from "../container/container-lookup.ts";
import type { UserContainerRef } from "../container/container-of.ts";
import { type ContainerQuestion, attestWith, lookNowAt } from "../engine/attest.ts";
import { ContainerAnswers } from "../engine/container-answers.ts";
import { CONTAINER_NAMES } from "../engine/container-selectors.ts";
import { Engine } from "../engine/engine.ts";

export interface PodmanAttestorOptions {
  readonly clock: Clock;
  /** Of the system's engine. */
  readonly socket: string;
  /** Where a user's engine listens, with `{uid}` for the number; absent: no user's engine is asked. */
  readonly userSocket?: string;
  /** Shared with other attestors; whoever made it closes it. */
  readonly containers: ContainerLookup;
  /** How long an engine may take. Default: 4 s. */
  readonly patienceMs?: number;
}

export function podmanAttestor(options: PodmanAttestorOptions): WorkloadAttestor & Disposable {
  const { clock, socket, userSocket, containers, patienceMs } = options;
  const patience = patienceMs === undefined ? {} : { patienceMs };
  const engine = new Engine(socket);
  const system = new ContainerAnswers({ engine, clock, type: "podman", prefix: "", ...patience });
  const users = new LruMap<number, ContainerAnswers>(MAX_USERS);

  const answersOf = (uid: number, path: string): ContainerAnswers => {
    let answers = users.get(uid);
    if (answers === undefined) {
      answers = new ContainerAnswers({
        // Its idle connections keep nothing running, and close when it is forgotten.
        engine: new Engine(path),
        clock,
        type: "podman",
        prefix: `user:${uid}:`,
        maxHeld: MAX_USER_CONTAINERS,
        ...patience,
      });
      users.set(uid, answers);
    }
    return answers;
  };

  const ofUser = ({ uid, containerId }: UserContainerRef): ContainerQuestion | undefined => {
    const path = userSocket?.replaceAll("{uid}", String(uid));
    if (path === undefined || !isSocketOf(path, uid)) return undefined;
    return {
      containerId,
      answers: answersOf(uid, path),
      appliesTo: (process) => process.uid === uid,
    };
  };

  const names = userSocket === undefined ? CONTAINER_NAMES : [...CONTAINER_NAMES, "user"];
  const asking = {
    names,
    lookup: containers,
    questionOf(look: ContainerLook): ContainerQuestion | undefined {
      const { container, userContainer } = look;
      const containerId = container?.containerId ?? userContainer?.containerId;
      if (containerId === undefined || !isPodmans(look, containerId)) return undefined;
      return userContainer === undefined ? { containerId, answers: system } : ofUser(userContainer);
    },
  };
  return {
    type: "podman",
    names,
    lookNow: (pid, moment) => lookNowAt(pid, asking, moment),
    attest: (process, call) => attestWith(process, call, asking),
    [Symbol.dispose]: () => engine[Symbol.dispose](),
  };
}

/** A path in a user's folder may lead anywhere: only a socket of that user's own is one. */
function isSocketOf(path: string, uid: number): boolean {
  try {
    const stats = lstatSync(path);
    return stats.isSocket() && stats.uid === uid;
  } catch {
    return false; // that user runs no engine
  }
}

const MAX_USERS = 64;
const MAX_USER_CONTAINERS = 16;
