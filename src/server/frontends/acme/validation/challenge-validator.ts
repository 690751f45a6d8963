import type { AcmeValidationConfig } from "../../../../config/sections/acme-validation-section.ts";
import type { Clock } from "../../../../base/clock.ts";
import { orAborted } from "../../../../base/abort.ts";
import { withDeadline } from "../../../../base/deadline.ts";
import { isKind } from "../../../../base/errors.ts";
import type { Logger } from "../../../../observe/logger.ts";
import type { AcmeProblem, ValidateParams, Validator } from "../contract.ts";
import { checkCaa } from "./caa.ts";
import type { DialTools } from "./dial.ts";
import { checkDns01 } from "./dns-01.ts";
import { checkHttp01 } from "./http-01.ts";
import { Lookups } from "./lookups.ts";
import { problemOf, refuse } from "./refusal.ts";
import { TargetNetworks, type TargetNetworksOptions } from "./target-networks.ts";
import { checkTlsAlpn01 } from "./tls-alpn-01.ts";

export interface ChallengeValidatorOptions {
  /** As it is at first. */
  readonly config: AcmeValidationConfig;
  /** Where this server listens: never a target. */
  readonly ownAddresses: TargetNetworksOptions["ownListeners"];
  /** Addresses of this machine; those of its interfaces when left out. */
  readonly machineAddresses?: () => readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
}

type RecheckParams = Parameters<Validator["recheck"]>[0];

/**
 * Goes and looks whether a challenge is met. What it may connect to is judged by address, everything has a bound in time
 * and size, and what a peer sends is never repeated to whoever asked.
 */
export class ChallengeValidator implements Validator {
  readonly #options: ChallengeValidatorOptions;
  #config: AcmeValidationConfig;
  #networks: TargetNetworks;

  /** @throws invalid for networks that are none */
  constructor(options: ChallengeValidatorOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#networks = this.#networksOf(options.config);
  }

  /** @returns what makes it so for challenges that are begun from then on. @throws invalid for networks that are none */
  change(next: AcmeValidationConfig): () => void {
    const networks = this.#networksOf(next);
    return () => {
      this.#config = next;
      this.#networks = networks;
    };
  }

  #networksOf(config: AcmeValidationConfig): TargetNetworks {
    const { ownAddresses, machineAddresses } = this.#options;
    return new TargetNetworks({
      allowed: config.allowedNetworks,
      refused: config.refusedNetworks,
      ownListeners: ownAddresses,
      ...(machineAddresses === undefined ? {} : { ownAddresses: machineAddresses }),
    });
  }

  async validate(params: ValidateParams): Promise<AcmeProblem | undefined> {
    return this.#inTime(params, async (tools) => {
      await this.#meet(params, tools);
      await this.#caa(params, tools);
    });
  }

  async recheck(params: RecheckParams): Promise<AcmeProblem | undefined> {
    return this.#inTime(params, (tools) => this.#caa(params, tools));
  }

  async #meet(params: ValidateParams, tools: DialTools): Promise<void> {
    const { type, identifier, wildcard } = params;
    const config = this.#config;
    if (type === "dns-01" ? identifier.type === "ip" : wildcard) {
      // RFC 8555 §8.4, RFC 8738 §7: never offered, so that nobody can answer it.
      throw refuse(
        "unauthorized",
        `${type} proves nothing about ${wildcard ? "wildcards" : "addresses"}`,
      );
    }
    switch (type) {
      case "http-01":
        return checkHttp01(params, { ...tools, ...config });
      case "dns-01":
        return checkDns01(params, tools.lookups);
      case "tls-alpn-01":
        return checkTlsAlpn01(params, { ...tools, tlsPort: config.tlsPort });
    }
  }

  async #caa(
    { type, identifier, wildcard, accountUri }: RecheckParams,
    { lookups }: DialTools,
  ): Promise<void> {
    const { caaIdentities: identities } = this.#config;
    if (identities.length === 0 || identifier.type === "ip") return;
    const { value: name } = identifier;
    await checkCaa({ name, wildcard, challenge: type, accountUri, identities }, lookups);
  }

  /** @throws only when the signal ends it */
  async #inTime(
    { type, identifier, signal, entering }: RecheckParams & Pick<ValidateParams, "entering">,
    work: (tools: DialTools) => Promise<void>,
  ): Promise<AcmeProblem | undefined> {
    const { clock, logger } = this.#options;
    const config = this.#config;
    const who = identifier.value;
    try {
      await withDeadline(
        { clock, deadlineMs: config.timeoutSeconds * 1000, signal, who },
        async (both) => {
          using lookups = new Lookups({ ...config, signal: both });
          const watched = entering === undefined ? {} : { entering };
          const tools = { lookups, networks: this.#networks, clock, signal: both, ...watched };
          // Whatever the work may have forgotten to watch, nobody waits for longer.
          await orAborted(work(tools), both);
        },
      );
      return undefined;
    } catch (thrown) {
      signal.throwIfAborted();
      const problem = problemOf(thrown);
      if (problem !== undefined) return problem;
      if (isKind(thrown, "deadline")) return { type: "connection", detail: thrown.message };
      logger.warn("an ACME validation failed in an unforeseen way", { type, error: thrown });
      return { type: "serverInternal", detail: `${type} of ${who} could not be checked` };
    }
  }
}
