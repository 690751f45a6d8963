/** Every field of every request about agents: out of range, too long, too many, wrongly encoded. */
import { generateKeyPairSync } from "node:crypto";
import t from "tap";
import { AssayError } from "../../../src/base/errors.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { createCsr } from "../../../src/x509/csr.ts";
import { refused } from "../../support/refused.ts";
import { AGENT_SERVICE, attestWith, startTestServer } from "../../support/server.ts";
import { testCsr } from "../../support/test-ca.ts";
import {
  AGENT_ID,
  BAD_IDS,
  type Row,
  id,
  long,
  many,
  refuseAll,
  selector,
} from "./hostile-requests.ts";

t.test("agent service", async (t) => {
  const { admin } = await startTestServer(t);
  const filters: [string, object, RegExp][] = [
    ["type too long", { by_attestation_type: long(256) }, /^filter\.by_attestation_type/],
    ["type with a line break", { by_attestation_type: "a\nb" }, /^filter\.by_attestation_type/],
    ["no selectors", { by_selector_match: {} }, /^filter\.by_selector_match/],
    [
      "bad selector",
      { by_selector_match: { selectors: [{ type: "a:b", value: "c" }] } },
      /^filter\.by_selector_match\[0\]/,
    ],
    [
      "too many selectors",
      { by_selector_match: { selectors: many(1001, selector) } },
      /^filter\.by_selector_match/,
    ],
    ["expiry", { by_expires_before: "tomorrow" }, /^filter\.by_expires_before/],
    [
      "impossible expiry",
      { by_expires_before: "2026-13-41 99:00:00 +0000 UTC" },
      /^filter\.by_expires_before/,
    ],
  ];
  await refuseAll(t, admin, AGENT_SERVICE, [
    ...filters.flatMap(([name, filter, field]): Row[] => [
      [name, "ListAgents", { filter }, field],
      [name, "CountAgents", { filter }, field],
    ]),
    ["negative page", "ListAgents", { page_size: -1 }, /^page_size/],
    ["token without a size", "ListAgents", { page_token: "a" }, /^page_token/],
    ["token of nobody", "ListAgents", { page_size: 1, page_token: "a" }, /page token/],
    ["token too long", "ListAgents", { page_size: 1, page_token: long(5000) }, /^page_token/],
    ...["GetAgent", "BanAgent", "DeleteAgent"].flatMap((method): Row[] => [
      ...BAD_IDS.map(([name, bad]): Row => [name, method, { id: bad }, /^id: /]),
      ["a workload", method, { id: id("/workload") }, /^id: /],
      ["the server", method, { id: id("/spire/server") }, /^id: /],
    ]),
    ["no ttl", "CreateJoinToken", {}, /^ttl/],
    ["negative ttl", "CreateJoinToken", { ttl: -1 }, /^ttl/],
    ["endless ttl", "CreateJoinToken", { ttl: 2 ** 31 - 1 }, /^ttl/],
    ["short token", "CreateJoinToken", { ttl: 1, token: "abc" }, /^token/],
    ["long token", "CreateJoinToken", { ttl: 1, token: long(256) }, /^token/],
    ["path in token", "CreateJoinToken", { ttl: 1, token: `/../${long(20)}` }, /^token/],
    ...BAD_IDS.filter(([, bad]) => bad !== null).map(
      ([name, bad]): Row => [name, "CreateJoinToken", { ttl: 1, agent_id: bad }, /^agent_id/],
    ),
    ["reserved", "CreateJoinToken", { ttl: 1, agent_id: AGENT_ID }, /^agent_id/],
  ]);
  for (const method of ["GetAgent", "BanAgent", "DeleteAgent"]) {
    await refused(t, admin.unary(AGENT_SERVICE, method, { id: AGENT_ID }), { kind: "not_found" });
  }
  t.match(await admin.unary(AGENT_SERVICE, "ListAgents", { page_size: 2 ** 31 - 1 }), {
    agents: { length: 0 },
    next_page_token: "",
  });
});

