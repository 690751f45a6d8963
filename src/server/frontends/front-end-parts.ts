/** What front ends are opened with. */
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { Reload } from "../../config/reload.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import type { TlsIdentity } from "../../base/tls-identity.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Metrics } from "../../observe/metrics.ts";
import type { Readiness } from "../../observe/readiness.ts";
import type { BundleService } from "../bundles/bundle-service.ts";
import type { AuditTrail } from "../audit/audit-trail.ts";
import type { CallScope } from "../audit/call-scope.ts";
import type { Datastore } from "../datastore/contract.ts";
import type { TrustedRoots } from "../endpoints/peer-identity.ts";
import type { ServerIdentityOptions } from "../endpoints/server-identity.ts";
import type { Issuance } from "../issuance/issuance.ts";
import type { Provisioning } from "./provision/provisioning.ts";
import type { Revocations } from "../revocation/revocations.ts";

export interface FrontEndParts {
  readonly bundles: Pick<BundleService, "own" | "onChange">;
  /** The trust domain's own. */
  readonly authorities: ServerIdentityOptions["authorities"] & {
    /** `lead`: seconds from a key's publication to its first signature. */
    plan(kind: "jwt"): { readonly lead: number };
  };
  readonly issuance: Pick<
    Issuance,
    | "serverX509"
    | "frontEndCertificate"
    | "prepareFrontEndCertificate"
    | "checkFrontEndCertificate"
    | "isWithdrawn"
    | "hasAlternate"
  >;
  /** The server's own SVID. */
  readonly svid: () => TlsIdentity | undefined;
  readonly reload: Reload<ServerConfig>;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly readiness: Readiness;
  readonly revocations: Pick<Revocations, "crls" | "enabled" | "isRevoked" | "onChange" | "revoke">;
  readonly datastore: Datastore;
  readonly trail: Pick<AuditTrail, "acted" | "denied" | "requireWritable">;
  readonly scope: CallScope;
  /** The trust domain's own, by which clients' SVIDs are verified. */
  readonly roots: TrustedRoots;
  /** Where the front end `provision` is configured. */
  readonly provisioning: Provisioning | undefined;
  readonly logger: Logger;
  /** Runs a step of the start; an error names it. */
  readonly step: <T>(name: string, work: () => Promise<T>) => Promise<T>;
}
