/** The one message of `k8s_psat` as both halves of SPIRE's write and read it: JSON. */
import { fail } from "../../../base/errors.ts";

/** The attestation type, as agent and server name it on the wire. */
export const K8S_PSAT_TYPE = "k8s_psat";

export interface PsatPayload {
  readonly cluster: string;
  /** A projected service account token of the agent's pod. A secret. */
  readonly token: string;
}

export function encodePayload({ cluster, token }: PsatPayload): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ cluster, token }));
}

/** @throws invalid */
export function parsePayload(bytes: Uint8Array): PsatPayload {
  if (bytes.length > MAX_PAYLOAD_BYTES) {
    throw fail("invalid", `k8s_psat payload is longer than ${MAX_PAYLOAD_BYTES} bytes`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw fail("invalid", "k8s_psat payload is not json");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw fail("invalid", "k8s_psat payload is no json object");
  }
  const { cluster, token } = value as Record<string, unknown>;
  return { cluster: textOf("cluster", cluster), token: textOf("token", token) };
}

function textOf(name: string, value: unknown): string {
  if (typeof value === "string" && value !== "") return value;
  throw fail("invalid", `k8s_psat payload has no ${name}`);
}

const MAX_PAYLOAD_BYTES = 64 * 1024;
