import { bytesEqual } from "../../../base/bytes.ts";
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import type { NodeAttestorServer } from "../../contract.ts";
import type { AgentPathTemplate } from "../agent-path.ts";
import { openSignedDocument } from "../signed-document.ts";
import { AWS_IID_TYPE, type InstanceIdentity, parseIid, parseInstanceIdentity } from "./payload.ts";

export interface AwsIidServerOptions {
  /** Instances of these accounts may attest: AWS signs for all of its customers alike. */
  readonly accountIds: readonly string[];
  /** AWS's certificates by region. */
  readonly certificates: ReadonlyMap<string, readonly PinnedCertificate[]>;
  /** Of `AccountID`, `Region` and `InstanceID`. */
  readonly agentPath: AgentPathTemplate;
  readonly clock: Clock;
}

export interface PinnedCertificate {
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Seconds. */
  readonly notAfter: number;
}

/**
 * The server's half of `aws_iid`, without any call to AWS: whoever shows an instance's identity document first may
 * become the agent of that instance. Any process of the instance can have the document, at any time.
 */
export function awsIidServer(options: AwsIidServerOptions): NodeAttestorServer {
  return {
    type: AWS_IID_TYPE,
    async admit(payload) {
      const message = parseIid(payload);
      const document = new TextEncoder().encode(message.document);
      const envelope = await openSignedDocument(
        "aws_iid signature",
        Buffer.from(message.rsa2048, "base64"),
      );
      // What is believed is the document that AWS signed, not the one beside it.
      const identity = parseInstanceIdentity(envelope.content);
      if (!(await isSigned(envelope.isSignedBy, identity, options))) {
        throw fail("denied", "aws_iid document is not signed by AWS for its region");
      }
      if (!bytesEqual(document, envelope.content)) {
        throw fail("denied", "aws_iid document is not the one that is signed");
      }
      if (!options.accountIds.includes(identity.accountId)) {
        throw fail("denied", "aws_iid document is of an account that is not allowed");
      }
      const name = options.agentPath.render((field) => valueOf(field, identity));
      return {
        agentPath: `/spire/agent/${AWS_IID_TYPE}/${name}`,
        selectors: selectorsOf(identity),
        canReattest: false,
        firstUseOnly: true,
      };
    },
  };
}

async function isSigned(
  isSignedBy: (spki: Uint8Array) => Promise<boolean>,
  { region }: InstanceIdentity,
  { certificates, clock }: AwsIidServerOptions,
): Promise<boolean> {
  const pinned = certificates.get(region);
  if (pinned === undefined) {
    throw fail("denied", "aws_iid document is of a region whose certificate is not configured");
  }
  const now = epochSeconds(clock);
  for (const { publicKey, notAfter } of pinned) {
    if (now <= notAfter && (await isSignedBy(publicKey))) return true;
  }
  return false;
}

/** SPIRE's, as far as the document itself says them. */
function selectorsOf(identity: InstanceIdentity): { type: string; value: string }[] {
  return [
    `account_id:${identity.accountId}`,
    `az:${identity.availabilityZone}`,
    `image:id:${identity.imageId}`,
    `instance:id:${identity.instanceId}`,
    `region:${identity.region}`,
  ].map((value) => ({ type: AWS_IID_TYPE, value }));
}

function valueOf(field: string, identity: InstanceIdentity): string | undefined {
  switch (field) {
    case "AccountID":
      return identity.accountId;
    case "Region":
      return identity.region;
    case "InstanceID":
      return identity.instanceId;
    default:
      return undefined;
  }
}
