/** Who may vouch for nodes and for bearers of tokens, as the configuration has it now. */
import { OidcIssuers } from "../../attestors/issuer/issuers.ts";
import type { NodeAttestorServer } from "../../attestors/contract.ts";
import type { PsatCluster } from "../../attestors/node/k8s-psat/server.ts";
import { errorFrom } from "../../base/errors.ts";
import { Generations } from "../../base/generations.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import { type NodeAttestorParts, nodeAttestors } from "./node-attestors.ts";
import { oidcIssuers, tokenTtls } from "./oidc-issuers.ts";
import { psatClusters } from "./psat-clusters.ts";

type Config = Pick<ServerConfig, "x509pop" | "nodeAttestors">;

/** What one configuration asks for. */
interface Generation {
  readonly attestors: ReadonlyMap<string, NodeAttestorServer>;
  readonly issuers: OidcIssuers;
  /** Seconds, by issuer alias. */
  readonly tokenTtls: ReadonlyMap<string, number>;
  readonly clusters: ReadonlyMap<string, PsatCluster>;
}

export type ConfiguredAttestorsParts = Omit<
  NodeAttestorParts,
  "issuers" | "clusters" | "resources"
>;

export class ConfiguredAttestors implements AsyncDisposable {
  readonly #parts: ConfiguredAttestorsParts;
  readonly #generations: Generations;
  #current: Generation | undefined;

  private constructor(parts: ConfiguredAttestorsParts) {
    this.#parts = parts;
    const { clock, logger } = parts;
    this.#generations = new Generations(clock, GRACE_MS, (thrown) =>
      logger.warn("node attestors of before did not end cleanly", { error: errorFrom(thrown) }),
    );
  }

  /** @throws as `prepare` */
  static async open(config: Config, parts: ConfiguredAttestorsParts): Promise<ConfiguredAttestors> {
    const made = new ConfiguredAttestors(parts);
    const begin = await made.prepare(config);
    begin();
    return made;
  }

  /** By type. */
  get(type: string): NodeAttestorServer | undefined {
    return this.#now.attestors.get(type);
  }

  /** As `OidcIssuers`. */
  readonly verify: OidcIssuers["verify"] = (token, signal) =>
    this.#now.issuers.verify(token, signal);

  /** Longest life of SVIDs for whoever shows a token of the issuer, seconds; `undefined`: it stands for nothing. */
  tokenTtl(alias: string): number | undefined {
    return this.#now.tokenTtls.get(alias);
  }

  /** A cluster of `nodeAttestors.k8sPsat`. */
  cluster(name: string): PsatCluster | undefined {
    return this.#now.clusters.get(name);
  }

  /**
   * Makes what another configuration asks for, and reads the files it names again.
   * @returns what makes it hold for whatever begins from then on. @throws precondition when a file is not there or not
   * what it should be; invalid
   */
  async prepare(config: Config): Promise<() => void> {
    await using stack = new AsyncDisposableStack();
    const { clock } = this.#parts;
    const issuers = stack.use(oidcIssuers(config.nodeAttestors, clock));
    const { k8sPsat } = config.nodeAttestors;
    const clusters = await psatClusters(k8sPsat?.clusters ?? new Map(), clock);
    for (const { client } of clusters) stack.use(client);
    const attestors = nodeAttestors(config, {
      ...this.#parts,
      issuers,
      clusters,
      resources: stack,
    });
    const next: Generation = {
      attestors,
      issuers,
      tokenTtls: tokenTtls(config.nodeAttestors),
      clusters: new Map(clusters.map((cluster) => [cluster.name, cluster])),
    };
    const begin = this.#generations.prepare(stack.move());
    return () => {
      begin();
      this.#current = next;
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#generations[Symbol.asyncDispose]();
  }

  get #now(): Generation {
    if (this.#current === undefined) throw new TypeError("the attestors are not there yet");
    return this.#current;
  }
}

/** Longer than an attestation may take. */
const GRACE_MS = 120_000;
