import { AUTHORITY_SETS, CERTIFICATE_PROFILES } from "../sections/authority-set-sections.ts";
import { BUNDLE_PUBLISHERS } from "../sections/bundle-publisher-sections.ts";
import { FRONT_ENDS } from "../sections/front-end-sections.ts";
import {
  ANY_KEY_TYPE,
  EXPERIMENTAL_SETTING,
  KEY_TYPE,
  LISTEN_ADDRESS,
  LOG_SETTINGS,
  TRUST_DOMAIN_SETTING,
} from "../sections/common-settings.ts";
import { FEDERATION } from "../sections/federation-section.ts";
import { SERVER_NODE_ATTESTORS } from "../sections/node-attestor-sections.ts";
import { defaultPaths } from "../paths.ts";
import { choice, count, duration, flag, text } from "../settings/shape.ts";
import { KEY_MANAGERS } from "../sections/key-manager-sections.ts";
import { REVOCATION } from "../sections/revocation-section.ts";
import type { SettingTable } from "../settings/setting.ts";
import { UPSTREAM_AUTHORITY } from "../sections/upstream-sections.ts";

/** Everything that can be set on `assay server`, in the order in which `--help` lists it. */
export const SERVER_SETTINGS = {
  "trust-domain": TRUST_DOMAIN_SETTING,
  "data-dir": {
    shape: text(),
    value: "DIR",
    help: "folder for the database and the keys",
    default: (context) => defaultPaths(context).serverData,
    fallback: "/var/lib/assay/server, or below $XDG_STATE_HOME",
  },
  listen: {
    shape: LISTEN_ADDRESS,
    value: "HOST:PORT",
    help: "where agents connect; port 0 takes a free one",
    default: "127.0.0.1:8081",
  },
  socket: {
    shape: text(),
    value: "PATH",
    help: "admin socket, for this user alone",
    env: "ASSAY_SERVER_SOCKET",
    default: (context) => defaultPaths(context).serverSocket,
    fallback: "/run/assay/server.sock, or below $XDG_RUNTIME_DIR",
  },
  "key-manager": {
    shape: choice(["disk", "memory", "pkcs11", "vault"]),
    value: "KIND",
    help: "where the authorities' keys live",
    default: "disk",
    fallback: "disk, encrypted",
  },
  "key-managers": {
    shape: KEY_MANAGERS,
    help: "key managers that are elsewhere; keyManager names the one that is used",
  },
  "key-file": {
    shape: text(),
    value: "FILE",
    help: "key that encrypts the keys on disk; also $ASSAY_KEY_ENCRYPTION_KEY or the systemd credential assay-key",
    fallback: "generated in the data folder",
  },
  experimental: EXPERIMENTAL_SETTING,
  "ca-key-type": {
    shape: ANY_KEY_TYPE,
    value: "TYPE",
    help: "key of X.509 authorities",
    default: "ec-p256",
  },
  "ca-ttl": {
    shape: duration(60),
    value: "DURATION",
    help: "life of an authority",
    default: "24h",
  },
  "jwt-key-type": {
    shape: KEY_TYPE,
    value: "TYPE",
    help: "key of JWT authorities",
    default: "ec-p256",
  },
  "jwt-issuer": {
    shape: text(),
    value: "TEXT",
    help: "'iss' of JWT-SVIDs",
    fallback: "none",
    reload: "now",
  },
  "upstream-authority": {
    shape: UPSTREAM_AUTHORITY,
    help: "who signs the X.509 authorities; without one they are their own roots",
  },
  "authority-sets": {
    shape: AUTHORITY_SETS,
    help: "X.509 authorities beside the trust domain's own, for certificates that front ends hand out",
  },
  "certificate-profiles": {
    shape: CERTIFICATE_PROFILES,
    help: "what such certificates may say, beside the profiles server-90d, server-7d, peer and spiffe",
    reload: "now",
  },
  "x509-ttl": {
    shape: duration(5),
    value: "DURATION",
    help: "life of an X.509-SVID whose entry names none",
    default: "1h",
    reload: "now",
  },
  "jwt-ttl": {
    shape: duration(5),
    value: "DURATION",
    help: "life of a JWT-SVID whose entry names none",
    default: "5m",
    reload: "now",
  },
  "agent-ttl": {
    shape: duration(10),
    value: "DURATION",
    help: "life of an agent's own SVID",
    default: "1h",
    reload: "now",
  },
  "x509pop-ca": {
    shape: text(),
    value: "FILE",
    help: "authorities (PEM) of certificates that agents may attest with",
    reload: "now",
  },
  "x509pop-mode": {
    shape: choice(["external_pki", "spiffe"]),
    value: "MODE",
    help: "whose certificates: those below --x509pop-ca, or own SVIDs below --x509pop-svid-prefix",
    fallback: "external_pki",
    reload: "now",
  },
  "x509pop-svid-prefix": {
    shape: text(),
    value: "PATH",
    help: "with mode spiffe: SVIDs whose path is below this one; / means every SVID",
    fallback: "/spire-exchange/",
    reload: "now",
  },
  "x509pop-path-template": {
    shape: text(),
    value: "TEXT",
    help: "how such agents are named below /spire/agent/, as 'x509pop/{{ .Subject.CommonName }}'",
    fallback: "x509pop/{{ .Fingerprint }}, with mode spiffe x509pop/{{ .SVIDPathTrimmed }}",
    reload: "now",
  },
  "attest-limit": {
    shape: count(1, 100_000),
    value: "N",
    help: "attestations a second from one address",
    default: 1,
    reload: "now",
  },
  "sign-limit": {
    shape: count(1, 1_000_000),
    value: "N",
    help: "signatures a second for one agent",
    default: 500,
    reload: "now",
  },
  "node-attestors": {
    shape: SERVER_NODE_ATTESTORS,
    help: "how agents may prove their nodes, beside join tokens",
    reload: "now",
  },
  "bundle-publishers": {
    shape: BUNDLE_PUBLISHERS,
    help: "where the trust domain's bundle is put, beside those who ask for it",
  },
  frontends: {
    shape: FRONT_ENDS,
    help: "what the server answers beside its API, on listeners of their own",
    reloadParts: [
      // All of it but where it listens and by which address clients know it.
      ...[
        "set",
        "profiles",
        "orderTtl",
        "authorizationTtl",
        "unusedAccountTtl",
        "termsOfService",
        "website",
        "names",
        "validation",
        "limits",
      ].map((key) => `frontends.acme.${key}`),
      "frontends.certificates",
    ],
  },
  "provision-listen": {
    shape: LISTEN_ADDRESS,
    value: "HOST:PORT",
    help: "open the front end provision there: certificates for one-time tokens",
    fallback: "nowhere, or as frontends.provision has it",
  },
  "anonymous-authorize": {
    shape: flag(),
    help: "anyone who reaches the front end provision may authorize any name; for trying out",
  },
  "plain-http": {
    shape: flag(),
    help: "no TLS on the front end provision; for trying out",
  },
  revocation: {
    shape: REVOCATION,
    help: "revocation of single X.509-SVIDs, which is off unless this is given",
  },
  federation: {
    shape: FEDERATION,
    help: "the own bundle endpoint, and foreign trust domains",
    reload: "now",
  },
  ...LOG_SETTINGS,
} as const satisfies SettingTable;

export type ServerSettings = typeof SERVER_SETTINGS;
