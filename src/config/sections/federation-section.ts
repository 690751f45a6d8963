/** `federation` of a server's file: where its own bundle is served, and whose bundles it fetches. */
import { LISTEN_ADDRESS } from "./common-settings.ts";
import { choice, duration, map, section, text } from "../settings/shape.ts";

const BUNDLE_ENDPOINT = section({
  listen: {
    shape: LISTEN_ADDRESS,
    help: "where other trust domains fetch this one's bundle; port 0 takes a free one",
    required: true,
  },
  profile: {
    shape: choice(["https_spiffe", "https_web"]),
    help: "what it proves itself with: the server's own SVID, or the certificate of certificateFile",
    default: "https_spiffe",
  },
  certificateFile: {
    shape: text(),
    help: "with https_web: certificate chain (PEM), leaf first; read again when it changes",
  },
  keyFile: {
    shape: text(),
    help: "with https_web: its key (PEM); read again when it changes",
  },
  refreshHint: {
    shape: duration(1),
    help: "how often others are to fetch it",
    default: "5m",
  },
});

const FOREIGN_DOMAIN = section({
  endpointUrl: {
    shape: text({ maxLength: 2048 }),
    help: "https address of the domain's bundle endpoint",
    required: true,
  },
  profile: {
    shape: choice(["https_web", "https_spiffe"]),
    help: "what the endpoint proves itself with: a certificate of the web's authorities, or an SVID",
    required: true,
  },
  endpointSpiffeId: {
    shape: text({ maxLength: 2048 }),
    help: "with https_spiffe: the SPIFFE ID that the endpoint has to have",
  },
  bundleFile: {
    shape: text(),
    help: "the domain's bundle of today, taken while there is none: bundle document or PEM",
  },
  caFile: {
    shape: text(),
    help: "with https_web: authorities (PEM) that count in place of the web's",
  },
});

export const FEDERATION = section({
  bundleEndpoint: { shape: BUNDLE_ENDPOINT, help: "this trust domain's own bundle endpoint" },
  federatesWith: {
    shape: map(FOREIGN_DOMAIN, { keyPattern: "^[a-z0-9._-]{1,255}$", most: 10_000 }),
    help: "foreign trust domains by name, beside those of 'assay federation create'",
  },
});
