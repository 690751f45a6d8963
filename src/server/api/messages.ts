/** Records to messages of the published API. Times are seconds, serial numbers decimal, as SPIRE has them. */
import type { Agent } from "../../rpc/gen/spire/api/types/Agent.ts";
import type { AgentMask__Output } from "../../rpc/gen/spire/api/types/AgentMask.ts";
import type { Bundle as BundleMessage } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { BundleMask__Output } from "../../rpc/gen/spire/api/types/BundleMask.ts";
import type { Entry } from "../../rpc/gen/spire/api/types/Entry.ts";
import type { EntryMask__Output } from "../../rpc/gen/spire/api/types/EntryMask.ts";
import type { JWTKey } from "../../rpc/gen/spire/api/types/JWTKey.ts";
import type { JWTSVID } from "../../rpc/gen/spire/api/types/JWTSVID.ts";
import type { SPIFFEID } from "../../rpc/gen/spire/api/types/SPIFFEID.ts";
import type { Template } from "../../rpc/gen/assay/template/v1/Template.ts";
import type { X509SVID } from "../../rpc/gen/spire/api/types/X509SVID.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { EntryRecord, NodeRecord } from "../datastore/contract.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import type { SpiffeId } from "../../spiffe/spiffe-id.ts";

/** Takes stored IDs as text: they were checked on their way in, and lists of them are long. */
export function spiffeIdMessage(id: SpiffeId | string): SPIFFEID {
  const text = id.toString();
  const slash = text.indexOf("/", SCHEME.length);
  if (slash < 0) return { trust_domain: text.slice(SCHEME.length), path: "" };
  return { trust_domain: text.slice(SCHEME.length, slash), path: text.slice(slash) };
}

/** Without a mask: every field. The ID is never masked. */
export function entryMessage(entry: EntryRecord, mask: EntryMask__Output | null): Entry {
  return masked<Entry>({ id: entry.id }, mask, {
    spiffe_id: spiffeIdMessage(entry.spiffeId),
    parent_id: spiffeIdMessage(entry.parentId),
    selectors: [...entry.selectors],
    x509_svid_ttl: entry.x509SvidTtl,
    jwt_svid_ttl: entry.jwtSvidTtl,
    federates_with: [...entry.federatesWith],
    admin: entry.admin,
    downstream: entry.downstream,
    store_svid: entry.storeSvid,
    expires_at: entry.expiresAt,
    dns_names: [...entry.dnsNames],
    hint: entry.hint,
    revision_number: entry.revisionNumber,
    created_at: entry.createdAt,
    ...additionalAttributes(entry),
  });
}

/** `undefined` for an entry that is one identity. */
export function templateMessage({ template }: EntryRecord): Template | undefined {
  return template === undefined ? undefined : { id: template.id, trust_agent: template.trustAgent };
}

/** Without a mask: every field. The ID is never masked. */
export function agentMessage(node: NodeRecord, mask: AgentMask__Output | null): Agent {
  return masked<Agent>({ id: spiffeIdMessage(node.spiffeId) }, mask, {
    attestation_type: node.attestationType,
    x509svid_serial_number: node.serial === "" ? "" : BigInt(`0x${node.serial}`).toString(),
    x509svid_expires_at: node.expiresAt,
    selectors: [...node.selectors],
    banned: node.banned,
    can_reattest: node.canReattest,
    agent_version: node.agentVersion,
  });
}

/** Without a mask: every field. The trust domain is never masked. */
export function bundleMessage(bundle: Bundle, mask: BundleMask__Output | null): BundleMessage {
  return masked<BundleMessage>({ trust_domain: bundle.trustDomain }, mask, {
    x509_authorities: bundle.x509Authorities.map(({ der, tainted }) => ({ asn1: der, tainted })),
    jwt_authorities: jwtAuthorityMessages(bundle.jwtAuthorities),
    refresh_hint: bundle.refreshHint,
    sequence_number: bundle.sequence,
  });
}

export function jwtAuthorityMessages(authorities: Bundle["jwtAuthorities"]): JWTKey[] {
  return authorities.map(({ publicKey, keyId, expiresAt, tainted }) => ({
    public_key: publicKey,
    key_id: keyId,
    expires_at: expiresAt,
    tainted,
  }));
}

export function x509SvidMessage(svid: {
  readonly spiffeId: SpiffeId | string;
  readonly chain: readonly Uint8Array[];
  readonly expiresAt: EpochSeconds;
}): X509SVID {
  return {
    id: spiffeIdMessage(svid.spiffeId),
    cert_chain: [...svid.chain],
    expires_at: svid.expiresAt,
  };
}

export function jwtSvidMessage(svid: {
  readonly token: string;
  readonly spiffeId: SpiffeId | string;
  readonly issuedAt: EpochSeconds;
  readonly expiresAt: EpochSeconds;
}): JWTSVID {
  return {
    token: svid.token,
    id: spiffeIdMessage(svid.spiffeId),
    issued_at: svid.issuedAt,
    expires_at: svid.expiresAt,
  };
}

/** Present only where it says something, as entries made without it show none at SPIRE either. */
function additionalAttributes(entry: EntryRecord): Pick<Entry, "additional_attributes"> {
  if (!entry.disableX509SvidPrefetch && !entry.jwtSvidIncludeJti) return {};
  return {
    additional_attributes: {
      disable_x509_svid_prefetch: entry.disableX509SvidPrefetch,
      jwt_svid_include_jti: entry.jwtSvidIncludeJti,
    },
  };
}

function masked<M extends object>(
  always: M,
  mask: object | null,
  fields: { readonly [K in keyof M]?: M[K] },
): M {
  if (mask === null) return { ...always, ...fields };
  const wanted = new Set(
    Object.entries(mask)
      .filter(([, on]) => on === true)
      .map(([name]) => name),
  );
  const kept = Object.entries(fields).filter(([name]) => wanted.has(name));
  return { ...always, ...Object.fromEntries(kept) };
}

const SCHEME = "spiffe://";
