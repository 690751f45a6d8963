import type { Node__Output } from "../../rpc/gen/envoy/config/core/v3/Node.ts";
import type { Value__Output } from "../../rpc/gen/google/protobuf/Value.ts";

/** How a proxy checks its peers: by its SPIFFE validator, domain by domain, or against plain authorities. */
export type Validator = "spiffe" | "plain";

/**
 * The validator of the proxy that asks: the operator's default, unless the proxy's metadata says otherwise; Envoy up to
 * 1.17 has no SPIFFE validator. Metadata that is no truth value says nothing.
 */
export function validatorOf(node: Node__Output | null, isDisabled: boolean): Validator {
  const said = truthOf(node?.metadata?.fields?.[METADATA_KEY]);
  return (said ?? isDisabled) || isTooOld(node) ? "plain" : "spiffe";
}

/** As Go's `ParseBool` reads text, which is how proxies' configurations for SPIRE are written. */
function truthOf(value: Value__Output | undefined): boolean | undefined {
  if (value?.kind === "boolValue") return value.boolValue;
  if (value?.kind !== "stringValue") return undefined;
  const text = value.stringValue ?? "";
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true;
  return /^(?:0|f|F|false|FALSE|False)$/.test(text) ? false : undefined;
}

function isTooOld(node: Node__Output | null): boolean {
  const version = node?.user_agent_build_version?.version;
  if (version === undefined || version === null) return false;
  const { major_number: major, minor_number: minor } = version;
  return major < 1 || (major === 1 && minor <= 17);
}

const METADATA_KEY = "disable_spiffe_cert_validation";
