import type { KeyType } from "../../keys/contract.ts";
import type { LogLevel } from "../../observe/logger.ts";
import type { AGENT_NODE_ATTESTORS } from "../sections/node-attestor-sections.ts";
import type { BrokerConfig } from "../sections/broker-section.ts";
import type { SdsConfig } from "../sections/sds-section.ts";
import type { ValueOf } from "../settings/shape.ts";
import type { SVID_STORES } from "../sections/svid-store-sections.ts";
import type { WORKLOAD_ATTESTORS } from "../sections/workload-attestor-sections.ts";

/** Everything an agent process needs to know, complete. */
export interface AgentConfig {
  readonly trustDomain: string;
  readonly dataDir: string;
  /** `host:port` of the server. */
  readonly server: string;
  /** Path of the Workload API socket. */
  readonly socket: string;
  /** Path of the admin socket; absent: there is none. */
  readonly adminSocket?: string;
  /** `host:port` of metrics and health over HTTP; absent: there is none. */
  readonly metricsListen?: string;
  readonly logLevel: LogLevel;
  readonly logFormat: "text" | "json";
  readonly bootstrap: BootstrapConfig;
  /** The join token itself; absent when there is none (a restart needs none). */
  readonly joinToken?: string;
  /** PEM files to attest with instead of a join token. */
  readonly x509pop?: {
    readonly certFile: string;
    readonly keyFile: string;
    readonly chainFile?: string;
  };
  /** Any other attestor. */
  readonly attestor?: AgentAttestorConfig;
  /** `nodeAttestors` of the file: settings of the one that `attestor` names. */
  readonly nodeAttestors: ValueOf<typeof AGENT_NODE_ATTESTORS>;
  /** `workloadAttestors` of the file: the attestors beside `unix` that are on. */
  readonly workloadAttestors: ValueOf<typeof WORKLOAD_ATTESTORS>;
  /** `sds` of the file. */
  readonly sds: SdsConfig;
  /** `svidStores` of the file: where SVIDs of entries with `storeSvid` may be put. */
  readonly svidStores: ValueOf<typeof SVID_STORES>;
  /** What is tried out. */
  readonly experimental?: readonly string[];
  readonly workloadKeyType: KeyType;
  readonly syncIntervalMs: number;
  readonly x509CacheMax: number;
  readonly jwtCacheMax: number;
  readonly allowUnauthenticatedVerifiers: boolean;
  readonly allowedForeignJwtClaims: readonly string[];
  /** SPIFFE IDs whose holders may fetch the identities of others on the admin socket. */
  readonly authorizedDelegates: readonly string[];
  /** `broker` of the file; absent: there is no broker endpoint. */
  readonly broker?: BrokerConfig;
}

/** What an agent proves its node with, by the attestor's name. */
export type AgentAttestorConfig =
  /** A file with a token of an OIDC issuer. */
  | { readonly type: "oidc"; readonly tokenFile: string }
  /** A file with a projected service account token, and the name that the server knows its cluster by. */
  | { readonly type: "k8s_psat"; readonly cluster: string; readonly tokenFile: string }
  /** Those whose settings are in `nodeAttestors`, or need none. */
  | {
      readonly type:
        | "http_challenge"
        | "sshpop"
        | "aws_iid"
        | "gcp_iit"
        | "azure_imds"
        | "tpm_devid";
    };

export type BootstrapConfig =
  | { readonly kind: "bundle"; readonly file: string }
  /** `pin`: SHA-256 of the TLS server's SubjectPublicKeyInfo, lower-case hex. */
  | { readonly kind: "url"; readonly url: string; readonly pin?: string }
  | { readonly kind: "insecure" }
  /** Nothing given: only an agent that has attested before can start. */
  | { readonly kind: "stored" };
