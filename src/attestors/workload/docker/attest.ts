/**
 * The `docker` workload attestor: what the Docker Engine says of the container that a process is in. Selectors as
 * SPIRE's plugin of the same name writes them (label, env, image_id, image_config_digest), and `name`.
 *
 * `image_config_digest` is the image that the container was made from; SPIRE looks the image's name up again, which may
 * lead to another one by then.
 */
import type { Clock } from "../../../base/clock.ts";
import type { WorkloadAttestor } from "../../contract.ts";
import {
  type ContainerLook,
  type ContainerLookup,
  isPodmans,
} from "../container/container-lookup.ts";
import { type ContainerQuestion, attestWith, lookNowAt } from "../engine/attest.ts";
import { ContainerAnswers } from "../engine/container-answers.ts";
import { CONTAINER_NAMES } from "../engine/container-selectors.ts";
import { Engine } from "../engine/engine.ts";

export interface DockerAttestorOptions {
  readonly clock: Clock;
  /** Of the engine. */
  readonly socket: string;
  /** Shared with other attestors; whoever made it closes it. */
  readonly containers: ContainerLookup;
  /** How long the engine may take. Default: 4 s. */
  readonly patienceMs?: number;
}

export function dockerAttestor(options: DockerAttestorOptions): WorkloadAttestor & Disposable {
  const { clock, socket, containers, patienceMs } = options;
  const engine = new Engine(socket);
  const answers = new ContainerAnswers({
    engine,
    clock,
    type: "docker",
    prefix: "",
    ...(patienceMs === undefined ? {} : { patienceMs }),
  });
  const asking = {
    lookup: containers,
    names: CONTAINER_NAMES,
    // A user's own engine says what that user likes: it is not asked.
    questionOf(look: ContainerLook): ContainerQuestion | undefined {
      const containerId = look.container?.containerId;
      if (containerId === undefined || isPodmans(look, containerId)) return undefined;
      return { containerId, answers };
    },
  };
  return {
    type: "docker",
    names: CONTAINER_NAMES,
    lookNow: (pid, moment) => lookNowAt(pid, asking, moment),
    attest: (process, call) => attestWith(process, call, asking),
    [Symbol.dispose]: () => engine[Symbol.dispose](),
  };
}
