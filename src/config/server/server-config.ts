import type { KeyType } from "../../keys/contract.ts";
import type { LogLevel } from "../../observe/logger.ts";
import type { AuthoritySetConfig } from "./build-authority-sets.ts";
import type { CertificatesConfig } from "./certificates-front-end.ts";
import type { AcmeFrontEndConfig } from "./acme-front-end.ts";
import type { BundlePublishersConfig } from "./bundle-publishers.ts";
import type { CertificateProfile } from "../certificate-profiles.ts";
import type { OidcFrontEndConfig } from "./oidc-front-end.ts";
import type { ProvisionFrontEndConfig } from "./provision-front-end.ts";
import type { FEDERATION } from "../sections/federation-section.ts";
import type { SERVER_NODE_ATTESTORS } from "../sections/node-attestor-sections.ts";
import type { REVOCATION } from "../sections/revocation-section.ts";
import type { ValueOf } from "../settings/shape.ts";
import type { UPSTREAM_AUTHORITY } from "../sections/upstream-sections.ts";

/** Everything a server process needs to know, complete: defaults are filled in, contradictions refused. */
export interface ServerConfig {
  readonly trustDomain: string;
  readonly dataDir: string;
  /** `host:port` of the mutual-TLS listener. */
  readonly listen: string;
  /** Path of the admin Unix socket. */
  readonly socket: string;
  /** `host:port` of metrics and health over HTTP; absent: there is none. */
  readonly metricsListen?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
  readonly keyManager: KeyManagerConfig;
  readonly ca: {
    readonly keyType: KeyType;
    readonly ttlSeconds: number;
    readonly jwtKeyType: KeyType;
    readonly jwtIssuer: string;
  };
  /** `upstreamAuthority` of the file, with one key at most; none: authorities are their own roots. */
  readonly upstreamAuthority: ValueOf<typeof UPSTREAM_AUTHORITY>;
  /** `authoritySets` of the file, by name; absent: none. */
  readonly authoritySets?: ReadonlyMap<string, AuthoritySetConfig>;
  /** Every certificate profile by name, the built-in ones too; absent: those alone. */
  readonly certificateProfiles?: ReadonlyMap<string, CertificateProfile>;
  readonly ttl: {
    readonly x509SvidSeconds: number;
    readonly jwtSvidSeconds: number;
    readonly agentSvidSeconds: number;
  };
  /** Node attestation by certificate; absent: not offered. */
  readonly x509pop?: X509PopServerConfig;
  /** `nodeAttestors` of the file. */
  readonly nodeAttestors: ValueOf<typeof SERVER_NODE_ATTESTORS>;
  /** `bundlePublishers` of the file. */
  readonly bundlePublishers: BundlePublishersConfig;
  /** `frontends` of the file; absent: none. */
  readonly frontends?: {
    readonly acme?: AcmeFrontEndConfig;
    readonly oidc?: OidcFrontEndConfig;
    readonly certificates?: CertificatesConfig;
    readonly provision?: ProvisionFrontEndConfig;
  };
  /** `revocation` of the file; absent: single SVIDs cannot be revoked. */
  readonly revocation?: ValueOf<typeof REVOCATION>;
  /** `federation` of the file; absent: no endpoint, and no foreign domains but those of the API. */
  readonly federation?: ValueOf<typeof FEDERATION>;
  /** What is tried out. */
  readonly experimental?: readonly string[];
  readonly limits: { readonly attestPerSecond: number; readonly signPerSecond: number };
}

export type X509PopServerConfig = {
  /** Of the agent's path behind `/spire/agent`, below `/x509pop`; absent: the mode's own. */
  readonly pathTemplate?: string;
} & (
  | /** Certificates below the authorities in a PEM file. */
  { readonly mode: "external_pki"; readonly caFile: string }
  /** SVIDs of the own trust domain, below the prefix; absent: `/spire-exchange/`. */
  | { readonly mode: "spiffe"; readonly svidPrefix?: string }
);

export type KeyManagerConfig =
  | { readonly kind: "memory" }
  | { readonly kind: "disk"; readonly keyFile: string; readonly keyText?: string }
  | Pkcs11Config
  | VaultKeysConfig;

/** Its PIN is in a file, or given as text. */
export interface Pkcs11Config {
  readonly kind: "pkcs11";
  readonly module: string;
  readonly token: string;
  readonly pin?: string;
  readonly pinFile?: string;
  readonly namespace: string;
  readonly timeoutMs: number;
}

/** Its token is in a file, or given as text. */
export interface VaultKeysConfig {
  readonly kind: "vault";
  /** URL without a slash at its end. */
  readonly address: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly mount: string;
  readonly vaultNamespace?: string;
  readonly namespace: string;
  readonly timeoutMs: number;
}
