import { fail } from "../../../base/errors.ts";
import { claimText } from "../../issuer/claim-selectors.ts";
import type { VerifiedToken } from "../../issuer/issuer.ts";
import { MAX_TOKEN_BYTES } from "../../issuer/foreign-token.ts";
import type { NodeAttestorServer } from "../../contract.ts";
import type { AgentPathTemplate } from "../agent-path.ts";

/** The attestation type, as agent and server name it on the wire. */
export const GCP_IIT_TYPE = "gcp_iit";

export interface GcpIitServerOptions {
  /** Google's. */
  readonly issuer: {
    verify(token: string, signal: AbortSignal): Promise<VerifiedToken>;
  };
  /** Instances of these projects may attest: Google signs for all of its customers alike. */
  readonly projectIds: readonly string[];
  /** Of `ProjectID`, `ProjectNumber`, `Zone`, `InstanceID`, `InstanceName` and `ServiceAccount`. */
  readonly agentPath: AgentPathTemplate;
}

/**
 * The server's half of `gcp_iit`, without any call but for Google's keys: whoever shows an instance's identity token
 * first may become the agent of that instance. Any process of the instance can have one.
 */
export function gcpIitServer(options: GcpIitServerOptions): NodeAttestorServer {
  const { issuer, projectIds, agentPath } = options;
  return {
    type: GCP_IIT_TYPE,
    async admit(payload, _challenge, signal) {
      if (payload.length > MAX_TOKEN_BYTES) throw fail("invalid", "gcp_iit token is too long");
      const token = await issuer.verify(Buffer.from(payload).toString("latin1"), signal);
      const claim = (name: string): string | undefined => claimText(token.claims, name);
      const instance = (name: string): string => {
        const value = claim(`google/compute_engine/${name}`);
        if (value !== undefined) return value;
        throw fail(
          "denied",
          `gcp_iit token has no ${name}: it is not an instance's in full format`,
        );
      };
      const projectId = instance("project_id");
      if (!projectIds.includes(projectId)) {
        throw fail("denied", "gcp_iit token is of a project that is not allowed");
      }
      const email = claim("email");
      const fields = new Map([
        ["ProjectID", projectId],
        ["ProjectNumber", instance("project_number")],
        ["Zone", instance("zone")],
        ["InstanceID", instance("instance_id")],
        ["InstanceName", instance("instance_name")],
        ...(email === undefined ? [] : [["ServiceAccount", email.replace("@", "_")] as const]),
      ]);
      const name = agentPath.render((field) => fields.get(field));
      const values = [
        `project-id:${projectId}`,
        `zone:${instance("zone")}`,
        `instance-name:${instance("instance_name")}`,
        ...(email === undefined ? [] : [`sa:${email}`]),
      ];
      return {
        agentPath: `/spire/agent/${GCP_IIT_TYPE}/${name}`,
        selectors: values.map((value) => ({ type: GCP_IIT_TYPE, value })),
        canReattest: false,
        firstUseOnly: true,
        bindsToken: { fingerprint: token.fingerprint, until: token.refusedFrom },
      };
    },
  };
}
