/** How an agent that starts comes by its first SVID, and by a bundle where none was given and none is stored. */
import { Backoff } from "../../base/backoff.ts";
import { type Clock, sleep } from "../../base/clock.ts";
import { type AssayError, errorFrom, fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { AgentConfig } from "../../config/agent/agent-config.ts";
import type { Logger } from "../../observe/logger.ts";
import { bundleFromMessage } from "../server-client/messages.ts";
import type { ServerClient } from "../server-client/server-client.ts";
import type { AgentIdentity } from "./agent-identity.ts";
import type { AgentSvid } from "./agent-svid.ts";
import { bundleFingerprints, unionBundle } from "./bootstrap.ts";
import { fetchBootstrapBundle } from "./bundle-url.ts";
import { type NodeAttestation, isTransient } from "./node-attestation.ts";

export interface FirstIdentityOptions {
  readonly config: Pick<AgentConfig, "bootstrap" | "trustDomain" | "server">;
  readonly identity: AgentIdentity;
  readonly client: ServerClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

export class FirstIdentity {
  readonly #options: FirstIdentityOptions;
  #isFetched = false;
  #lastError: AssayError | undefined;

  constructor(options: FirstIdentityOptions) {
    this.#options = options;
  }

  /** Why there is no identity yet, when the server was asked in vain. */
  get lastError(): AssayError | undefined {
    return this.#lastError;
  }

  /** Gets bundle and SVID where they are missing, however long the server is away. */
  async obtain(attestation: NodeAttestation): Promise<AgentSvid> {
    const { config, identity, clock, random, logger, signal } = this.#options;
    const backoff = new Backoff({ maxMs: 60_000 }, random);
    for (;;) {
      try {
        if (config.bootstrap.kind === "url" && !this.#isFetched) await this.#fetch();
        if (identity.bundle === undefined) await this.#trustOnFirstUse();
        return identity.svid ?? (await attestation.attest(signal));
      } catch (thrown) {
        signal.throwIfAborted();
        const error = errorFrom(thrown);
        if (!isTransient(error)) throw error;
        this.#lastError = error;
        const retryMs = backoff.nextMs();
        logger.warn("the server cannot be asked for an identity; retrying", {
          server: config.server,
          error,
          retryMs: Math.round(retryMs),
        });
        await sleep(clock, retryMs, signal);
      }
    }
  }

  /** Only an agent that attests needs it: one with an SVID has the bundle that came with it. */
  async #fetch(): Promise<void> {
    const { config, identity, clock, signal, logger } = this.#options;
    const { bootstrap, trustDomain } = config;
    if (bootstrap.kind !== "url") return;
    if (identity.svid !== undefined && identity.bundle !== undefined) return;
    const { url, pin } = bootstrap;
    const bundle = await fetchBootstrapBundle({
      url,
      trustDomain,
      clock,
      signal,
      ...(pin === undefined ? {} : { pin }),
    });
    identity.trust(identity.bundle === undefined ? bundle : unionBundle(identity.bundle, bundle));
    this.#isFetched = true;
    logger.info("trust bundle fetched", { url, sha256: bundleFingerprints(bundle) });
  }

  async #trustOnFirstUse(): Promise<void> {
    const { config, identity, client, logger, signal } = this.#options;
    if (config.bootstrap.kind !== "insecure") throw fail("internal", "there is no trust bundle");
    const message = await client.fetchUnverifiedBundle(signal);
    const { bundle } = bundleFromMessage(message, config.trustDomain);
    await identity.setBundle(bundle);
    logger.warn(
      "insecure bootstrap: the server was believed without proof; compare these authorities with assay bundle show",
      { server: config.server, sha256: bundleFingerprints(bundle) },
    );
  }
}
