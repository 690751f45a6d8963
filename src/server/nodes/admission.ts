/** What is checked before a node is admitted, and how it is kept once it is. */
import type { NodeAdmission } from "../../attestors/contract.ts";
import { checkJoinTokenLife, spentOrUnknown } from "../../attestors/node/join-token/server.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { canonicalSelectors } from "../../spiffe/selector.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { Datastore, NodeRecord, Writers } from "../datastore/contract.ts";
import { checkBinding } from "./bound-tokens.ts";

/** The part of a signed SVID that is kept with the node. */
export interface NodeSvid {
  /** Lower-case hex, no leading zeros. */
  readonly serial: string;
  readonly expiresAt: EpochSeconds;
}

/** A node that has proved itself, and the key that its agent asked with. */
export interface Candidate {
  readonly agentId: SpiffeId;
  readonly admission: NodeAdmission;
  readonly attestationType: string;
  /** SHA-256 of the key's DER SubjectPublicKeyInfo, hex. */
  readonly keyHash: string;
}

/** @throws internal when the attestor named an agent that is none of its own */
export function admittedId(
  trustDomain: TrustDomain,
  { admission, attestationType }: Pick<Candidate, "admission" | "attestationType">,
): SpiffeId {
  if (!admission.agentPath.startsWith(`/spire/agent/${attestationType}/`)) {
    throw fail("internal", "the node attestor named an agent outside of its own namespace");
  }
  return SpiffeId.of(trustDomain, admission.agentPath);
}

/**
 * @returns the node as it is kept now, if it is
 * @throws denied (banned, or its proof counts for another key), invalid (join token spent, unknown or expired)
 */
export async function checkAdmission(
  store: Pick<Writers | Datastore, "tokens" | "boundTokens" | "nodes">,
  { agentId, admission, keyHash }: Candidate,
  now: EpochSeconds,
): Promise<NodeRecord | undefined> {
  const node = await store.nodes.get(agentId.toString());
  if (node?.banned === true) throw banned(agentId.toString());
  if (admission.twinPath !== undefined) {
    const twinId = SpiffeId.of(agentId.trustDomain, admission.twinPath).toString();
    if ((await store.nodes.get(twinId))?.banned === true) throw banned(twinId);
  }
  if (admission.bindsToken !== undefined) {
    await checkBinding(store.boundTokens, admission.bindsToken, keyHash);
  }
  if (admission.firstUseOnly && node !== undefined && node.keyHash !== keyHash) {
    throw fail(
      "denied",
      `agent '${agentId.toString()}' has attested before; evict it to let its host attest again (assay agents evict)`,
    );
  }
  if (admission.spendsToken === undefined) return node;
  checkJoinTokenLife(await store.tokens.get(admission.spendsToken), now);
  // The node is what marks its token as spent; the token's row stays until it expires, for the same key only.
  if (node !== undefined && node.keyHash !== keyHash) throw spentOrUnknown();
  return node;
}

/**
 * The admitted node.
 * @param present as it was kept before: the answer may have been lost, so that the SVID of before stays active until the
 *   new one is used, as with a renewal
 */
export function admittedNode(
  { agentId, admission, attestationType, keyHash }: Candidate,
  { svid, attestedAt }: { readonly svid: NodeSvid; readonly attestedAt: EpochSeconds },
  present: NodeRecord | undefined,
): NodeRecord {
  const { serial, expiresAt } = present ?? svid;
  return {
    spiffeId: agentId.toString(),
    attestationType,
    serial,
    expiresAt,
    newSerial: present === undefined ? "" : svid.serial,
    newExpiresAt: present === undefined ? 0 : svid.expiresAt,
    selectors: canonicalSelectors(admission.selectors),
    banned: false,
    canReattest: admission.canReattest,
    agentVersion: present?.agentVersion ?? "",
    keyHash,
    hostFacts: present?.hostFacts ?? "",
    attestedAt,
    rotation: present?.rotation ?? 0,
  };
}

export function banned(agentId: string): Error {
  return fail("denied", `agent '${agentId}' is banned`, { reason: "AGENT_BANNED" });
}
