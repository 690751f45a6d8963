/** Views and bundles as the Delegated Identity API's messages. */
import { concatBytes } from "../../base/bytes.ts";
import type { FetchJWTSVIDsResponse } from "../../rpc/gen/spire/api/agent/delegatedidentity/v1/FetchJWTSVIDsResponse.ts";
import type { SubscribeToJWTBundlesResponse } from "../../rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToJWTBundlesResponse.ts";
import type { SubscribeToX509BundlesResponse } from "../../rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToX509BundlesResponse.ts";
import type { SubscribeToX509SVIDsResponse } from "../../rpc/gen/spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsResponse.ts";
import { encodeFrame } from "../../rpc/grpc/frame.ts";
import { messageType } from "../../rpc/protos.ts";
import { encodeJwks } from "../../spiffe/bundle-document.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { derItems } from "../../x509/der-items.ts";
import type { Entry } from "../cache/entry.ts";
import type { JwtSvid } from "../cache/jwt-cache.ts";
import type { ViewContent } from "../cache/view.ts";
import { isForDelegates } from "./others-identities.ts";

/** A whole framed message; `undefined` for a workload without an identity, which is no error here. */
export function encodeX509Svids(content: ViewContent | undefined): Uint8Array {
  const given = (content?.svids ?? []).filter(({ entry }) => isForDelegates(entry));
  const response: SubscribeToX509SVIDsResponse = {
    x509_svids: given.map(({ entry, svid }) => ({
      x509_svid: {
        cert_chain: derItems(svid.chain),
        id: idOf(svid.spiffeId),
        expires_at: svid.expiresAt,
        hint: entry.hint,
      },
      x509_svid_key: svid.key,
    })),
    federates_with: (content?.foreign ?? []).map(({ trustDomain }) => `spiffe://${trustDomain}`),
  };
  return encode("SubscribeToX509SVIDsResponse", response);
}

export function encodeX509Bundles(all: readonly Bundle[]): Uint8Array {
  const ca_certificates = Object.fromEntries(
    all.map((bundle) => [
      `spiffe://${bundle.trustDomain}`,
      concatBytes(bundle.x509Authorities.map(({ der }) => der)),
    ]),
  );
  return encode("SubscribeToX509BundlesResponse", {
    ca_certificates,
  } satisfies SubscribeToX509BundlesResponse);
}

export function encodeJwtBundles(all: readonly Bundle[]): Uint8Array {
  const bundles = Object.fromEntries(
    all.map((bundle) => [`spiffe://${bundle.trustDomain}`, encodeJwks(bundle.jwtAuthorities)]),
  );
  return encode("SubscribeToJWTBundlesResponse", {
    bundles,
  } satisfies SubscribeToJWTBundlesResponse);
}

/** The token of each entry, in their order. */
export function encodeJwtSvids(entries: readonly Entry[], svids: readonly JwtSvid[]): Uint8Array {
  const response: FetchJWTSVIDsResponse = {
    svids: svids.map(({ spiffeId, token, expiresAt, issuedAt }, i) => ({
      token,
      id: idOf(spiffeId),
      expires_at: expiresAt,
      issued_at: issuedAt,
      hint: entries[i]?.hint ?? "",
    })),
  };
  return encode("FetchJWTSVIDsResponse", response);
}

function idOf(spiffeId: string): { readonly trust_domain: string; readonly path: string } {
  const { trustDomain, path } = SpiffeId.parse(spiffeId);
  return { trust_domain: trustDomain.name, path };
}

function encode(name: string, message: object): Uint8Array {
  return encodeFrame(messageType(`spire.api.agent.delegatedidentity.v1.${name}`).encode(message));
}
