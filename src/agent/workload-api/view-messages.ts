/** Views as the Workload API's messages (SPIFFE Workload API §5, §6). */
import { concatBytes } from "../../base/bytes.ts";
import { encodeFrame } from "../../rpc/grpc/frame.ts";
import type { JWTBundlesResponse } from "../../rpc/gen/JWTBundlesResponse.ts";
import type { X509BundlesResponse } from "../../rpc/gen/X509BundlesResponse.ts";
import type { X509SVIDResponse } from "../../rpc/gen/X509SVIDResponse.ts";
import { messageType } from "../../rpc/protos.ts";
import { encodeJwks } from "../../spiffe/bundle-document.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import type { ViewContent, ViewKind } from "../cache/view.ts";

/** One whole message of the kind, framed. */
export function encodeView(kind: ViewKind, content: ViewContent): Uint8Array {
  switch (kind) {
    case "x509":
      return encodeFrame(messageType("X509SVIDResponse").encode(x509Response(content)));
    case "x509-bundles":
      return encodeFrame(messageType("X509BundlesResponse").encode(x509BundlesResponse(content)));
    case "jwt-bundles":
      return encodeFrame(messageType("JWTBundlesResponse").encode(jwtBundlesResponse(content)));
  }
}

function x509Response({ svids, own, foreign }: ViewContent): X509SVIDResponse {
  const bundle = concatenated(own);
  return {
    svids: svids.map(({ entry, svid }) => ({
      spiffe_id: svid.spiffeId,
      x509_svid: svid.chain,
      x509_svid_key: svid.key,
      bundle,
      hint: entry.hint,
    })),
    crl: [...(own.crls ?? [])],
    // Foreign domains only: some clients let an entry for the own one override `bundle`.
    federated_bundles: x509Map(foreign),
  };
}

function x509BundlesResponse({ own, foreign }: ViewContent): X509BundlesResponse {
  return { crl: [...(own.crls ?? [])], bundles: x509Map([own, ...foreign]) };
}

function jwtBundlesResponse({ own, foreign }: ViewContent): JWTBundlesResponse {
  const bundles = [own, ...foreign].map((bundle) => [
    `spiffe://${bundle.trustDomain}`,
    encodeJwks(bundle.jwtAuthorities),
  ]);
  return { bundles: Object.fromEntries(bundles) };
}

/** Without empty values, which would fail the whole message in java-spiffe and py-spiffe. */
function x509Map(bundles: readonly Bundle[]): Record<string, Uint8Array> {
  return Object.fromEntries(
    bundles
      .map((bundle): [string, Uint8Array] => [
        `spiffe://${bundle.trustDomain}`,
        concatenated(bundle),
      ])
      .filter(([, ders]) => ders.length > 0),
  );
}

/** Each distinct certificate once. */
function concatenated(bundle: Bundle): Uint8Array {
  return concatBytes(bundle.x509Authorities.map(({ der }) => der));
}
