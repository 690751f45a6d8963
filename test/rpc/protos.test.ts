import { execFileSync } from "node:child_process";
import fc from "fast-check";
import t from "tap";
import { isKind } from "../../src/base/errors.ts";
import { messageType, serviceDefinition } from "../../src/rpc/protos.ts";
import { type Field, varint, int, bytes, msg, T, DER, TABLE } from "./published-messages.ts";

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

t.test("generated files are those of proto/", async (t) => {
  const output = execFileSync(process.execPath, ["src/rpc/generate.ts", "--check"], {
    encoding: "utf8",
  });
  const count = Number(/^(\d+) generated files/.exec(output)?.[1]);
  t.ok(count > 200, `${count} files were compared`);
});
