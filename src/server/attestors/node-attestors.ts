/** The node attestors that a configuration asks for, by type. */
import { type JoinTokenLookup, joinTokenServer } from "../../attestors/node/join-token/server.ts";
import { type PsatCluster, k8sPsatServer } from "../../attestors/node/k8s-psat/server.ts";
import { oidcServer } from "../../attestors/node/oidc/server.ts";
import { x509popServer } from "../../attestors/node/x509pop/server.ts";
import type { OidcIssuers } from "../../attestors/issuer/issuers.ts";
import type { NodeAttestorServer } from "../../attestors/contract.ts";
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { ServerConfig, X509PopServerConfig } from "../../config/server/server-config.ts";
import { cloudAttestors } from "./cloud-attestors.ts";
import { hostAttestors } from "./host-attestors.ts";
import { oidcNodeRules } from "./oidc-issuers.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { PathTemplate } from "../../spiffe/path-template.ts";
import type { Certificate } from "../../x509/certificate.ts";
import type { Logger } from "../../observe/logger.ts";
import { WatchedRoots } from "./watched-roots.ts";

export interface NodeAttestorParts {
  readonly tokens: JoinTokenLookup;
  readonly trustDomain: TrustDomain;
  /** The own trust domain's authorities that are not tainted, as of now. */
  readonly ownRoots: () => readonly Certificate[];
  /** A certificate of the chain was revoked, or an authority of ours in it is tainted or was revoked. */
  readonly isLost: (chain: readonly Certificate[]) => boolean;
  /** The issuers of `nodeAttestors.oidc`. */
  readonly issuers: OidcIssuers;
  /** Those of `nodeAttestors.k8sPsat`. */
  readonly clusters: readonly PsatCluster[];
  /** Takes down what attestors keep open. */
  readonly resources: AsyncDisposableStack;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** @throws precondition when a file that an attestor needs is not there or not what it should be; invalid */
export function nodeAttestors(
  config: Pick<ServerConfig, "x509pop" | "nodeAttestors">,
  parts: NodeAttestorParts,
): ReadonlyMap<string, NodeAttestorServer> {
  const attestors = [joinTokenServer(parts.tokens, parts.clock)];
  if (config.x509pop !== undefined) attestors.push(x509pop(config.x509pop, parts));
  const oidcRules = oidcNodeRules(config.nodeAttestors);
  if (oidcRules.size > 0) attestors.push(oidcServer({ issuers: parts.issuers, rules: oidcRules }));
  if (config.nodeAttestors.k8sPsat !== undefined) attestors.push(k8sPsatServer(parts.clusters));
  attestors.push(...hostAttestors(config.nodeAttestors, parts));
  attestors.push(...cloudAttestors(config.nodeAttestors, parts));
  return new Map(attestors.map((attestor) => [attestor.type, attestor]));
}

function x509pop(config: X509PopServerConfig, parts: NodeAttestorParts): NodeAttestorServer {
  const { pathTemplate } = config;
  const options = {
    ...parts,
    ...(pathTemplate === undefined ? {} : { pathTemplate: PathTemplate.parse(pathTemplate) }),
  };
  if (config.mode === "spiffe") {
    const { svidPrefix } = config;
    return x509popServer({
      ...options,
      mode: config.mode,
      roots: parts.ownRoots,
      isLost: parts.isLost,
      ...(svidPrefix === undefined ? {} : { svidPrefix }),
    });
  }
  const roots = new WatchedRoots("x509pop authorities", config.caFile, parts.logger);
  return x509popServer({ ...options, mode: config.mode, roots: () => roots.current() });
}
