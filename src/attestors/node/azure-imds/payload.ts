/** The messages of `azure_imds` as both halves of SPIRE's write and read them, and Azure's document in them. */
import { fail } from "../../../base/errors.ts";
import { bytesMember, encodeMessage, parseMessage, textMember } from "../json-message.ts";

/** The attestation type, as agent and server name it on the wire. */
export const AZURE_IMDS_TYPE = "azure_imds";

/** What the agent sends first, which says nothing: the server begins with its nonce. */
export const OPENING = new TextEncoder().encode("non_empty_payload");

export interface ImdsAnswer {
  /** PKCS #7. */
  readonly signature: Uint8Array;
  /** Which tenant the agent says it belongs to; proven by nothing. */
  readonly agentDomain: string;
}

/** @param document the service's answer, `{"encoding":"pkcs7","signature":BASE64}` */
export function encodeAnswer(document: string, agentDomain: string): Uint8Array {
  const { encoding, signature } = parseMessage(
    "attested document",
    new TextEncoder().encode(document),
  );
  return encodeMessage({
    document: { encoding, signature },
    metadata: { agentDomain, vmssName: null },
  });
}

/** @throws invalid */
export function parseAnswer(answer: Uint8Array): ImdsAnswer {
  const { document, metadata } = parseMessage("azure_imds answer", answer);
  const { encoding, signature } = (document ?? {}) as Record<string, unknown>;
  const { agentDomain } = (metadata ?? {}) as Record<string, unknown>;
  if (encoding !== "pkcs7") throw fail("invalid", "azure_imds document is not of encoding pkcs7");
  return {
    signature: bytesMember("azure_imds signature", signature),
    agentDomain: textMember("azure_imds agentDomain", agentDomain),
  };
}

/** What counts of an attested document. */
export interface AttestedDocument {
  readonly nonce: string;
  readonly vmId: string;
  readonly subscriptionId: string;
}

/** @throws invalid */
export function parseAttestedDocument(content: Uint8Array): AttestedDocument {
  const { nonce, vmId, subscriptionId } = parseMessage("azure_imds document", content);
  return {
    nonce: textMember("azure_imds nonce", nonce),
    vmId: uuidMember("vmId", vmId),
    subscriptionId: uuidMember("subscriptionId", subscriptionId),
  };
}

function uuidMember(name: string, value: unknown): string {
  if (typeof value === "string" && UUID.test(value)) return value.toLowerCase();
  throw fail("invalid", `azure_imds document has no ${name} that is a UUID`);
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
