import type { AgentHostHandlers } from "../../rpc/gen/assay/agent/v1/AgentHost.ts";
import type { HostFacts__Output } from "../../rpc/gen/assay/agent/v1/HostFacts.ts";
import type { Implementation } from "../../rpc/service.ts";
import type { Limits } from "../endpoints/limits.ts";
import type { NodeService } from "../nodes/node-service.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { agentIdField, atMost, textField } from "./fields.ts";
import { agentOf } from "../endpoints/caller.ts";
import { fail } from "../../base/errors.ts";

export interface AgentHostApiDeps {
  readonly nodes: NodeService;
  readonly limits: Limits;
  readonly trustDomain: TrustDomain;
}

/** `assay.agent.v1.AgentHost`: what our agents tell of the hosts they run on. */
export function agentHostApi(deps: AgentHostApiDeps): Implementation<AgentHostHandlers> {
  const { nodes, limits, trustDomain } = deps;
  return {
    async ReportHost({ facts }, call) {
      await limits.report(call);
      const agentId = agentOf(call).toString();
      if (facts === null) throw fail("invalid", "facts: is missing");
      const checked = checkFacts(facts);
      await nodes.reportHost(agentId, JSON.stringify(checked));
      if (checked.agent_version !== "") await nodes.reportVersion(agentId, checked.agent_version);
      return {};
    },

    async GetHost({ id }) {
      const agentId = agentIdField("id", id, trustDomain).toString();
      const node = await nodes.get(agentId);
      if (node === undefined) throw fail("not_found", `agent '${agentId}' not found`);
      if (node.hostFacts === "") {
        throw fail("not_found", `agent '${agentId}' has not reported its host`);
      }
      // ReportHost alone writes them.
      return JSON.parse(node.hostFacts) as HostFacts__Output;
    },
  };
}

function checkFacts(facts: HostFacts__Output): HostFacts__Output {
  const text = (name: TextFact): string => textField(`facts.${name}`, facts[name], MAX_FACT_LENGTH);
  atMost("facts.selector_names", facts.selector_names.length, MAX_SELECTOR_NAMES);
  return {
    hostname: text("hostname"),
    os: text("os"),
    kernel: text("kernel"),
    arch: text("arch"),
    container_runtime: text("container_runtime"),
    virtualization: text("virtualization"),
    agent_version: text("agent_version"),
    node_version: text("node_version"),
    selector_names: facts.selector_names.map((name, index) =>
      textField(`facts.selector_names[${index}]`, name, MAX_SELECTOR_NAME_LENGTH),
    ),
  };
}

type TextFact = Exclude<keyof HostFacts__Output, "selector_names">;

const MAX_FACT_LENGTH = 255;
const MAX_SELECTOR_NAMES = 100;
const MAX_SELECTOR_NAME_LENGTH = 64;
