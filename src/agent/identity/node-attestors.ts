import { joinTokenAttestor } from "../../attestors/node/join-token/agent.ts";
import { k8sPsatAttestor } from "../../attestors/node/k8s-psat/agent.ts";
import { oidcAttestor } from "../../attestors/node/oidc/agent.ts";
import { x509popAttestor } from "../../attestors/node/x509pop/agent.ts";
import type { NodeAttestorAgent } from "../../attestors/contract.ts";
import type { Random } from "../../base/random.ts";
import type { AgentConfig } from "../../config/agent.ts";

/** What this agent proves its node with; undefined when the operator gave nothing. */
export function nodeAttestor(
  { joinToken, x509pop, attestor }: Pick<AgentConfig, "joinToken" | "x509pop" | "attestor">,
  random: Random,
): NodeAttestorAgent | undefined {
  if (x509pop !== undefined) return x509popAttestor({ ...x509pop, random });
  if (attestor?.type === "oidc") return oidcAttestor(attestor.tokenFile);
  if (attestor?.type === "k8s_psat") return k8sPsatAttestor(attestor);
  return joinToken === undefined ? undefined : joinTokenAttestor(joinToken);
}
