import { SpiffeId, isAgentPath } from "../../spiffe/spiffe-id.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { UsageError } from "../program/grammar.ts";

/** A SPIFFE ID in two parts, as SPIRE's API carries it. */
export interface IdMessage {
  readonly trust_domain: string;
  readonly path: string;
}

/** @throws UsageError naming the option and the rule */
export function idMessage(text: string, option: string): IdMessage {
  try {
    const id = SpiffeId.parse(text);
    return { trust_domain: id.trustDomain.name, path: id.path };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new UsageError(
      `--${option}: ${reason}; write it as spiffe://example.org/path, not '${text.slice(0, 80)}'`,
    );
  }
}

/** The option `--spiffe-id` of a command about agents. @throws UsageError naming the next step */
export function agentIdMessage(text: string): IdMessage {
  const id = idMessage(text, "spiffe-id");
  if (isAgentPath(id.path)) return id;
  throw new UsageError(
    `--spiffe-id: '${text.slice(0, 80)}' is not an agent, whose ID begins with ${TrustDomain.parse(id.trust_domain).id}/spire/agent/; 'assay agents list' shows what there is`,
  );
}

export function idText(message: { trust_domain: string; path: string } | null | undefined): string {
  if (message === null || message === undefined || message.trust_domain === "") return "";
  return TrustDomain.parse(message.trust_domain).id + message.path;
}