t.test("attestation", async (t) => {
  const server = await startTestServer(t);
  const channel = server.connect();
  const { der: csr } = await testCsr();
  const { token } = { token: await server.createToken() };
  const payload = Buffer.from(token);
  const data = { type: "join_token", payload };
  const attest = async (request: object): Promise<unknown> => {
    using stream = channel.stream<object, object>(AGENT_SERVICE, "AttestAgent");
    stream.send(request).catch(() => undefined);
    for await (const answer of stream) return answer;
    return undefined;
  };
  const rows: [string, object, RegExp][] = [
    ["nothing", {}, /^params/],
    ["an answer first", { challenge_response: payload }, /^params/],
    ["no data", { params: { params: { csr } } }, /^params\.data/],
    ["no params", { params: { data } }, /^params\.params/],
    ["no type", { params: { data: { payload }, params: { csr } } }, /^params\.data\.type/],
    ["no payload", { params: { data: { type: "x" }, params: { csr } } }, /^params\.data\.payload/],
    [
      "payload too long",
      { params: { data: { type: "x", payload: Buffer.alloc(65_537) }, params: { csr } } },
      /^params\.data\.payload/,
    ],
    ["no CSR", { params: { data, params: {} } }, /^params\.params\.csr/],
    [
      "type too long",
      { params: { data: { type: long(256), payload }, params: { csr } } },
      /^params\.data\.type/,
    ],
    [
      "a token of nobody",
      { params: { data: { ...data, payload: Buffer.alloc(255, 0x61) }, params: { csr } } },
      /does not exist/,
    ],
  ];
  for (const [name, request, message] of rows) {
    await refused(t, attest(request), { kind: "invalid", message }, name);
  }
  await refused(t, attest({ params: { data: { ...data, type: "aws" }, params: { csr } } }), {
    kind: "precondition",
    message: /'aws'/,
  });

  const { signer } = await generateKey("ec-p256");
  const good = await createCsr({ uris: ["spiffe://example.org/a"], signer });
  const forged = Uint8Array.from(good);
  forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
  const big = await createCsr({ uris: many(1000, `spiffe://example.org/${long(100)}`), signer });
  const csrs: [string, Uint8Array, RegExp][] = [
    ["bad signature", forged, /signature/],
    ["cut off", good.subarray(0, 100), /^params\.params\.csr/],
    ["trailing byte", Buffer.concat([good, Buffer.alloc(1)]), /^params\.params\.csr/],
    ["above 16 KiB", big, /^params\.params\.csr: is longer/],
    ["1 MB", Buffer.alloc(1 << 20, 0x30), /^params\.params\.csr: is longer/],
    ["random", Buffer.alloc(1000, 0xa5), /^params\.params\.csr/],
    ["RSA-1024", oddKeyCsr("rsa", 1024, good), /not supported/],
    ["Ed448", oddKeyCsr("ed448", 0, good), /not supported/],
  ];
  for (const [name, bad, message] of csrs) {
    await refused(t, attestWith(channel, token, bad), { kind: "invalid", message }, name);
  }
  t.match(await server.admin.unary(AGENT_SERVICE, "CountAgents", {}), { count: 0 });
  t.ok(await attestWith(channel, token, good), "the token has survived all that");

  const agent = await server.attest();
  await refuseAll(t, agent.channel, AGENT_SERVICE, [
    ["no params", "RenewAgent", {}, /^params/],
    ["no CSR", "RenewAgent", { params: {} }, /^params\.csr/],
    ["bad CSR", "RenewAgent", { params: { csr: good.subarray(2) } }, /^params\.csr/],
    ["bad signature", "RenewAgent", { params: { csr: forged } }, /signature/],
    ["version", "PostStatus", { agent_version: long(256) }, /^agent_version/],
    ["version", "PostStatus", { agent_version: "1\u0000" }, /^agent_version/],
  ]);
  const reports: Row[] = [
    ["nothing", "ReportHost", {}, /^facts/],
    ...["hostname", "os", "kernel", "arch", "container_runtime", "virtualization"].map(
      (name): Row => [
        name,
        "ReportHost",
        { facts: { [name]: long(256) } },
        new RegExp(`^facts\\.${name}`),
      ],
    ),
    [
      "too many names",
      "ReportHost",
      { facts: { selector_names: many(101, "a") } },
      /^facts\.selector_names/,
    ],
    [
      "long name",
      "ReportHost",
      { facts: { selector_names: [long(65)] } },
      /^facts\.selector_names\[0\]/,
    ],
  ];
  await refuseAll(t, agent.channel, "assay.agent.v1.AgentHost", reports, server.clock);
  const badHosts = BAD_IDS.map(([name, bad]): Row => [name, "GetHost", { id: bad }, /^id: /]);
  await refuseAll(t, server.admin, "assay.agent.v1.AgentHost", badHosts);
  for (const each of [agent.id, AGENT_ID]) {
    await refused(t, server.admin.unary("assay.agent.v1.AgentHost", "GetHost", { id: each }), {
      kind: "not_found",
    });
  }
});

/** A CSR whose key is replaced by one that is not supported; its signature no longer matters. */
function oddKeyCsr(type: "rsa" | "ed448", modulusLength: number, good: Uint8Array): Uint8Array {
  const { publicKey } =
    type === "rsa" ? generateKeyPairSync("rsa", { modulusLength }) : generateKeyPairSync("ed448");
  const spki = publicKey.export({ type: "spki", format: "der" });
  const der = (tag: number, ...parts: Uint8Array[]): Buffer => {
    const content = Buffer.concat(parts);
    const { length } = content;
    const size =
      length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
    return Buffer.concat([Buffer.from([tag, ...size]), content]);
  };
  const info = der(0x30, der(0x02, Buffer.of(0)), der(0x30), spki, der(0xa0));
  const algorithm = Buffer.from("300a06082a8648ce3d040302", "hex");
  if (!Buffer.from(good).includes(algorithm)) throw new AssayError("internal", "no such algorithm");
  return der(0x30, info, algorithm, der(0x03, Buffer.alloc(65)));
}
