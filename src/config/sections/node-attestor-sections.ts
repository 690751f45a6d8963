import {
  AWS_IID_AGENT,
  AWS_IID_SERVER,
  AZURE_IMDS_AGENT,
  AZURE_IMDS_SERVER,
  GCP_IIT_AGENT,
  GCP_IIT_SERVER,
} from "./cloud-sections.ts";
import { K8S_PSAT_AGENT, K8S_PSAT_SERVER } from "./kubernetes-sections.ts";
import {
  HTTP_CHALLENGE_AGENT,
  HTTP_CHALLENGE_SERVER,
  SSHPOP_AGENT,
  SSHPOP_SERVER,
  TPM_DEVID_AGENT,
  TPM_DEVID_SERVER,
} from "./host-sections.ts";
import { OIDC_SECTION } from "./oidc-section.ts";
import { section } from "../settings/shape.ts";

/**
 * `nodeAttestors` of a server's file: which agents it admits. One key for each attestor; that the key is there switches
 * the attestor on. Several of a kind are a map or a list:
 *
 *     oidc: { shape: section({ issuers: { shape: list(ISSUER, { most: 16 }), help: "...", required: true } }), help: "..." },
 */
export const SERVER_NODE_ATTESTORS = section({
  k8sPsat: { shape: K8S_PSAT_SERVER, help: "pods of Kubernetes clusters, by projected token" },
  oidc: { shape: OIDC_SECTION, help: "tokens of OIDC issuers" },
  httpChallenge: {
    shape: HTTP_CHALLENGE_SERVER,
    help: "hosts by their DNS names (http_challenge)",
  },
  sshpop: { shape: SSHPOP_SERVER, help: "SSH host certificates" },
  tpmDevid: { shape: TPM_DEVID_SERVER, help: "device certificates whose keys are in TPMs" },
  awsIid: { shape: AWS_IID_SERVER, help: "instances of EC2, by identity document" },
  gcpIit: { shape: GCP_IIT_SERVER, help: "instances of Compute Engine, by identity token" },
  azureImds: { shape: AZURE_IMDS_SERVER, help: "machines of Azure, by attested document" },
});

/** `nodeAttestors` of an agent's file: what the attestor that `attestor` names proves this node with. */
export const AGENT_NODE_ATTESTORS = section({
  k8sPsat: { shape: K8S_PSAT_AGENT, help: "for attestor k8s_psat: the pod's projected token" },
  httpChallenge: { shape: HTTP_CHALLENGE_AGENT, help: "with attestor http_challenge" },
  sshpop: { shape: SSHPOP_AGENT, help: "with attestor sshpop" },
  tpmDevid: { shape: TPM_DEVID_AGENT, help: "for attestor tpm_devid: the TPM and its key" },
  awsIid: { shape: AWS_IID_AGENT, help: "with attestor aws_iid" },
  gcpIit: { shape: GCP_IIT_AGENT, help: "with attestor gcp_iit" },
  azureImds: { shape: AZURE_IMDS_AGENT, help: "with attestor azure_imds" },
});
