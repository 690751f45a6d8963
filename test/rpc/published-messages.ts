/** Messages as they are published: their fields, and their bytes made by hand. */

/** Protobuf by hand (encoding guide of protobuf.dev): tag, then value. */
export type Field = Uint8Array;

export const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];

export const int = (field: number, value: number): Field =>
  Uint8Array.from([...varint(field * 8), ...varint(value)]);

export const bytes = (field: number, value: Uint8Array | string): Field => {
  const raw = Buffer.from(value);
  return Uint8Array.from([...varint(field * 8 + 2), ...varint(raw.length), ...raw]);
};

export const msg = (field: number, ...fields: Field[]): Field =>
  bytes(field, Buffer.concat(fields));

export const T = "spire.api.types";

export const ID = { trust_domain: "example.org", path: "/x" };

export const id = (field: number) => msg(field, bytes(1, "example.org"), bytes(2, "/x"));

export const SELECTOR = { type: "unix", value: "uid:1" };

export const selector = (field: number) => msg(field, bytes(1, "unix"), bytes(2, "uid:1"));

export const DER = Buffer.from([0x30, 0x00]);

export const filter = (match: Field, ...rest: Field[]) => msg(1, bytes(1, "x"), match, ...rest);

/** Field numbers as published; every field that a SPIRE agent, its CLI or a workload reads or writes. */
export const TABLE: readonly [type: string, value: object, encoded: Field[]][] = [
  [`${T}.SPIFFEID`, ID, [bytes(1, "example.org"), bytes(2, "/x")]],
  [
    `${T}.Entry`,
    {
      id: "e",
      spiffe_id: ID,
      parent_id: ID,
      selectors: [SELECTOR],
      x509_svid_ttl: 300,
      federates_with: ["a.org", "b.org"],
      admin: true,
      downstream: true,
      expires_at: "1700000000",
      dns_names: ["d"],
      revision_number: "7",
      store_svid: true,
      jwt_svid_ttl: 60,
      hint: "h",
      created_at: "9",
      additional_attributes: { disable_x509_svid_prefetch: true, jwt_svid_include_jti: true },
    },
    [
      bytes(1, "e"),
      id(2),
      id(3),
      selector(4),
      int(5, 300),
      bytes(6, "a.org"),
      bytes(6, "b.org"),
      int(7, 1),
      int(8, 1),
      int(9, 1_700_000_000),
      bytes(10, "d"),
      int(11, 7),
      int(12, 1),
      int(13, 60),
      bytes(14, "h"),
      int(15, 9),
      msg(16, int(1, 1), int(2, 1)),
    ],
  ],
  [
    `${T}.EntryMask`,
    { spiffe_id: true, hint: true, additional_attributes: true },
    [int(2, 1), int(14, 1), int(16, 1)],
  ],
  [
    `${T}.Agent`,
    {
      id: ID,
      attestation_type: "join_token",
      x509svid_serial_number: "12",
      x509svid_expires_at: "5",
      selectors: [SELECTOR],
      banned: true,
      can_reattest: true,
      agent_version: "1",
    },
    [
      id(1),
      bytes(2, "join_token"),
      bytes(3, "12"),
      int(4, 5),
      selector(5),
      int(6, 1),
      int(7, 1),
      bytes(8, "1"),
    ],
  ],
  [
    `${T}.Bundle`,
    {
      trust_domain: "example.org",
      x509_authorities: [{ asn1: DER, tainted: true }],
      jwt_authorities: [{ public_key: DER, key_id: "k", expires_at: "5", tainted: true }],
      refresh_hint: "300",
      sequence_number: "3",
      wit_authorities: [{ public_key: DER, key_id: "w", expires_at: "6", tainted: true }],
    },
    [
      bytes(1, "example.org"),
      msg(2, bytes(1, DER), int(2, 1)),
      msg(3, bytes(1, DER), bytes(2, "k"), int(3, 5), int(4, 1)),
      int(4, 300),
      int(5, 3),
      msg(6, bytes(1, DER), bytes(2, "w"), int(3, 6), int(4, 1)),
    ],
  ],
  [
    `${T}.X509SVID`,
    { cert_chain: [DER, DER], id: ID, expires_at: "5", hint: "h" },
    [bytes(1, DER), bytes(1, DER), id(2), int(3, 5), bytes(4, "h")],
  ],
  [
    `${T}.JWTSVID`,
    { token: "t", id: ID, expires_at: "5", issued_at: "4", hint: "h" },
    [bytes(1, "t"), id(2), int(3, 5), int(4, 4), bytes(5, "h")],
  ],
  [`${T}.JoinToken`, { value: "v", expires_at: "5" }, [bytes(1, "v"), int(2, 5)]],
  [`${T}.AttestationData`, { type: "t", payload: DER }, [bytes(1, "t"), bytes(2, DER)]],
  [`${T}.Status`, { code: 6, message: "m" }, [int(1, 6), bytes(2, "m")]],
  [`${T}.PermissionDeniedDetails`, { reason: "AGENT_MUST_REATTEST" }, [int(1, 5)]],
  [`${T}.SelectorMatch`, { selectors: [SELECTOR], match: "MATCH_ANY" }, [selector(1), int(2, 3)]],
  [
    `${T}.FederatesWithMatch`,
    { trust_domains: ["a"], match: "MATCH_SUPERSET" },
    [bytes(1, "a"), int(2, 2)],
  ],
  [
    `${T}.FederationRelationship`,
    {
      trust_domain: "a",
      bundle_endpoint_url: "u",
      https_spiffe: { endpoint_spiffe_id: "i" },
      trust_domain_bundle: { trust_domain: "a" },
    },
    [bytes(1, "a"), bytes(2, "u"), msg(4, bytes(1, "i")), msg(5, bytes(1, "a"))],
  ],
  [`${T}.Logger`, { current_level: "TRACE", launch_level: "INFO" }, [int(1, 7), int(2, 5)]],
  [
    "spire.api.server.agent.v1.AttestAgentRequest",
    { params: { data: { type: "t", payload: DER }, params: { csr: DER } } },
    [msg(1, msg(1, bytes(1, "t"), bytes(2, DER)), msg(2, bytes(1, DER)))],
  ],
  ["spire.api.server.agent.v1.AttestAgentRequest", { challenge_response: DER }, [bytes(2, DER)]],
  [
    "spire.api.server.agent.v1.AttestAgentResponse",
    { result: { svid: { hint: "h" }, reattestable: true } },
    [msg(1, msg(1, bytes(4, "h")), int(2, 1))],
  ],
  [
    "spire.api.server.agent.v1.ListAgentsRequest",
    {
      filter: {
        by_attestation_type: "x",
        by_selector_match: { match: "MATCH_SUBSET" },
        by_banned: { value: true },
        by_can_reattest: { value: true },
        by_expires_before: "t",
      },
      output_mask: { banned: true },
      page_size: 10,
      page_token: "p",
    },
    [
      filter(msg(2, int(2, 1)), msg(3, int(1, 1)), msg(4, int(1, 1)), bytes(5, "t")),
      msg(2, int(6, 1)),
      int(3, 10),
      bytes(4, "p"),
    ],
  ],
  [
    "spire.api.server.agent.v1.CreateJoinTokenRequest",
    { ttl: 600, token: "t", agent_id: ID },
    [int(1, 600), bytes(2, "t"), id(3)],
  ],
  [
    "spire.api.server.agent.v1.PostStatusRequest",
    { current_bundle_serial: "3", agent_version: "1" },
    [int(1, 3), bytes(2, "1")],
  ],
  [
    "spire.api.server.entry.v1.ListEntriesRequest",
    {
      filter: {
        by_spiffe_id: ID,
        by_parent_id: ID,
        by_selectors: { selectors: [SELECTOR] },
        by_federates_with: { trust_domains: ["a"] },
        by_hint: { value: "h" },
        by_downstream: { value: true },
      },
      output_mask: { hint: true },
      page_size: 2,
      page_token: "p",
    },
    [
      msg(
        1,
        id(1),
        id(2),
        msg(3, selector(1)),
        msg(4, bytes(1, "a")),
        msg(5, bytes(1, "h")),
        msg(6, int(1, 1)),
      ),
      msg(2, int(14, 1)),
      int(3, 2),
      bytes(4, "p"),
    ],
  ],
  [
    "spire.api.server.entry.v1.BatchUpdateEntryRequest",
    { entries: [{ id: "e" }], input_mask: { hint: true }, output_mask: { admin: true } },
    [msg(1, bytes(1, "e")), msg(2, int(14, 1)), msg(3, int(7, 1))],
  ],
  [
    "spire.api.server.entry.v1.BatchCreateEntryResponse",
    { results: [{ status: { code: 6 }, entry: { id: "e" } }] },
    [msg(1, msg(1, int(1, 6)), msg(2, bytes(1, "e")))],
  ],
  [
    "spire.api.server.entry.v1.SyncAuthorizedEntriesResponse",
    {
      entry_revisions: [{ id: "e", revision_number: "2", created_at: "3" }],
      entries: [{ id: "e" }],
      more: true,
    },
    [msg(1, bytes(1, "e"), int(2, 2), int(3, 3)), msg(2, bytes(1, "e")), int(3, 1)],
  ],
  [
    "spire.api.server.svid.v1.BatchNewX509SVIDRequest",
    { params: [{ entry_id: "e", csr: DER }] },
    [msg(1, bytes(1, "e"), bytes(2, DER))],
  ],
  [
    "spire.api.server.svid.v1.NewJWTSVIDRequest",
    { entry_id: "e", audience: ["a", "b"] },
    [bytes(1, "e"), bytes(2, "a"), bytes(2, "b")],
  ],
  [
    "spire.api.server.svid.v1.MintJWTSVIDRequest",
    { id: ID, audience: ["a"], ttl: 5 },
    [id(1), bytes(2, "a"), int(3, 5)],
  ],
  [
    "spire.api.server.svid.v1.MintX509SVIDRequest",
    { csr: DER, ttl: 5 },
    [bytes(1, DER), int(2, 5)],
  ],
  [
    "spire.api.server.svid.v1.NewDownstreamX509CAResponse",
    { ca_cert_chain: [DER], x509_authorities: [DER] },
    [bytes(1, DER), bytes(2, DER)],
  ],
  [
    "spire.api.server.bundle.v1.BatchDeleteFederatedBundleRequest",
    { trust_domains: ["a"], mode: "DISSOCIATE" },
    [bytes(1, "a"), int(2, 2)],
  ],
  [
    "spire.api.server.localauthority.v1.GetX509AuthorityStateResponse",
    {
      active: { authority_id: "a", expires_at: "5", upstream_authority_subject_key_id: "u" },
      prepared: { authority_id: "b" },
      old: { authority_id: "c" },
    },
    [msg(1, bytes(1, "a"), int(2, 5), bytes(3, "u")), msg(2, bytes(1, "b")), msg(3, bytes(1, "c"))],
  ],
  [
    "spire.api.agent.delegatedidentity.v1.SubscribeToX509SVIDsResponse",
    { x509_svids: [{ x509_svid: { hint: "h" }, x509_svid_key: DER }], federates_with: ["a"] },
    [msg(1, msg(1, bytes(4, "h")), bytes(2, DER)), bytes(2, "a")],
  ],
  [
    "spire.api.agent.delegatedidentity.v1.FetchJWTSVIDsRequest",
    { audience: ["a"], selectors: [SELECTOR], pid: 7 },
    [bytes(1, "a"), selector(2), int(3, 7)],
  ],
  [
    "X509SVIDResponse",
    {
      svids: [{ spiffe_id: "s", x509_svid: DER, x509_svid_key: DER, bundle: DER, hint: "h" }],
      crl: [DER],
      federated_bundles: { "spiffe://a": DER },
    },
    [
      msg(1, bytes(1, "s"), bytes(2, DER), bytes(3, DER), bytes(4, DER), bytes(5, "h")),
      bytes(2, DER),
      msg(3, bytes(1, "spiffe://a"), bytes(2, DER)),
    ],
  ],
  [
    "X509BundlesResponse",
    { crl: [DER], bundles: { a: DER } },
    [bytes(1, DER), msg(2, bytes(1, "a"), bytes(2, DER))],
  ],
  ["JWTSVIDRequest", { audience: ["a"], spiffe_id: "s" }, [bytes(1, "a"), bytes(2, "s")]],
  [
    "JWTSVIDResponse",
    { svids: [{ spiffe_id: "s", svid: "t", hint: "h" }] },
    [msg(1, bytes(1, "s"), bytes(2, "t"), bytes(3, "h"))],
  ],
  ["JWTBundlesResponse", { bundles: { a: DER } }, [msg(1, bytes(1, "a"), bytes(2, DER))]],
  ["ValidateJWTSVIDRequest", { audience: "a", svid: "t" }, [bytes(1, "a"), bytes(2, "t")]],
  [
    "ValidateJWTSVIDResponse",
    { spiffe_id: "s", claims: { fields: { a: { stringValue: "b" } } } },
    [bytes(1, "s"), msg(2, msg(1, bytes(1, "a"), msg(2, bytes(3, "b"))))],
  ],
  [
    "WITSVIDResponse",
    { svids: [{ spiffe_id: "s", wit_svid: "t", wit_svid_key: "k", hint: "h" }] },
    [msg(1, bytes(1, "s"), bytes(2, "t"), bytes(3, "k"), bytes(4, "h"))],
  ],
  ["WITBundlesResponse", { bundles: { a: "{}" } }, [msg(1, bytes(1, "a"), bytes(2, "{}"))]],
  ["grpc.health.v1.HealthCheckRequest", { service: "s" }, [bytes(1, "s")]],
  ["grpc.health.v1.HealthCheckResponse", { status: "SERVICE_UNKNOWN" }, [int(1, 3)]],
  [
    "grpc.reflection.v1.ServerReflectionRequest",
    { host: "h", file_containing_symbol: "s" },
    [bytes(1, "h"), bytes(4, "s")],
  ],
  [
    "grpc.reflection.v1alpha.ServerReflectionResponse",
    { valid_host: "h", list_services_response: { service: [{ name: "n" }] } },
    [bytes(1, "h"), msg(6, msg(1, bytes(1, "n")))],
  ],
  [
    "grpc.reflection.v1.ServerReflectionResponse",
    { error_response: { error_code: 5, error_message: "m" } },
    [msg(7, int(1, 5), bytes(2, "m"))],
  ],
  [
    "google.rpc.Status",
    { code: 7, message: "m", details: [{ type_url: "u", value: DER }] },
    [int(1, 7), bytes(2, "m"), msg(3, bytes(1, "u"), bytes(2, DER))],
  ],
  [
    "assay.agent.v1.HostFacts",
    { hostname: "h", selector_names: ["unix:uid"] },
    [bytes(1, "h"), bytes(9, "unix:uid")],
  ],
];
