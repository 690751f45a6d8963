import { execFileSync } from "node:child_process";
import fc from "fast-check";
import t from "tap";
import { ERROR_KINDS, type ErrorKind, fail, isKind } from "../../src/base/errors.ts";
import { messageType, serviceDefinition } from "../../src/rpc/protos.ts";
import { STATUS_CODES, errorFromStatus, toStatus } from "../../src/rpc/status.ts";
import { memoryLogger } from "./support.ts";

/** Protobuf by hand (encoding guide of protobuf.dev): tag, then value. */
type Field = Uint8Array;
const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
const int = (field: number, value: number): Field =>
  Uint8Array.from([...varint(field * 8), ...varint(value)]);
const bytes = (field: number, value: Uint8Array | string): Field => {
  const raw = Buffer.from(value);
  return Uint8Array.from([...varint(field * 8 + 2), ...varint(raw.length), ...raw]);
};
const msg = (field: number, ...fields: Field[]): Field => bytes(field, Buffer.concat(fields));

const T = "spire.api.types";
const ID = { trust_domain: "example.org", path: "/x" };
const id = (field: number) => msg(field, bytes(1, "example.org"), bytes(2, "/x"));
const SELECTOR = { type: "unix", value: "uid:1" };
const selector = (field: number) => msg(field, bytes(1, "unix"), bytes(2, "uid:1"));
const DER = Buffer.from([0x30, 0x00]);
const filter = (match: Field, ...rest: Field[]) => msg(1, bytes(1, "x"), match, ...rest);

