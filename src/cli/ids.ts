import { SpiffeId } from "../spiffe/spiffe-id.ts";
import { TrustDomain } from "../spiffe/trust-domain.ts";
import { UsageError } from "./grammar.ts";

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

export function idText(message: { trust_domain: string; path: string } | null | undefined): string {
  if (message === null || message === undefined || message.trust_domain === "") return "";
  return TrustDomain.parse(message.trust_domain).id + message.path;
}
