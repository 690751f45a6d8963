import { hostname } from "node:os";
import { awsIidAttestor } from "../../attestors/node/aws-iid/agent.ts";
import { azureImdsAttestor } from "../../attestors/node/azure-imds/agent.ts";
import { gcpIitAttestor } from "../../attestors/node/gcp-iit/agent.ts";
import { httpChallengeAttestor } from "../../attestors/node/http-challenge/agent.ts";
import { joinTokenAttestor } from "../../attestors/node/join-token/agent.ts";
import { k8sPsatAttestor } from "../../attestors/node/k8s-psat/agent.ts";
import { oidcAttestor } from "../../attestors/node/oidc/agent.ts";
import { sshpopAttestor } from "../../attestors/node/sshpop/agent.ts";
import { tpmDevidAttestor } from "../../attestors/node/tpm-devid/agent.ts";
import { x509popAttestor } from "../../attestors/node/x509pop/agent.ts";
import type { NodeAttestorAgent } from "../../attestors/contract.ts";
import type { Clock } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { AgentAttestorConfig, AgentConfig } from "../../config/agent/agent-config.ts";
import { AWS_IID_AGENT, GCP_IIT_AGENT } from "../../config/sections/cloud-sections.ts";
import { HTTP_CHALLENGE_AGENT, SSHPOP_AGENT } from "../../config/sections/host-sections.ts";
import type { ReloadPart } from "../../config/reload.ts";
import type { NodeAttestation } from "./node-attestation.ts";

type Sections = AgentConfig["nodeAttestors"];

interface Tools {
  readonly clock: Clock;
  readonly random: Random;
}

/** What this agent proves its node with; undefined when the operator gave nothing. */
export function nodeAttestor(
  {
    joinToken,
    x509pop,
    attestor,
    nodeAttestors,
  }: Pick<AgentConfig, "joinToken" | "x509pop" | "attestor" | "nodeAttestors">,
  tools: Tools,
): NodeAttestorAgent | undefined {
  if (x509pop !== undefined) return x509popAttestor({ ...x509pop, random: tools.random });
  if (attestor !== undefined) return configured(attestor, nodeAttestors, tools);
  return joinToken === undefined ? undefined : joinTokenAttestor(joinToken);
}

/**
 * Takes over the settings of the attestor that the operator named. Which one it is cannot change, and a join token is for
 * a start.
 */
export function nodeAttestorReload(
  attestation: Pick<NodeAttestation, "proveWith">,
  tools: Tools,
): ReloadPart<AgentConfig> {
  return ({ attestor, nodeAttestors }) => {
    const next = attestor && configured(attestor, nodeAttestors, tools);
    return () => {
      if (next !== undefined) attestation.proveWith(next);
    };
  };
}

function configured(
  attestor: AgentAttestorConfig,
  sections: Sections,
  { clock, random }: Tools,
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
    case "aws_iid": {
      const { metadataUrl } = AWS_IID_AGENT.fields;
      return awsIidAttestor({ url: sections.awsIid?.metadataUrl ?? metadataUrl.default, clock });
    }
    case "gcp_iit": {
      const { metadataUrl, serviceAccount, audience } = GCP_IIT_AGENT.fields;
      return gcpIitAttestor({
        url: sections.gcpIit?.metadataUrl ?? metadataUrl.default,
        serviceAccount: sections.gcpIit?.serviceAccount ?? serviceAccount.default,
        audience: sections.gcpIit?.audience ?? audience.default,
        clock,
      });
    }
    case "azure_imds": {
      const { azureImds } = sections;
      if (azureImds === undefined) throw fail("invalid", "azure_imds has no tenantDomain");
      const { metadataUrl, tenantDomain } = azureImds;
      return azureImdsAttestor({ url: metadataUrl, tenantDomain, clock });
    }
    case "tpm_devid":
      return tpmDevid(sections.tpmDevid, clock);
  }
}

function tpmDevid(section: Sections["tpmDevid"], clock: Clock): NodeAttestorAgent {
  if (section === undefined) throw fail("invalid", "tpm_devid has no key");
  const {
    devidPasswordFile,
    ownerHierarchyPasswordFile: ownerPasswordFile,
    endorsementHierarchyPasswordFile: endorsementPasswordFile,
  } = section;
  return tpmDevidAttestor({
    device: section.device,
    certFile: section.devidCert,
    privateFile: section.devidPriv,
    publicFile: section.devidPub,
    ...(devidPasswordFile === undefined ? {} : { devidPasswordFile }),
    ...(ownerPasswordFile === undefined ? {} : { ownerPasswordFile }),
    ...(endorsementPasswordFile === undefined ? {} : { endorsementPasswordFile }),
    clock,
  });
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