/** Field numbers as published; every field that a SPIRE agent, its CLI or a workload reads or writes. */
const TABLE: readonly [type: string, value: object, encoded: Field[]][] = [
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

t.test(
  "field numbers and types: our encoding is the bytes written by hand, and back",
  async (t) => {
    for (const [type, value, fields] of TABLE) {
      const encoded = Buffer.concat(fields);
      t.equal(
        Buffer.from(messageType(type).encode(value)).toString("hex"),
        encoded.toString("hex"),
        type,
      );
      t.match(messageType(type).decode(encoded), value, type);
    }
    t.ok(TABLE.length > 45, `${TABLE.length} messages`);
  },
);

t.test("services: names, methods, directions", async (t) => {
  const S = "spire.api.server";
  const services: Readonly<Record<string, string>> = {
    [`${S}.agent.v1.Agent`]:
      "CountAgents ListAgents GetAgent DeleteAgent BanAgent <AttestAgent> RenewAgent CreateJoinToken PostStatus",
    [`${S}.bundle.v1.Bundle`]:
      "CountBundles GetBundle AppendBundle PublishJWTAuthority PublishWITAuthority ListFederatedBundles GetFederatedBundle BatchCreateFederatedBundle BatchUpdateFederatedBundle BatchSetFederatedBundle BatchDeleteFederatedBundle",
    [`${S}.entry.v1.Entry`]:
      "CountEntries ListEntries GetEntry BatchCreateEntry BatchUpdateEntry BatchDeleteEntry GetAuthorizedEntries <SyncAuthorizedEntries>",
    [`${S}.svid.v1.SVID`]:
      "MintX509SVID MintJWTSVID MintWITSVID BatchNewX509SVID NewJWTSVID BatchNewWITSVID NewDownstreamX509CA",
    [`${S}.trustdomain.v1.TrustDomain`]:
      "ListFederationRelationships GetFederationRelationship BatchCreateFederationRelationship BatchUpdateFederationRelationship BatchDeleteFederationRelationship RefreshBundle",
    [`${S}.localauthority.v1.LocalAuthority`]:
      "GetJWTAuthorityState PrepareJWTAuthority ActivateJWTAuthority TaintJWTAuthority RevokeJWTAuthority GetX509AuthorityState PrepareX509Authority ActivateX509Authority TaintX509Authority RevokeX509Authority TaintX509UpstreamAuthority RevokeX509UpstreamAuthority GetWITAuthorityState PrepareWITAuthority ActivateWITAuthority TaintWITAuthority RevokeWITAuthority",
    [`${S}.logger.v1.Logger`]: "GetLogger SetLogLevel ResetLogLevel",
    [`${S}.debug.v1.Debug`]: "GetInfo",
    "spire.api.agent.logger.v1.Logger": "GetLogger SetLogLevel ResetLogLevel",
    "spire.agent.debug.v1.Debug": "GetInfo",
    "spire.api.agent.delegatedidentity.v1.DelegatedIdentity":
      "SubscribeToX509SVIDs> SubscribeToX509Bundles> FetchJWTSVIDs SubscribeToJWTBundles>",
    SpiffeWorkloadAPI:
      "FetchX509SVID> FetchX509Bundles> FetchJWTSVID FetchJWTBundles> ValidateJWTSVID FetchWITSVID> FetchWITBundles>",
    "grpc.health.v1.Health": "Check Watch>",
    "grpc.reflection.v1.ServerReflection": "<ServerReflectionInfo>",
    "grpc.reflection.v1alpha.ServerReflection": "<ServerReflectionInfo>",
    "assay.agent.v1.AgentHost": "ReportHost GetHost",
  };
  for (const [name, methods] of Object.entries(services)) {
    const definition = serviceDefinition(name);
    const found = Object.values(definition).map(
      (method) =>
        `${method.requestStream ? "<" : ""}${method.name}${method.responseStream ? ">" : ""}`,
    );
    t.same(found, methods.split(" "), name);
    for (const method of Object.values(definition)) t.equal(method.path, `/${name}/${method.name}`);
  }
});

t.test("names that no proto file has", async (t) => {
  for (const name of [
    "",
    "no.such",
    "spire.api.types.Entry",
    "constructor",
    "spire.api.types.LogLevel",
  ]) {
    t.throws(() => serviceDefinition(name), TypeError, `service ${name}`);
  }
  for (const name of ["", "no.such", "SpiffeWorkloadAPI", "toString", "spire.api.types.LogLevel"]) {
    t.throws(() => messageType(name), TypeError, `message ${name}`);
  }
});

t.test("decoding: defaults, nulls, unknown enum values, what is malformed", async (t) => {
  t.same(messageType(`${T}.Agent`).decode(new Uint8Array()), {
    id: null,
    attestation_type: "",
    x509svid_serial_number: "",
    x509svid_expires_at: "0",
    selectors: [],
    banned: false,
    can_reattest: false,
    agent_version: "",
  });
  t.match(messageType(`${T}.PermissionDeniedDetails`).decode(int(1, 99)), { reason: 99 });
  t.match(messageType(`${T}.Bundle`).decode(Uint8Array.of(0x28, ...Array(9).fill(0xff), 1)), {
    sequence_number: "18446744073709551615",
  });
});

t.test(
  "decoding: what is not well-formed is refused, whatever the library would make of it",
  async (t) => {
    const name = bytes(1, "example.org");
    const malformedEntries: readonly [string, Uint8Array][] = [
      ["string cut short", Buffer.from("0a05", "hex")],
      ["string longer than the rest", Buffer.from("0a0361", "hex")],
      ["tag cut short", Buffer.from("ff", "hex")],
      ["wire type 6", Buffer.from("0e", "hex")],
      ["wire type 7", Buffer.from("0f", "hex")],
      ["field 0", Buffer.from("00", "hex")],
      ["group that never ends", Buffer.from("fb3e", "hex")],
      ["group that never began", Buffer.from("fc3e", "hex")],
      ["groups that cross", Buffer.from("fb3e8b3ffc3e8c3f", "hex")],
      ["tag above 32 bits", Buffer.from("ffffffffff01", "hex")],
      ["endless number", Buffer.from(`28${"ff".repeat(11)}01`, "hex")],
      ["fixed64 cut short", Buffer.from("f93e00", "hex")],
      ["fixed32 cut short", Buffer.from("fd3e00", "hex")],
      ["number where a string belongs", int(1, 5)],
      ["number where a message belongs", int(2, 5)],
      ["string where a number belongs", bytes(5, "x")],
      ["bytes that are no message", msg(2, bytes(1, "a").subarray(0, 2))],
      ["inner string beyond its message", Buffer.concat([msg(2, Uint8Array.of(0x0a, 9)), name])],
      ["not UTF-8", bytes(1, Buffer.from("c328", "hex"))],
      ["surrogate in UTF-8", bytes(14, Buffer.from("eda080", "hex"))],
      ["not UTF-8 in a list", bytes(6, Buffer.from("ff", "hex"))],
      ["not UTF-8 deep inside", msg(2, bytes(2, Buffer.from("ff", "hex")))],
    ];
    for (const [what, encoded] of malformedEntries) {
      t.throws(() => messageType(`${T}.Entry`).decode(encoded), { message: /well-formed/ }, what);
    }
    const notUtf8Key = msg(3, bytes(1, Buffer.from("ff", "hex")), bytes(2, DER));
    t.throws(
      () => messageType("X509SVIDResponse").decode(notUtf8Key),
      { message: /UTF-8/ },
      "map key",
    );
    const many = Buffer.alloc(4 << 20, msg(4));
    t.throws(
      () => messageType(`${T}.Entry`).decode(many),
      { message: /too many/ },
      "2,000,000 selectors",
    );
    let deep: Field = bytes(3, "x");
    for (let i = 0; i < 60; i++) deep = msg(5, msg(1, bytes(1, "k"), msg(2, deep)));
    t.throws(
      () =>
        messageType("ValidateJWTSVIDResponse").decode(msg(2, msg(1, bytes(1, "k"), msg(2, deep)))),
      { message: /deeply/ },
      "a structure nested without end",
    );
    const groups = Buffer.from(`${"fb3e".repeat(200)}${"fc3e".repeat(200)}`, "hex");
    t.throws(() => messageType(`${T}.Entry`).decode(groups), { message: /deeply/ }, "groups");

    const fine: readonly [string, string, Uint8Array, object][] = [
      [
        "unknown fields of every wire type",
        `${T}.SPIFFEID`,
        Buffer.concat([
          int(100, 1),
          Uint8Array.from([...varint(101 * 8 + 1), ...Array(8).fill(0)]),
          bytes(102, Buffer.from("ff", "hex")),
          Uint8Array.from([...varint(103 * 8 + 3), ...int(1, 1), ...varint(103 * 8 + 4)]),
          Uint8Array.from([...varint(104 * 8 + 5), ...Array(4).fill(0)]),
          name,
        ]),
        { trust_domain: "example.org", path: "" },
      ],
      [
        "a field twice: the last one counts",
        `${T}.SPIFFEID`,
        Buffer.concat([bytes(1, "a"), bytes(1, "b")]),
        { trust_domain: "b" },
      ],
      [
        "numbers packed",
        "grpc.reflection.v1.ExtensionNumberResponse",
        bytes(2, Uint8Array.of(1, 2)),
        { extension_number: [1, 2] },
      ],
      [
        "numbers one by one",
        "grpc.reflection.v1.ExtensionNumberResponse",
        Buffer.concat([int(2, 1), int(2, 2)]),
        { extension_number: [1, 2] },
      ],
      [
        "a number of ten bytes",
        `${T}.Status`,
        Uint8Array.of(8, ...Array(9).fill(0xff), 1),
        { code: -1 },
      ],
      [
        "any bytes in bytes",
        `${T}.AttestationData`,
        bytes(2, Buffer.from("c328", "hex")),
        { payload: Buffer.from("c328", "hex") },
      ],
    ];
    for (const [what, type, encoded, value] of fine) {
      t.match(messageType(type).decode(encoded), value, what);
    }
    const packedCut = bytes(2, Uint8Array.of(0x80));
    t.throws(() => messageType("grpc.reflection.v1.ExtensionNumberResponse").decode(packedCut), {
      message: /cut short/,
    });
  },
);

t.test("decoding: any bytes give a message or `invalid`, nothing else", async (t) => {
  const types = TABLE.map(([type]) => type);
  let decoded = 0;
  fc.assert(
    fc.property(fc.constantFrom(...types), fc.uint8Array({ maxLength: 60 }), (type, input) => {
      try {
        messageType(type).decode(input);
        decoded += 1;
      } catch (thrown) {
        if (!isKind(thrown, "invalid")) throw thrown;
      }
    }),
    { seed: 1, numRuns: 3000 },
  );
  // And bytes that were a message before one of them changed.
  fc.assert(
    fc.property(
      fc.constantFrom(...TABLE),
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      ([type, , fields], at, byte) => {
        const input = Buffer.concat(fields);
        input[at % input.length] = byte;
        try {
          messageType(type).decode(input);
          decoded += 1;
        } catch (thrown) {
          if (!isKind(thrown, "invalid")) throw thrown;
        }
      },
    ),
    { seed: 1, numRuns: 3000 },
  );
  t.ok(decoded > 500, `${decoded} were messages`);
});

t.test("status: every kind has a code of its own and comes back", async (t) => {
  const { logger } = memoryLogger();
  const codes = ERROR_KINDS.map((kind) => STATUS_CODES[kind]);
  t.equal(new Set(codes).size, ERROR_KINDS.length);
  const published: readonly [ErrorKind, number][] = [
    ["cancelled", 1],
    ["invalid", 3],
    ["deadline", 4],
    ["not_found", 5],
    ["exists", 6],
    ["denied", 7],
    ["limited", 8],
    ["precondition", 9],
    ["conflict", 10],
    ["unsupported", 12],
    ["internal", 13],
    ["unavailable", 14],
    ["unauthenticated", 16],
  ];
  for (const [kind, code] of published) {
    const status = toStatus(fail(kind, "why"), logger);
    t.equal(status.code, code, kind);
    t.match(errorFromStatus(status), { kind, ...(kind !== "internal" && { message: "why" }) });
  }
  for (const [code, kind] of [
    [2, "internal"],
    [11, "invalid"],
    [15, "internal"],
    [99, "internal"],
    [-1, "internal"],
  ] as const) {
    t.equal(errorFromStatus({ code, message: "" }).kind, kind, `code ${code}`);
  }
});

t.test("status: reasons", async (t) => {
  const { logger } = memoryLogger();
  const reasons = [
    "AGENT_EXPIRED",
    "AGENT_NOT_ATTESTED",
    "AGENT_NOT_ACTIVE",
    "AGENT_BANNED",
    "AGENT_MUST_REATTEST",
  ];
  for (const [index, reason] of reasons.entries()) {
    const status = toStatus(fail("denied", "no", { reason }), logger);
    const any = msg(
      3,
      bytes(1, `type.googleapis.com/${T}.PermissionDeniedDetails`),
      bytes(2, int(1, index + 1)),
    );
    t.same(
      Buffer.from(status.details ?? []).toString("hex"),
      Buffer.concat([int(1, 7), bytes(2, "no"), any]).toString("hex"),
      reason,
    );
    t.equal(errorFromStatus(status).reason, reason);
  }
  t.equal(toStatus(fail("denied", "no", { reason: "OUR_OWN" }), logger).details, undefined);
  t.equal(toStatus(fail("invalid", "no", { reason: "AGENT_BANNED" }), logger).details, undefined);
  const foreign = msg(3, bytes(1, "type.googleapis.com/other.Type"), bytes(2, "x"));
  const known = msg(3, bytes(1, `x/${T}.PermissionDeniedDetails`), bytes(2, int(1, 4)));
  const odd: readonly [string, Uint8Array, string | undefined][] = [
    ["empty", new Uint8Array(), undefined],
    ["garbage", Buffer.from("ffff", "hex"), undefined],
    ["another type", foreign, undefined],
    ["another type first", Buffer.concat([foreign, known]), "AGENT_BANNED"],
    [
      "unknown reason",
      msg(3, bytes(1, `x/${T}.PermissionDeniedDetails`), bytes(2, int(1, 77))),
      undefined,
    ],
    ["no reason", msg(3, bytes(1, `x/${T}.PermissionDeniedDetails`)), undefined],
    [
      "malformed inside",
      msg(3, bytes(1, `x/${T}.PermissionDeniedDetails`), bytes(2, "\u00ff")),
      undefined,
    ],
  ];
  for (const [name, details, reason] of odd) {
    t.match(
      errorFromStatus({ code: 7, message: "no", details }),
      { kind: "denied", message: "no" },
      name,
    );
    t.equal(errorFromStatus({ code: 7, message: "no", details }).reason, reason, name);
  }
});

t.test("generated files are those of proto/", async (t) => {
  const output = execFileSync(process.execPath, ["src/rpc/generate.ts", "--check"], {
    encoding: "utf8",
  });
  const count = Number(/^(\d+) generated files/.exec(output)?.[1]);
  t.ok(count > 200, `${count} files were compared`);
});
