import { BROKER_SECTION } from "../sections/broker-section.ts";
import {
  ANY_KEY_TYPE,
  EXPERIMENTAL_SETTING,
  LOG_SETTINGS,
  PEER_ADDRESS,
  TRUST_DOMAIN_SETTING,
} from "../sections/common-settings.ts";
import { AGENT_NODE_ATTESTORS } from "../sections/node-attestor-sections.ts";
import { defaultPaths } from "../paths.ts";
import { SDS_SECTION } from "../sections/sds-section.ts";
import { choice, count, flag, interval, list, text } from "../settings/shape.ts";
import type { SettingTable } from "../settings/setting.ts";
import { SVID_STORES } from "../sections/svid-store-sections.ts";
import { WORKLOAD_ATTESTORS } from "../sections/workload-attestor-sections.ts";

/** Everything that can be set on `assay agent`, in the order in which `--help` lists it. */
export const AGENT_SETTINGS = {
  server: {
    shape: PEER_ADDRESS,
    value: "HOST:PORT",
    help: "the server's address",
    env: "ASSAY_SERVER",
  },
  "trust-domain": TRUST_DOMAIN_SETTING,
  "trust-bundle": {
    shape: text(),
    value: "FILE",
    help: "bundle by which the server is known at the first start (PEM, from 'assay bundle show')",
    reload: "start",
  },
  "trust-bundle-url": {
    shape: text({ pattern: "^https://[^\\s]+$", rule: "is no https address" }),
    value: "URL",
    help: "https address to get that bundle from instead",
    reload: "start",
  },
  "trust-bundle-sha256": {
    shape: text({
      pattern: "^[0-9a-fA-F]{64}$",
      rule: "is not 64 hex digits: the SHA-256 of the TLS server's public key (SubjectPublicKeyInfo)",
    }),
    value: "HEX",
    help: "SHA-256 of the public key of that address's TLS server, which then needs no web authority",
    reload: "start",
  },
  "insecure-bootstrap": {
    shape: flag(),
    help: "believe whatever server answers at the first start; for trials only",
    default: false,
    reload: "start",
  },
  attestor: {
    shape: choice([
      "join_token",
      "x509pop",
      "oidc",
      "k8s_psat",
      "http_challenge",
      "sshpop",
      "aws_iid",
      "gcp_iit",
      "azure_imds",
      "tpm_devid",
    ]),
    value: "TYPE",
    help: "how this node proves itself",
    default: "join_token",
  },
  "x509pop-cert": {
    shape: text(),
    value: "FILE",
    help: "this host's certificate (PEM), read again at each attestation",
  },
  "x509pop-key": { shape: text(), value: "FILE", help: "its private key (PEM)" },
  "x509pop-chain": { shape: text(), value: "FILE", help: "its intermediates (PEM), 4 at most" },
  "oidc-token-file": {
    shape: text(),
    value: "FILE",
    help: "token of an OIDC issuer, read again at each attestation",
  },
  "join-token-file": {
    shape: text(),
    value: "FILE",
    help: "file with the join token; also $ASSAY_JOIN_TOKEN",
    reload: "start",
  },
  "join-token": {
    shape: text({ secret: true }),
    value: "TOKEN",
    help: "the join token; every user of this host can read it in the process list",
    reload: "start",
  },
  "data-dir": {
    shape: text(),
    value: "DIR",
    help: "folder for the agent's own identity",
    default: (context) => defaultPaths(context).agentData,
    fallback: "/var/lib/assay/agent, or below $XDG_STATE_HOME",
  },
  socket: {
    shape: text(),
    value: "PATH",
    help: "Workload API socket",
    default: (context) => defaultPaths(context).agentSocket,
    fallback: "/run/assay/agent/api.sock, or below $XDG_RUNTIME_DIR",
  },
  "admin-socket": {
    shape: text(),
    value: "PATH",
    help: "socket for log levels, debugging and health, for this user alone",
    fallback: "none",
  },
  experimental: {
    ...EXPERIMENTAL_SETTING,
    shape: list(choice(["ml-dsa", "wit-svid", "broker-api"]), { most: 8 }),
    help: "what is tried out and may change or go; ml-dsa: keys of type ml-dsa-65; wit-svid: WIT-SVIDs; broker-api: the section broker",
  },
  "workload-key-type": {
    shape: ANY_KEY_TYPE,
    value: "TYPE",
    help: "key of X.509-SVIDs",
    default: "ec-p256",
  },
  "sync-interval": {
    shape: interval(50),
    value: "DURATION",
    help: "how often to ask the server for changes",
    default: "5s",
    reload: "now",
  },
  "x509-cache": {
    shape: count(1, 1_000_000),
    value: "N",
    help: "X.509-SVIDs to hold",
    default: 1000,
    reload: "now",
  },
  "jwt-cache": {
    shape: count(1, 1_000_000),
    value: "N",
    help: "JWT-SVIDs to hold",
    default: 1000,
    reload: "now",
  },
  "allow-unauthenticated-verifiers": {
    shape: flag(),
    help: "give the own trust domain's bundle to processes without an identity",
    default: false,
    reload: "now",
  },
  "allowed-foreign-jwt-claims": {
    shape: list(text({ maxLength: 256 }), { most: 256 }),
    value: "NAME,...",
    help: "claims of foreign JWT-SVIDs that validation passes on",
    default: [],
    fallback: "none",
    reload: "now",
  },
  "authorized-delegates": {
    shape: list(text({ maxLength: 2048 }), { most: 256 }),
    value: "ID,...",
    help: "SPIFFE IDs whose holders may fetch the identities of others on the admin socket",
    default: [],
    fallback: "none",
    reload: "now",
  },
  "workload-attestors": {
    shape: WORKLOAD_ATTESTORS,
    help: "what finds out which process is calling, beside 'unix', which is always on",
    reload: "now",
  },
  sds: {
    shape: SDS_SECTION,
    help: "under which names Envoy finds its secrets on the Workload API socket",
  },
  broker: {
    shape: BROKER_SECTION,
    help: "the SPIFFE Broker API, for components that stand for others; needs experimental: [broker-api]",
  },
  "node-attestors": {
    shape: AGENT_NODE_ATTESTORS,
    help: "settings of the attestor that --attestor names",
    reload: "now",
  },
  "svid-stores": {
    shape: SVID_STORES,
    help: "where SVIDs of entries with a stored SVID may be put, keys included",
    reload: "now",
  },
  ...LOG_SETTINGS,
} as const satisfies SettingTable;

export type AgentSettings = typeof AGENT_SETTINGS;
