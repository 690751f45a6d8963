/** The server's messages as the agent's own values: checked once, here. */
import { fail } from "../../base/errors.ts";
import type { Template__Output } from "../../rpc/gen/assay/template/v1/Template.ts";
import type { Bundle__Output } from "../../rpc/gen/spire/api/types/Bundle.ts";
import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import type { SPIFFEID__Output } from "../../rpc/gen/spire/api/types/SPIFFEID.ts";
import type { X509SVID__Output } from "../../rpc/gen/spire/api/types/X509SVID.ts";
import { keyTypeOfSpki } from "../../keys/public-key.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { IdTemplate } from "../../spiffe/id-template.ts";
import { checkSelector } from "../../spiffe/selector.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { EVERY_DOMAIN, type Entry } from "../cache/entry.ts";

/** @throws invalid */
export function entryFromMessage(message: Entry__Output, template?: Template__Output): Entry {
  if (message.id === "") throw fail("invalid", "entry has no id");
  const selectors = message.selectors.map(checkSelector);
  if (selectors.length === 0) throw fail("invalid", "entry has no selectors");
  const spiffeId = spiffeIdFromMessage(message.spiffe_id).toString();
  if (template !== undefined) IdTemplate.parse(template.id, spiffeId);
  return {
    id: message.id,
    spiffeId,
    selectors: selectors.map(({ type, value }) => ({ type, value })),
    federatesWith: message.federates_with.map((name) =>
      name === EVERY_DOMAIN ? name : TrustDomain.parse(name).name,
    ),
    hint: message.hint,
    admin: message.admin,
    downstream: message.downstream,
    storeSvid: message.store_svid,
    // With the server as its parent, or in the form that a join token makes.
    isNodeAlias:
      message.parent_id?.path === SERVER_PATH || selectors.some(({ type }) => type === "spiffe_id"),
    disableX509SvidPrefetch: message.additional_attributes?.disable_x509_svid_prefetch ?? false,
    jwtSvidIncludeJti: message.additional_attributes?.jwt_svid_include_jti ?? false,
    dnsNames: [...message.dns_names],
    x509SvidTtl: message.x509_svid_ttl,
    revisionNumber: Number(message.revision_number),
    createdAt: Number(message.created_at),
    expiresAt: Number(message.expires_at),
    ...(template === undefined
      ? {}
      : { template: { id: template.id, trustAgent: template.trust_agent } }),
  };
}

/**
 * One bad authority spoils nothing else: it is left out and named in `skipped`.
 * @throws invalid when the bundle is of another trust domain
 */
export function bundleFromMessage(
  message: Bundle__Output,
  trustDomain: string,
): { readonly bundle: Bundle; readonly skipped: readonly string[] } {
  if (TrustDomain.parse(message.trust_domain).name !== trustDomain) {
    throw fail("invalid", `asked for the bundle of ${trustDomain}, got another one`);
  }
  const skipped: string[] = [];
  const kept = <T>(items: readonly T[], convert: (item: T) => T): T[] =>
    items.filter((item) => {
      try {
        convert(item);
        return true;
      } catch (error) {
        skipped.push(error instanceof Error ? error.message : String(error));
        return false;
      }
    });
  const x509 = kept(message.x509_authorities, (authority) => {
    parseCertificate(authority.asn1);
    return authority;
  });
  const jwt = kept(message.jwt_authorities, (authority) => {
    if (authority.key_id === "") throw fail("invalid", "jwt authority has no key id");
    if (keyTypeOfSpki(authority.public_key) === undefined) {
      throw fail("invalid", "jwt authority has a key of an unsupported type");
    }
    return authority;
  });
  return {
    skipped,
    bundle: {
      trustDomain,
      x509Authorities: x509.map(({ asn1, tainted }) => ({ der: new Uint8Array(asn1), tainted })),
      jwtAuthorities: jwt.map((authority) => ({
        keyId: authority.key_id,
        publicKey: new Uint8Array(authority.public_key),
        expiresAt: Number(authority.expires_at),
        tainted: authority.tainted,
      })),
      refreshHint: Number(message.refresh_hint),
      sequence: Number(message.sequence_number),
    },
  };
}

/** @throws invalid */
export function spiffeIdFromMessage(message: SPIFFEID__Output | null): SpiffeId {
  if (message === null) throw fail("invalid", "SPIFFE ID is missing");
  return SpiffeId.of(TrustDomain.parse(message.trust_domain), message.path);
}
/** DER, leaf first. @throws internal when there is none */
export function chainOf(svid: X509SVID__Output | null): readonly Uint8Array[] {
  if (svid === null || svid.cert_chain.length === 0) {
    throw fail("internal", "the server sent no certificate");
  }
  return svid.cert_chain.map((der) => new Uint8Array(der));
}

/** The parent of entries that group agents. */
const SERVER_PATH = "/spire/server";
