/**
 * Every metric's name, in one place. Where SPIRE has the metric, it has SPIRE's Prometheus name (doc/telemetry of
 * SPIRE: prefix, keys joined by underscores; `_elapsed_time` in milliseconds), so that dashboards go on working; what
 * SPIRE does not measure begins with `assay_`, in seconds.
 */
import type { MetricSpec } from "./metrics.ts";

type Role = "server" | "agent";

const metric =
  (type: MetricSpec["type"]) =>
  (
    name: string,
    help: string,
    labels: readonly string[] = [],
    buckets?: readonly number[],
  ): MetricSpec => ({
    name,
    type,
    help,
    labels,
    ...(buckets === undefined ? {} : { buckets }),
  });
const counter = metric("counter");
const gauge = metric("gauge");
const summary = metric("summary");
const histogram = metric("histogram");

/** A call counter of SPIRE's: how often by status, and how long it took. */
const call = (name: string, help: string): CallMetrics => ({
  count: counter(name, help, ["status"]),
  elapsed: summary(`${name}_elapsed_time`, "Milliseconds that took.", ["status"]),
});

/** From a millisecond to ten seconds. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export const SERVER_METRICS = {
  started: gauge("spire_server_started", "1 while the server runs.", [
    "version",
    "trust_domain_id",
  ]),
  uptime: gauge("spire_server_uptime_in_ms", "Milliseconds since the start."),
  signedX509: counter("spire_server_server_ca_sign_x509_svid", "X.509-SVIDs signed."),
  signedCa: counter("spire_server_server_ca_sign_x509_ca_svid", "Downstream authorities signed."),
  signedJwt: counter("spire_server_server_ca_sign_jwt_svid", "JWT-SVIDs signed."),
  signedWit: counter("spire_server_server_ca_sign_wit_svid", "WIT-SVIDs signed."),
  preparedX509: counter("spire_server_ca_manager_x509_ca_prepare", "X.509 authorities prepared.", [
    "status",
  ]),
  preparedJwt: counter("spire_server_ca_manager_jwt_key_prepare", "JWT authorities prepared.", [
    "status",
  ]),
  activatedX509: counter(
    "spire_server_ca_manager_x509_ca_activate",
    "X.509 authorities activated.",
  ),
  activatedJwt: counter("spire_server_manager_jwt_key_activate", "JWT authorities activated."),
  pruned: counter(
    "spire_server_ca_manager_bundle_pruned",
    "Authorities that ended and left the bundle.",
  ),
  svidRotate: call("spire_server_svid_rotate", "The server's own SVID made anew."),
  entryPrune: call(
    "spire_server_registration_entry_manager_prune",
    "Looks for entries that expired.",
  ),
  entries: gauge(
    "spire_server_entry_entries_by_entryid_cache_count",
    "Entries that agents are answered from.",
  ),
  nodes: gauge(
    "spire_server_node_agents_by_id_cache_count",
    "Agents whose calls are checked from memory.",
  ),
  followers: gauge("assay_server_following_agents", "Agents that follow the stream of changes."),
  authorityExpiration: gauge(
    "spire_server_manager_x509_ca_rotate_expiration",
    "End of the active X.509 authority, seconds since 1970.",
    ["trust_domain_id"],
  ),
  authorityTtl: gauge("spire_server_manager_x509_ca_rotate_ttl", "Seconds until then.", [
    "trust_domain_id",
  ]),
  authoritySecondsLeft: gauge(
    "assay_server_authority_seconds_left",
    "Seconds until the end of the active authority.",
    ["kind"],
  ),
  refusals: counter(
    "assay_server_refusals_total",
    "Calls and items refused, by kind of error and reason.",
    ["kind", "reason"],
  ),
  oidcAnswers: counter(
    "assay_server_oidc_answers_total",
    "Answers of the front end oidc, by HTTP status.",
    ["status"],
  ),
  provisionAttempts: counter(
    "assay_server_provision_attempts_total",
    "Calls of the front end provision, by attempt (authorize, sign, renew) and outcome (ok, or the kind of error).",
    ["attempt", "outcome"],
  ),
  renewable: gauge(
    "assay_server_renewable_certificates",
    "Certificates that stand for one-time tokens when they are renewed.",
  ),
  guardedAnswers: counter(
    "assay_server_guarded_answers_total",
    "Answers to bad calls, by front end and what the guard made of them: answered, slowed, cut.",
    ["frontend", "outcome"],
  ),
  acmeRefusals: counter(
    "assay_server_acme_refusals_total",
    "Requests that the front end acme refused, by type of error.",
    ["type"],
  ),
  acmeValidations: counter(
    "assay_server_acme_validations_total",
    "Challenges that were looked at, by their type and what came of it.",
    ["challenge", "outcome"],
  ),
  acmeCertificates: counter(
    "assay_server_acme_certificates_total",
    "Certificates that orders led to, by profile.",
    ["profile"],
  ),
  acmeAccounts: gauge("assay_server_acme_accounts", "Accounts that may ask for certificates."),
  acmeOpenOrders: gauge("assay_server_acme_open_orders", "Orders that may still be finalized."),
  acmePending: gauge(
    "assay_server_acme_pending_authorizations",
    "Authorizations whose challenges nobody has met yet.",
  ),
  acmeWaiting: gauge(
    "assay_server_acme_waiting_validations",
    "Challenges that wait for others to be looked at.",
  ),
  acmeProcessing: gauge(
    "assay_server_acme_processing_orders",
    "Orders whose certificates are being made, or wait for that.",
  ),
  acmeSlow: gauge(
    "assay_server_acme_slow_validations",
    "Challenges that have been looked at for more than a second.",
  ),
  acmeValidCertificates: gauge(
    "assay_server_acme_valid_certificates",
    "Certificates of orders that neither ended nor were revoked.",
  ),
  adminActs: counter("assay_server_admin_acts_total", "What administrators' calls did.", [
    "outcome",
  ]),
  upstreamSecondsLeft: gauge(
    "assay_upstream_authority_seconds_left",
    "Seconds until the first certificate above the active X.509 authority ends.",
    ["upstream"],
  ),
  upstreamFailing: gauge(
    "assay_upstream_authority_failing",
    "1 while the upstream authority does not sign, or does not show its roots.",
    ["upstream"],
  ),
  setSecondsLeft: gauge(
    "assay_server_authority_set_seconds_left",
    "Seconds until the end of the active authority of a set beside the trust domain's own.",
    ["set"],
  ),
  setFailing: gauge(
    "assay_server_authority_set_failing",
    "1 while no authority of such a set can sign, or its next one cannot be made.",
    ["set"],
  ),
  warnings: gauge(
    "assay_authority_warnings",
    "Certificates that end soon and that only an operator can renew.",
  ),
  auditRecords: gauge(
    "assay_server_audit_records",
    "Number of the newest record in the audit log.",
  ),
  revocations: gauge("assay_server_revocations", "Revoked X.509-SVIDs that are kept."),
  crlSecondsLeft: gauge(
    "assay_server_crl_seconds_left",
    "Seconds to the next update of the revocation list that is the oldest.",
  ),
  crlFailing: gauge(
    "assay_server_crl_failing",
    "1 while a revocation list could not be signed at the last try.",
  ),
  keyManagerFailing: gauge(
    "assay_server_key_manager_failing",
    "1 while a key manager elsewhere did not answer the last call as it should.",
  ),
  auditFailing: gauge("assay_server_audit_failing", "1 while the audit log cannot be written."),
  auditWait: histogram(
    "assay_server_audit_wait_seconds",
    "How long an issuance waited for its record.",
    [],
    SECONDS,
  ),
  revision: gauge(
    "assay_server_revision",
    "Revision of the registry that agents are answered from.",
  ),
  propagation: histogram(
    "assay_server_propagation_seconds",
    "From the commit of a change until it was sent on an agent's stream.",
    [],
    SECONDS,
  ),
  federatedFetch: call(
    "spire_server_bundle_manager_fetch_federated_bundle",
    "Fetches of foreign bundles.",
  ),
  federatedUpdate: counter(
    "spire_server_bundle_manager_update_federated_bundle",
    "Fetches that brought a changed foreign bundle.",
  ),
  federatedAge: gauge(
    "assay_server_federated_bundle_age_seconds",
    "Seconds since the bundle of a foreign domain was last fetched, or was first tried to be.",
    ["trust_domain_id"],
  ),
  federatedFailures: gauge(
    "assay_server_federated_bundle_failures",
    "Fetches of a foreign domain's bundle that failed in a row.",
    ["trust_domain_id"],
  ),
  federatedDomains: gauge(
    "assay_server_federated_domains",
    "Foreign domains whose bundles are fetched, by how that goes.",
    ["state"],
  ),
} as const;

export const AGENT_METRICS = {
  storedSvids: gauge("assay_agent_stored_svids", "SVIDs that lie in SVID stores.", ["store"]),
  storedSvidOutcomes: counter(
    "assay_agent_stored_svid_outcomes_total",
    "SVIDs put into stores, taken away, and attempts that failed.",
    ["store", "outcome"],
  ),
  started: gauge("spire_agent_started", "1 while the agent runs.", ["version", "trust_domain_id"]),
  uptime: gauge("spire_agent_uptime_in_ms", "Milliseconds since the start."),
  connections: gauge("spire_agent_workload_api_connections", "Open connections of workloads."),
  calls: counter("spire_agent_workload_api_connection", "Calls of workloads."),
  attestations: counter("spire_agent_workload_api_workload_attestation", "Callers attested.", [
    "status",
  ]),
  attestationTime: summary(
    "spire_agent_workload_api_workload_attestation_elapsed_time",
    "Milliseconds that took.",
    ["status"],
  ),
  attestor: counter("spire_agent_workload_api_workload_attestor", "Callers looked at.", [
    "attestor",
    "status",
  ]),
  attestorTime: summary(
    "spire_agent_workload_api_workload_attestor_elapsed_time",
    "Milliseconds that took.",
    ["attestor", "status"],
  ),
  attestSeconds: histogram(
    "assay_agent_attest_seconds",
    "How long an attestor took to look at a caller.",
    ["attestor"],
    SECONDS,
  ),
  selectors: summary("spire_agent_workload_api_discovered_selectors", "Selectors of a caller."),
  refusals: counter(
    "assay_agent_refusals_total",
    "Calls of workloads that were refused, by kind of error.",
    ["kind"],
  ),
  secretRejections: counter(
    "assay_agent_sds_rejections_total",
    "Responses that proxies could not use.",
  ),
  attest: call("spire_agent_node_attestor_new_svid", "Attestations of this agent."),
  renew: call("spire_agent_agent_svid_rotate", "Renewals of the agent's own SVID."),
  fetchEntries: call(
    "spire_agent_manager_sync_fetch_entries_updates",
    "Polls for entries; none where the server has a stream of changes.",
  ),
  fetchSvids: call("spire_agent_manager_sync_fetch_svids_updates", "Batches of SVIDs asked for."),
  entriesAdded: counter("spire_agent_lru_cache_entry_add", "Entries that came."),
  entriesUpdated: counter("spire_agent_lru_cache_entry_update", "Entries that changed."),
  entriesRemoved: counter("spire_agent_lru_cache_entry_remove", "Entries that went."),
  entryRecords: gauge("spire_agent_lru_cache_record_map_size", "Entries held.", ["svid_type"]),
  revision: gauge("assay_agent_revision", "Revision of the registry that the agent serves."),
  revisionLag: gauge(
    "assay_agent_revision_lag",
    "How far that is behind the newest revision that the server named.",
  ),
  appliedAge: gauge(
    "assay_agent_applied_age_seconds",
    "Seconds since a change of the server's was taken over.",
  ),
  syncAge: gauge("assay_agent_sync_age_seconds", "Seconds since the server was last heard."),
  entries: gauge("assay_agent_entries", "Entries that the agent may serve."),
  svidCount: gauge("spire_agent_lru_cache_svid_map_size", "X.509-SVIDs held.", ["svid_type"]),
  jwtCount: gauge("spire_agent_jwt_svid_cache_size", "JWT-SVIDs held."),
  streams: gauge("assay_agent_streams", "Streams of workloads that are kept up to date."),
  svidSecondsLeft: gauge(
    "assay_agent_svid_seconds_left",
    "Seconds until the end of the agent's own SVID.",
  ),
  leastSecondsLeft: gauge(
    "assay_agent_least_seconds_left",
    "Seconds until the end of the workload SVID that ends first.",
  ),
} as const;

/** Of a process, as Prometheus' client libraries name them. */
export const PROCESS_METRICS = {
  cpu: counter("process_cpu_seconds_total", "CPU time spent, user and system."),
  memory: gauge("process_resident_memory_bytes", "Resident memory."),
  startTime: gauge("process_start_time_seconds", "Start, seconds since 1970."),
} as const;

/** A call counter as SPIRE has one for each method, and the time its calls took. */
export interface CallMetrics {
  readonly count: MetricSpec;
  readonly elapsed: MetricSpec;
}

/** @param method `/package.Service/Method` */
export function callMetrics(role: Role, method: string): CallMetrics {
  const known = calls.get(`${role}${method}`);
  if (known !== undefined) return known;
  const [service = "", name = ""] = method.slice(1).split("/");
  const short = service.replace(/^spire\.api\.server\.|^grpc\.health\.v1\.|^Spiffe/, "");
  const keys = [...short.split("."), name].map(snakeCase);
  const base = `spire_${role}_rpc_${keys.join("_")}`;
  const made = call(base, `Calls of ${service}/${name}.`);
  calls.set(`${role}${method}`, made);
  return made;
}

/** SPIRE's spelling: a capital begins a word when a small letter is before or behind it. */
function snakeCase(text: string): string {
  return text
    .replace(/(?<=[a-z])(?=[A-Z].)|(?<=[A-Za-z0-9])(?=[A-Z][a-z])/g, "_")
    .replaceAll(/[^A-Za-z0-9_]/g, "_")
    .toLowerCase();
}

/** By role and method; methods are a closed set. */
const calls = new Map<string, CallMetrics>();
