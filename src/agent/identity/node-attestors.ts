import { hostname } from "node:os";
import { httpChallengeAttestor } from "../../attestors/node/http-challenge/agent.ts";
import { joinTokenAttestor } from "../../attestors/node/join-token/agent.ts";
import { k8sPsatAttestor } from "../../attestors/node/k8s-psat/agent.ts";
import { oidcAttestor } from "../../attestors/node/oidc/agent.ts";
import { sshpopAttestor } from "../../attestors/node/sshpop/agent.ts";
import { x509popAttestor } from "../../attestors/node/x509pop/agent.ts";
import type { NodeAttestorAgent } from "../../attestors/contract.ts";
import type { Random } from "../../base/random.ts";
import type { AgentAttestorConfig, AgentConfig } from "../../config/agent.ts";
import { HTTP_CHALLENGE_AGENT, SSHPOP_AGENT } from "../../config/host-sections.ts";

type Sections = AgentConfig["nodeAttestors"];

/** What this agent proves its node with; undefined when the operator gave nothing. */
export function nodeAttestor(
  {
    joinToken,
    x509pop,
    attestor,
    nodeAttestors,
  }: Pick<AgentConfig, "joinToken" | "x509pop" | "attestor" | "nodeAttestors">,
  random: Random,
): NodeAttestorAgent | undefined {
  if (x509pop !== undefined) return x509popAttestor({ ...x509pop, random });
  if (attestor !== undefined) return configured(attestor, nodeAttestors, random);
  return joinToken === undefined ? undefined : joinTokenAttestor(joinToken);
}

function configured(
  attestor: AgentAttestorConfig,
  sections: Sections,
  random: Random,
): NodeAttestorAgent {
  switch (attestor.type) {
    case "oidc":
      return oidcAttestor(attestor.tokenFile);
    case "k8s_psat":
      return k8sPsatAttestor(attestor);
    case "http_challenge":
      return httpChallenge(sections.httpChallenge);
    case "sshpop": {
      const { hostKey, hostCert } = SSHPOP_AGENT.fields;
      return sshpopAttestor({
        hostKeyFile: sections.sshpop?.hostKey ?? hostKey.default,
        hostCertFile: sections.sshpop?.hostCert ?? hostCert.default,
        random,
      });
    }
  }
}

function httpChallenge(section: Sections["httpChallenge"]): NodeAttestorAgent {
  const { agentName, port } = HTTP_CHALLENGE_AGENT.fields;
  const { advertisedPort, bind } = section ?? {};
  return httpChallengeAttestor({
    hostname: (section?.hostname ?? hostname()).toLowerCase(),
    agentname: section?.agentName ?? agentName.default,
    port: section?.port ?? port.default,
    ...(advertisedPort === undefined ? {} : { advertisedPort }),
    ...(bind === undefined ? {} : { bind }),
  });
}
