import type { AgentHandlers } from "../../rpc/gen/spire/api/server/agent/v1/Agent.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { JoinTokens } from "../nodes/join-tokens.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { type AttestDeps, attestAgent, parseCsrField } from "./attest.ts";
import { agentIdField, pageField, textField, workloadIdField } from "./fields.ts";
import { agentMessage, x509SvidMessage } from "./messages.ts";
import { agentOf } from "../endpoints/caller.ts";
import { fail } from "../../base/errors.ts";
import { nodeFilter } from "./filters.ts";

export interface AgentApiDeps extends AttestDeps {
  readonly joinTokens: JoinTokens;
  readonly trustDomain: TrustDomain;
}

/** `spire.api.server.agent.v1.Agent`. */
export function agentApi(deps: AgentApiDeps): Implementation<AgentHandlers> {
  const { nodes, joinTokens, issuance, limits, trustDomain } = deps;
  return {
    AttestAgent: attestAgent(deps),

    async CountAgents({ filter }) {
      return { count: await nodes.count(nodeFilter(filter)) };
    },

    async ListAgents(request) {
      const page = await nodes.list(nodeFilter(request.filter), pageField(request));
      return {
        agents: page.items.map((node) => agentMessage(node, request.output_mask)),
        next_page_token: page.nextToken ?? "",
      };
    },

    async GetAgent({ id, output_mask }) {
      const agentId = agentIdField("id", id, trustDomain).toString();
      const node = await nodes.get(agentId);
      if (node === undefined) throw fail("not_found", `agent '${agentId}' not found`);
      return agentMessage(node, output_mask);
    },

    async BanAgent({ id }) {
      await nodes.ban(agentIdField("id", id, trustDomain).toString());
      return {};
    },

    async DeleteAgent({ id }) {
      await nodes.evict(agentIdField("id", id, trustDomain).toString());
      return {};
    },

    async CreateJoinToken({ ttl, token, agent_id }) {
      const made = await joinTokens.create({
        ttlSeconds: ttl,
        ...(token === "" ? {} : { token }),
        ...(agent_id === null
          ? {}
          : { agentId: workloadIdField("agent_id", agent_id, trustDomain) }),
      });
      return { value: made.token, expires_at: made.expiresAt };
    },

    async RenewAgent({ params }, call) {
      await limits.sign(call, 1);
      const agentId = agentOf(call);
      if (params === null) throw fail("invalid", "params: is missing");
      const csr = parseCsrField("params.csr", params.csr);
      const svid = await nodes.renew({
        agentId,
        issue: (spiffeId) => issuance.agentX509({ spiffeId, csr }),
      });
      return { svid: x509SvidMessage(svid) };
    },

    async PostStatus({ agent_version }, call) {
      await limits.report(call);
      const agentId = agentOf(call).toString();
      if (agent_version !== "") {
        const version = textField("agent_version", agent_version, MAX_VERSION_LENGTH);
        await nodes.reportVersion(agentId, version);
      }
      return {};
    },
  };
}

const MAX_VERSION_LENGTH = 255;
