import type { WorkloadAttestor } from "../../attestors/contract.ts";
import { ContainerLookup } from "../../attestors/workload/container/container-lookup.ts";
import { dockerAttestor } from "../../attestors/workload/docker/attest.ts";
import { podmanAttestor } from "../../attestors/workload/podman/attest.ts";
import type { K8sAttestor } from "../../attestors/workload/kubernetes/attest.ts";
import { systemdAttestor } from "../../attestors/workload/systemd/attest.ts";
import { TokenHolders } from "../../attestors/workload/token/holders.ts";
import { OneTimeTokens } from "../../attestors/workload/token/one-time.ts";
import { unixAttestor } from "../../attestors/workload/unix/attest.ts";
import type { Clock } from "../../base/clock.ts";
import { errorFrom } from "../../base/errors.ts";
import { Generations } from "../../base/generations.ts";
import type { AgentConfig } from "../../config/agent/agent-config.ts";
import type { Logger } from "../../observe/logger.ts";
import { kubernetesAttestor } from "./kubernetes-attestor.ts";
import { configuredTokens } from "./token-attestor.ts";

export interface WorkloadAttestorParts {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Spends a one-time token at the server. @returns the id of its entry */
  readonly spendToken: (token: string) => Promise<string>;
}

/** The workload attestors that a configuration asks for, and those of the next one while the agent runs. */
export class WorkloadAttestors implements AsyncDisposable {
  readonly #parts: WorkloadAttestorParts;
  // One for all: each holds files of processes open, out of the few that are kept from the callers.
  readonly #containers: ContainerLookup;
  readonly #unix: WorkloadAttestor;
  /** Whom tokens belong to stays so, whatever the configuration: a new one must not make a stolen token good. */
  readonly #holders = new TokenHolders();
  readonly #oneTime: OneTimeTokens;
  readonly #generations: Generations;
  #current: readonly WorkloadAttestor[] = [];
  #pods: K8sAttestor | undefined;

  private constructor(parts: WorkloadAttestorParts) {
    const { logger, clock, spendToken } = parts;
    this.#parts = parts;
    this.#containers = new ContainerLookup({ clock });
    this.#unix = unixAttestor({ logger, clock });
    this.#oneTime = new OneTimeTokens(spendToken, clock);
    this.#generations = new Generations(clock, GRACE_MS, (thrown) =>
      logger.warn("workload attestors of before did not end cleanly", { error: errorFrom(thrown) }),
    );
  }

  /** @throws invalid, naming the setting; precondition when a kubeconfig cannot be read */
  static async open(config: AgentConfig, parts: WorkloadAttestorParts): Promise<WorkloadAttestors> {
    const attestors = new WorkloadAttestors(parts);
    try {
      (await attestors.prepare(config))();
      return attestors;
    } catch (error) {
      await attestors[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The same array until there is another configuration. */
  get current(): readonly WorkloadAttestor[] {
    return this.#current;
  }

  /** The `k8s` attestor of now, where it is on. */
  get pods(): K8sAttestor | undefined {
    return this.#pods;
  }

  /** Makes those of another configuration. @returns what makes them the current ones. @throws as `open` */
  async prepare(config: AgentConfig): Promise<() => void> {
    await using made = new AsyncDisposableStack();
    const { attestors, pods } = await this.#make(config, made);
    const begin = this.#generations.prepare(made.move());
    return () => {
      begin();
      this.#current = attestors;
      this.#pods = pods;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#generations[Symbol.asyncDispose]();
    this.#containers[Symbol.dispose]();
  }

  async #make(
    { trustDomain, workloadAttestors: { docker, podman, k8s, systemd, token } }: AgentConfig,
    stack: AsyncDisposableStack,
  ): Promise<{
    readonly attestors: readonly WorkloadAttestor[];
    readonly pods: K8sAttestor | undefined;
  }> {
    const { logger, clock } = this.#parts;
    const shared = { logger, clock, stack, containers: this.#containers };
    const { containers } = shared;
    const pods = k8s === undefined ? undefined : await kubernetesAttestor(k8s, shared);
    const attestors = [
      this.#unix,
      ...(pods === undefined ? [] : [pods]),
      ...(docker === undefined
        ? []
        : [stack.use(dockerAttestor({ ...docker, clock, containers }))]),
      ...(podman === undefined
        ? []
        : [stack.use(podmanAttestor({ ...podman, clock, containers }))]),
      ...(systemd === undefined
        ? []
        : [stack.use(systemdAttestor({ ...systemd, clock, containers }))]),
      ...(token === undefined
        ? []
        : [
            await configuredTokens(token, trustDomain, {
              ...shared,
              holders: this.#holders,
              oneTime: this.#oneTime,
              pods,
            }),
          ]),
    ];
    return { attestors, pods };
  }
}

/** Longer than any attestation takes. */
const GRACE_MS = 30_000;
