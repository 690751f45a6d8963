import { resolve } from "node:path";
import { fail } from "../../base/errors.ts";
import type { AgentSettings } from "./agent-settings.ts";
import type { AgentConfig } from "./agent-config.ts";
import type { Settings } from "../settings/source.ts";

/** The attestor that `attestor` names, where it is none of the older two. @throws invalid */
export function attestorSetting(
  settings: Settings<AgentSettings>,
  hasJoinToken: boolean,
): AgentConfig["attestor"] {
  const type = settings.get("attestor");
  const tokenFile = settings.get("oidc-token-file");
  if (tokenFile !== undefined && type !== "oidc") {
    throw fail(
      "invalid",
      `${settings.where("oidc-token-file")} has a meaning with attestor oidc only`,
    );
  }
  if (type === "join_token" || type === "x509pop") return undefined;
  if (hasJoinToken) {
    throw fail("invalid", `a join token has no meaning with attestor ${type}; leave one out`);
  }
  if (type === "k8s_psat") return { type, ...psatSetting(settings) };
  if (type === "azure_imds" && settings.get("node-attestors")?.azureImds === undefined) {
    throw fail(
      "invalid",
      `${settings.where("attestor")}: azure_imds needs nodeAttestors.azureImds.tenantDomain in the file`,
    );
  }
  if (type === "tpm_devid" && settings.get("node-attestors")?.tpmDevid === undefined) {
    throw fail(
      "invalid",
      `${settings.where("attestor")}: tpm_devid needs nodeAttestors.tpmDevid in the file`,
    );
  }
  if (type !== "oidc") return { type };
  if (tokenFile === undefined) {
    throw fail("invalid", `${settings.where("attestor")}: oidc needs oidc-token-file`);
  }
  // Read at each attestation: that it is not there yet is no error of the configuration.
  return { type, tokenFile: resolve(tokenFile) };
}

function psatSetting(settings: Settings<AgentSettings>): { cluster: string; tokenFile: string } {
  const given = settings.get("node-attestors")?.k8sPsat;
  if (given === undefined) {
    throw fail(
      "invalid",
      `${settings.where("attestor")}: k8s_psat needs nodeAttestors.k8sPsat.cluster in the file`,
    );
  }
  return { cluster: given.cluster, tokenFile: resolve(given.tokenFile) };
}
