import { fail } from "../../base/errors.ts";

/**
 * Who may call a method. `any` needs no caller at all; `local` is the admin Unix socket; `admin` and `downstream` are
 * workloads whose entries say so; `workload` is any whose ID has an entry, or is a member of one with a template; `agent`
 * is an attested node with its active SVID.
 */
export type CallerRole = "any" | "local" | "admin" | "agent" | "downstream" | "workload";

/**
 * The authorization table: every method of every service that the server knows, implemented or not. It agrees with
 * SPIRE's default policy, but for health, which answers everyone.
 */
export const AUTHORIZATION: ReadonlyMap<string, ReadonlySet<CallerRole>> = table({
  "/spire.api.server.agent.v1.Agent": {
    AttestAgent: ["any"],
    BanAgent: ["local", "admin"],
    CountAgents: ["local", "admin"],
    CreateJoinToken: ["local", "admin"],
    DeleteAgent: ["local", "admin"],
    GetAgent: ["local", "admin"],
    ListAgents: ["local", "admin"],
    PostStatus: ["agent"],
    RenewAgent: ["agent"],
  },
  "/spire.api.server.bundle.v1.Bundle": {
    AppendBundle: ["local", "admin"],
    BatchCreateFederatedBundle: ["local", "admin"],
    BatchDeleteFederatedBundle: ["local", "admin"],
    BatchSetFederatedBundle: ["local", "admin"],
    BatchUpdateFederatedBundle: ["local", "admin"],
    CountBundles: ["local", "admin"],
    GetBundle: ["any"],
    GetFederatedBundle: ["local", "admin", "agent"],
    ListFederatedBundles: ["local", "admin"],
    PublishJWTAuthority: ["downstream"],
    PublishWITAuthority: ["downstream"],
  },
  "/spire.api.server.debug.v1.Debug": {
    GetInfo: ["local"],
  },
  "/spire.api.server.entry.v1.Entry": {
    BatchCreateEntry: ["local", "admin"],
    BatchDeleteEntry: ["local", "admin"],
    BatchUpdateEntry: ["local", "admin"],
    CountEntries: ["local", "admin"],
    GetAuthorizedEntries: ["agent"],
    GetEntry: ["local", "admin"],
    ListEntries: ["local", "admin"],
    SyncAuthorizedEntries: ["agent"],
  },
  "/spire.api.server.localauthority.v1.LocalAuthority": {
    ActivateJWTAuthority: ["local", "admin"],
    ActivateWITAuthority: ["local", "admin"],
    ActivateX509Authority: ["local", "admin"],
    GetJWTAuthorityState: ["local", "admin"],
    GetWITAuthorityState: ["local", "admin"],
    GetX509AuthorityState: ["local", "admin"],
    PrepareJWTAuthority: ["local", "admin"],
    PrepareWITAuthority: ["local", "admin"],
    PrepareX509Authority: ["local", "admin"],
    RevokeJWTAuthority: ["local", "admin"],
    RevokeWITAuthority: ["local", "admin"],
    RevokeX509Authority: ["local", "admin"],
    RevokeX509UpstreamAuthority: ["local", "admin"],
    TaintJWTAuthority: ["local", "admin"],
    TaintWITAuthority: ["local", "admin"],
    TaintX509Authority: ["local", "admin"],
    TaintX509UpstreamAuthority: ["local", "admin"],
  },
  "/spire.api.server.logger.v1.Logger": {
    GetLogger: ["local"],
    ResetLogLevel: ["local"],
    SetLogLevel: ["local"],
  },
  "/spire.api.server.svid.v1.SVID": {
    BatchNewWITSVID: ["agent"],
    BatchNewX509SVID: ["agent"],
    MintJWTSVID: ["local", "admin"],
    MintWITSVID: ["local", "admin"],
    MintX509SVID: ["local", "admin"],
    NewDownstreamX509CA: ["downstream"],
    NewJWTSVID: ["agent"],
  },
  "/spire.api.server.trustdomain.v1.TrustDomain": {
    BatchCreateFederationRelationship: ["local", "admin"],
    BatchDeleteFederationRelationship: ["local", "admin"],
    BatchUpdateFederationRelationship: ["local", "admin"],
    GetFederationRelationship: ["local", "admin"],
    ListFederationRelationships: ["local", "admin"],
    RefreshBundle: ["local", "admin"],
  },
  "/assay.acme.v1.ExternalAccounts": {
    CreateExternalAccount: ["local", "admin"],
    DeleteExternalAccount: ["local", "admin"],
    ListExternalAccounts: ["local", "admin"],
  },
  "/assay.agent.v1.AgentHost": {
    GetHost: ["local", "admin"],
    ReportHost: ["agent"],
  },
  "/assay.authority.v1.Authority": {
    ActivateX509Authority: ["local", "admin"],
    GetX509Roots: ["local", "admin"],
    ImportX509Authority: ["local", "admin"],
    ListAuthorities: ["local", "admin"],
    PrepareX509Authority: ["local", "admin"],
    RemoveX509Chain: ["local", "admin"],
    RequestX509Authority: ["local", "admin"],
    RevokeX509Authority: ["local", "admin"],
    TaintX509Authority: ["local", "admin"],
  },
  "/assay.audit.v1.Audit": {
    Read: ["local"],
  },
  "/assay.certificate.v1.Certificates": {
    NewCertificateBySVID: ["workload"],
    NewCertificateByToken: ["any"],
  },
  "/assay.claims.v1.Claims": {
    BatchCreateEntry: ["local", "admin"],
    BatchGetClaims: ["local", "admin"],
    BatchSetClaims: ["local", "admin"],
  },
  "/assay.entry.v1.Entry": {
    BatchCreateEntry: ["local", "admin"],
    BatchDeleteEntry: ["local", "admin"],
    BatchUpdateEntry: ["local", "admin"],
    CountEntries: ["local", "admin"],
    GetEntry: ["local", "admin"],
    ListEntries: ["local", "admin"],
  },
  "/assay.entry.v1.Plan": {
    CheckEntries: ["local", "admin"],
  },
  "/assay.explain.v1.Registry": {
    Nearest: ["agent"],
  },
  "/assay.revocation.v1.Revocation": {
    ListCRLs: ["local", "admin"],
    ListRevocations: ["local", "admin"],
    RevokeX509SVID: ["local", "admin"],
  },
  "/assay.health.v1.Health": {
    GetParts: ["local"],
  },
  "/assay.federation.v1.Federation": {
    ListRelationships: ["local", "admin"],
  },
  "/assay.jwt.v1.Tokens": {
    BatchNewJWTSVID: ["agent"],
  },
  "/assay.provision.v1.Provision": {
    Authorize: ["local", "admin"],
    CreateApiToken: ["local", "admin"],
    DeleteApiToken: ["local", "admin"],
    ListApiTokens: ["local", "admin"],
    ListGrants: ["local", "admin"],
    Withdraw: ["local", "admin"],
  },
  "/assay.rotation.v1.Rotation": {
    BatchRotateAgent: ["local", "admin"],
    BatchRotateEntry: ["local", "admin"],
  },
  "/assay.sync.v1.Sync": {
    Follow: ["agent"],
  },
  "/assay.template.v1.Templates": {
    BatchCreateEntry: ["local", "admin"],
    BatchGetTemplate: ["local", "admin"],
    BatchNewX509SVID: ["agent"],
    BatchSetTemplate: ["local", "admin"],
    NewJWTSVID: ["agent"],
  },
  "/assay.token.v1.OneTime": {
    Create: ["local", "admin"],
    Spend: ["agent"],
  },
  "/assay.token.v1.Token": {
    NewJWTSVID: ["any"],
    NewX509SVID: ["any"],
  },
  "/grpc.health.v1.Health": {
    Check: ["any"],
    Watch: ["any"],
  },
});

/** The services in the table, by full name: those that the server knows. */
export const KNOWN_SERVICES: readonly string[] = [
  ...new Set([...AUTHORIZATION.keys()].map((method) => method.slice(1, method.lastIndexOf("/")))),
];

/**
 * @param method `/package.Service/Method`
 * @throws internal when the method has no row: it is refused until somebody decides who may call it
 */
export function rolesFor(method: string): ReadonlySet<CallerRole> {
  const roles = AUTHORIZATION.get(method);
  if (roles === undefined) {
    throw fail("internal", `method ${method} has no row in the authorization table`);
  }
  return roles;
}

function table(
  services: Readonly<Record<string, Readonly<Record<string, readonly CallerRole[]>>>>,
): ReadonlyMap<string, ReadonlySet<CallerRole>> {
  const rows = Object.entries(services).flatMap(([service, methods]) =>
    Object.entries(methods).map(
      ([method, roles]) => [`${service}/${method}`, new Set(roles)] as const,
    ),
  );
  return new Map(rows);
}
