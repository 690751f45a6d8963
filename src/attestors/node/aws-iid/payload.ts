/** The messages of `aws_iid` as both halves of SPIRE's write and read them, and AWS's document in them. */
import { fail } from "../../../base/errors.ts";
import { encodeMessage, parseMessage, textMember } from "../json-message.ts";

/** The attestation type, as agent and server name it on the wire. */
export const AWS_IID_TYPE = "aws_iid";

export interface IidMessage {
  /** As the metadata service gave it, to the byte. */
  readonly document: string;
  /** PKCS #7, base64 in lines, as the service's `rsa2048` has it. */
  readonly rsa2048: string;
}

/** @param signature the service's `signature`, for older servers of SPIRE's */
export function encodeIid(message: IidMessage, signature: string): Uint8Array {
  return encodeMessage({ document: message.document, signature, rsa2048: message.rsa2048 });
}

/** @throws invalid */
export function parseIid(payload: Uint8Array): IidMessage {
  const { document, rsa2048 } = parseMessage("aws_iid payload", payload);
  return {
    document: textMember("aws_iid document", document),
    rsa2048: textMember("aws_iid signature (rsa2048)", rsa2048),
  };
}

/** What counts of an instance identity document. */
export interface InstanceIdentity {
  readonly accountId: string;
  readonly region: string;
  readonly instanceId: string;
  readonly availabilityZone: string;
  readonly imageId: string;
}

/** @throws invalid */
export function parseInstanceIdentity(document: Uint8Array): InstanceIdentity {
  const fields = parseMessage("aws_iid document", document);
  const text = (name: keyof InstanceIdentity): string => {
    const value = fields[name];
    if (typeof value === "string" && FIELD.test(value)) return value;
    throw fail("invalid", `aws_iid document has no ${name} of letters, digits and dashes`);
  };
  return {
    accountId: text("accountId"),
    region: text("region"),
    instanceId: text("instanceId"),
    availabilityZone: text("availabilityZone"),
    imageId: text("imageId"),
  };
}

/** As AWS makes its identifiers. */
const FIELD = /^[a-z0-9-]{1,64}$/;
