/** Node attestation in clouds: their real formats, signed by authorities and had from metadata services of our own. */
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type IncomingMessage, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { awsIidAttestor } from "../../src/attestors/node/aws-iid/agent.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { ErrorKind } from "../../src/base/errors.ts";
import type { AgentAttestorConfig, AgentConfig } from "../../src/config/agent/agent-config.ts";
import type { ServerConfig } from "../../src/config/server/server-config.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { attestNode } from "../support/attest-node.ts";
import { TestIssuer } from "../support/oidc-issuer.ts";
import { Domain, TRUST_DOMAIN } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { AGENT_SERVICE, type TestServer, startTestServer } from "../support/server.ts";
import { type EnvelopeParts, inLines, signedDocument } from "../support/signed-document.ts";
import { TestCa } from "../support/test-ca.ts";

type Sections = ServerConfig["nodeAttestors"];

const NOW = Math.floor(Date.now() / 1000);
const LIFE = { notBefore: NOW - 10, notAfter: NOW + 3600 };

function pemFile(t: Test, ders: readonly Uint8Array[]): string {
  const dir = mkdtempSync(join(tmpdir(), "assay-cloud-"));
  t.teardown(() => rmSync(dir, { recursive: true }));
  writeFileSync(join(dir, "pem"), ders.map((der) => encodePem("CERTIFICATE", der)).join(""));
  return join(dir, "pem");
}

/** A metadata service: what it answers to `METHOD /path`, if anything. */
async function metadata(
  t: Test,
  answer: (request: IncomingMessage, url: URL) => string | undefined,
): Promise<string> {
  const server = createServer((request, response) => {
    const said = answer(request, new URL(request.url ?? "", "http://x"));
    if (said === undefined) response.writeHead(404);
    response.end(said);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A real agent joins; a second one with another key does not, also of a server that was started anew, until the first is evicted. */
async function joinsOnce(
  t: Test,
  sections: Sections,
  type: "aws_iid" | "gcp_iit" | "azure_imds",
  nodeAttestors: AgentConfig["nodeAttestors"],
): Promise<{ readonly path: string; readonly selectors: readonly string[] }> {
  await using domain = await Domain.start({ nodeAttestors: sections });
  const attestor: AgentAttestorConfig = { type };
  const start = (name: string) =>
    domain.startAgent({
      joinToken: undefined,
      attestor,
      nodeAttestors,
      dataDir: join(domain.dir, name),
      socket: join(domain.dir, `${name}.sock`),
    });
  const first = await start("first");
  const { path } = first.spiffeId;
  const id = { trust_domain: TRUST_DOMAIN, path };
  const known = await domain.call<{
    selectors: { type: string; value: string }[];
    can_reattest: boolean;
  }>("agent.v1.Agent", "GetAgent", { id });
  t.equal(known.can_reattest, false);
  await domain.stopServer();
  await domain.startServer();
  await refused(t, start("second"), { message: /has attested before; evict it/ });
  // It would ask again at once.
  await first[Symbol.asyncDispose]();
  await domain.call("agent.v1.Agent", "DeleteAgent", { id });
  t.equal((await start("third")).spiffeId.path, path, "an operator may allow it");
  return { path, selectors: known.selectors.map(({ value }) => value) };
}

// AWS

/** As EC2 prints it: sorted members, two spaces, and what is not there as null. */
const IID = `{
  "accountId" : "123456789012",
  "architecture" : "x86_64",
  "availabilityZone" : "eu-central-1a",
  "billingProducts" : null,
  "devpayProductCodes" : null,
  "marketplaceProductCodes" : null,
  "imageId" : "ami-0c55b159cbfafe1f0",
  "instanceId" : "i-0123456789abcdef0",
  "instanceType" : "t3.micro",
  "kernelId" : null,
  "pendingTime" : "2026-01-01T00:00:00Z",
  "privateIp" : "10.0.0.7",
  "ramdiskId" : null,
  "region" : "eu-central-1",
  "version" : "2017-09-30"
}`;
const aws = await TestCa.create({ ...LIFE, keyType: "rsa-2048", name: "region" });
const AWS_PARTS: EnvelopeParts = {
  content: IID,
  key: aws.key.pkcs8,
  certificate: aws.der,
  ber: true,
};

function awsSections(t: Test, more: Partial<NonNullable<Sections["awsIid"]>> = {}): Sections {
  const file = pemFile(t, [aws.der]);
  return {
    awsIid: {
      accountIds: ["123456789012"],
      certificates: new Map([["eu-central-1", file]]),
      agentPath: "{{AccountID}}/{{Region}}/{{InstanceID}}",
      ...more,
    },
  };
}

t.test("aws_iid: an instance joins with its document, once", async (t) => {
  const metadataUrl = await metadata(t, (request, { pathname }) => {
    if (request.method === "PUT" && pathname === "/latest/api/token") {
      return request.headers["x-aws-ec2-metadata-token-ttl-seconds"] === "60" ? "session" : "";
    }
    if (request.headers["x-aws-ec2-metadata-token"] !== "session") return undefined;
    switch (pathname) {
      case "/latest/dynamic/instance-identity/document":
        return IID;
      case "/latest/dynamic/instance-identity/signature":
        return "older servers read this";
      case "/latest/dynamic/instance-identity/rsa2048":
        return inLines(signedDocument(AWS_PARTS));
      default:
        return undefined;
    }
  });
  const joined = await joinsOnce(t, awsSections(t), "aws_iid", { awsIid: { metadataUrl } });
  t.equal(joined.path, "/spire/agent/aws_iid/123456789012/eu-central-1/i-0123456789abcdef0");
  t.same(joined.selectors, [
    "account_id:123456789012",
    "az:eu-central-1a",
    "image:id:ami-0c55b159cbfafe1f0",
    "instance:id:i-0123456789abcdef0",
    "region:eu-central-1",
  ]);
});

const iid = (parts: Partial<EnvelopeParts> = {}, document = IID): string =>
  JSON.stringify({
    document,
    signature: "",
    rsa2048: inLines(signedDocument({ ...AWS_PARTS, ...parts })),
  });

const attest = (server: TestServer, type: string, payload: string | Uint8Array) =>
  attestNode(server.connect(), { type, payload });

t.test("aws_iid: hostile documents", async (t) => {
  const server = await startTestServer(t, { config: { nodeAttestors: awsSections(t) } });
  t.match(await attest(server, "aws_iid", iid({ ber: false })), { reattestable: false });
  const stranger = await generateKey("rsa-2048");
  const ec = await generateKey("ec-p256");
  const changed = IID.replace("i-0123456789abcdef0", "i-0fffffffffffffff0");
  const other = (from: string, to: string): string => {
    const content = IID.replace(from, to);
    return iid({ content }, content);
  };
  const cases: readonly (readonly [string, string, ErrorKind, RegExp])[] = [
    ["no json", "{", "invalid", /not json/],
    ["no document", iid({}, ""), "invalid", /document is missing/],
    ["rsa-1024 alone", JSON.stringify({ document: IID, signature: "AAAA" }), "invalid", /rsa2048/],
    ["no envelope", JSON.stringify({ document: IID, rsa2048: "AAAA" }), "invalid", /pkcs #7/],
    ["not base64", JSON.stringify({ document: IID, rsa2048: "!!" }), "invalid", /pkcs #7/],
    ["a document beside", iid({}, changed), "denied", /not the one that is signed/],
    ["content swapped", iid({ swapped: changed }, changed), "denied", /of another content/],
    [
      "content swapped, no attributes",
      iid({ swapped: changed, withoutAttributes: true }, changed),
      "denied",
      /not signed by AWS/,
    ],
    ["20 KB", iid({ certificates: Array.from({ length: 24 }, () => aws.der) }), "invalid", /16384/],
    ["no content", iid({ withoutContent: true }), "invalid", /has no content/],
    ["no signer", iid({ signers: 0 }), "invalid", /exactly one signer/],
    ["two signers", iid({ signers: 2 }), "invalid", /exactly one signer/],
    ["two digests", iid({ repeatDigest: true }), "invalid", /exactly one signed attribute/],
    ["type of content", iid({ attributeType: "1.2.840.113549.1.7.2" }), "denied", /another type/],
    ["sha-1", iid({ hash: "sha1" }), "invalid", /not of sha-2/],
    ["md5", iid({ hash: "md5" }), "invalid", /not of sha-2/],
    ["another key", iid({ key: stranger.pkcs8 }), "denied", /not signed by AWS/],
    ["another kind of key", iid({ key: ec.pkcs8 }), "denied", /not signed by AWS/],
    [
      "its own certificate",
      iid({ key: stranger.pkcs8, certificates: [aws.der] }),
      "denied",
      /not signed by AWS/,
    ],
    [
      "another account",
      other("123456789012", "210987654321"),
      "denied",
      /account that is not allowed/,
    ],
    ["another region", other('eu-central-1"', 'us-east-1"'), "denied", /region whose certificate/],
    ["no region", other('"region"', '"realm"'), "invalid", /no region/],
    [
      "an instance that climbs",
      other("i-0123456789abcdef0", "../../x"),
      "invalid",
      /no instanceId/,
    ],
    ["account a number", other('"123456789012"', "123456789012"), "invalid", /no accountId/],
    ["document a list", iid({ content: "[]" }, "[]"), "invalid", /not a json object/],
  ];
  for (const [name, payload, kind, message] of cases) {
    await refused(t, attest(server, "aws_iid", payload), { kind, message }, name);
  }
  await server.clock.advance(2 * 3_600_000);
  await refused(t, attest(server, "aws_iid", iid()), { message: /not signed by AWS/ }, "too old");
});

// Google

const COMPUTE = {
  project_id: "acme-prod",
  project_number: 739419398126,
  zone: "europe-west3-a",
  instance_id: "152986662232938449",
  instance_name: "web-1",
  instance_creation_timestamp: 1_767_225_600,
};

function gcpToken(issuer: TestIssuer, claims: object = {}, compute: object = {}): string {
  return issuer.token({
    claims: {
      aud: "spire-gcp-node-attestor",
      azp: "117865922312345678901",
      sub: "117865922312345678901",
      email: "web@acme-prod.iam.gserviceaccount.com",
      email_verified: true,
      google: { compute_engine: { ...COMPUTE, ...compute } },
      ...claims,
    },
  });
}

function gcpSections(issuer: TestIssuer): Sections {
  return {
    gcpIit: {
      projectIds: ["acme-prod"],
      audiences: ["spire-gcp-node-attestor"],
      issuer: issuer.url,
      caFile: issuer.caFile,
      agentPath: "{{ProjectID}}/{{InstanceID}}",
    },
  };
}

t.test("gcp_iit: an instance joins with its token, once", async (t) => {
  await using issuer = await TestIssuer.start();
  let made = 0;
  const metadataUrl = await metadata(t, (request, { pathname, searchParams }) => {
    if (request.headers["metadata-flavor"] !== "Google") return undefined;
    if (pathname !== "/computeMetadata/v1/instance/service-accounts/default/identity") {
      return undefined;
    }
    t.equal(searchParams.get("format"), "full");
    made += 1;
    return gcpToken(issuer, { aud: searchParams.get("audience"), iat: NOW - made });
  });
  const joined = await joinsOnce(t, gcpSections(issuer), "gcp_iit", {
    gcpIit: { metadataUrl, serviceAccount: "default", audience: "spire-gcp-node-attestor" },
  });
  t.equal(joined.path, "/spire/agent/gcp_iit/acme-prod/152986662232938449");
  t.same(joined.selectors, [
    "instance-name:web-1",
    "project-id:acme-prod",
    "sa:web@acme-prod.iam.gserviceaccount.com",
    "zone:europe-west3-a",
  ]);
});

t.test("gcp_iit: hostile tokens", async (t) => {
  await using issuer = await TestIssuer.start();
  const server = await startTestServer(t, { config: { nodeAttestors: gcpSections(issuer) } });
  const cases: readonly (readonly [string, string, ErrorKind, RegExp])[] = [
    ["nothing", "", "invalid", /payload|compact form/],
    ["words", "no token", "invalid", /compact form/],
    ["another audience", gcpToken(issuer, { aud: "https://example.org" }), "denied", /audience/],
    ["another issuer", gcpToken(issuer, { iss: "https://x" }), "invalid", /another issuer/],
    ["expired", gcpToken(issuer, { exp: NOW - 120 }), "denied", /expired/],
    ["another project", gcpToken(issuer, {}, { project_id: "evil" }), "denied", /project that/],
    ["standard format", gcpToken(issuer, { google: undefined }), "denied", /full format/],
    ["no instance", gcpToken(issuer, {}, { instance_id: undefined }), "denied", /no instance_id/],
    ["an instance that climbs", gcpToken(issuer, {}, { instance_id: ".." }), "denied", /dot seg/],
    ["a slash", gcpToken(issuer, {}, { instance_id: "a/b" }), "denied", /no place/],
  ];
  for (const [name, payload, kind, message] of cases) {
    await refused(t, attest(server, "gcp_iit", payload), { kind, message }, name);
  }
  const token = gcpToken(issuer);
  const { path } = await attest(server, "gcp_iit", token);
  const id = { trust_domain: TRUST_DOMAIN, path };
  await server.admin.unary(AGENT_SERVICE, "DeleteAgent", { id });
  await refused(t, attest(server, "gcp_iit", token), { message: /used with another key/ });
});

// Azure

const azureRoot = await TestCa.create({ ...LIFE, keyType: "rsa-2048", name: "azure root" });
const azureIssuing = await azureRoot.intermediate({ ...LIFE, name: "azure issuing" });
const azureLeaf = (dnsNames: readonly string[], ca = azureIssuing) =>
  ca.leaf({ ...LIFE, keyType: "rsa-2048", uris: [], dnsNames });
const signer = await azureLeaf(["eastus.metadata.azure.com"]);
const VM = "6b5ec2ae-3a5d-4b4b-8a3e-1f2e3d4c5b6a";
const SUBSCRIPTION = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

const attested = (nonce: string, change: object = {}): string =>
  JSON.stringify({
    licenseType: "",
    nonce,
    plan: { name: "", product: "", publisher: "" },
    sku: "22_04-lts",
    subscriptionId: SUBSCRIPTION,
    timeStamp: { createdOn: "01/01/26 00:00:00 -0000", expiresOn: "01/01/26 06:00:00 -0000" },
    vmId: VM,
    ...change,
  });

const AZURE_PARTS = {
  key: signer.pkcs8,
  certificate: signer.der,
  certificates: [signer.der],
} as const;

function azureSections(t: Test, authorities = [azureRoot.der, azureIssuing.der]): Sections {
  const caFile = pemFile(t, authorities);
  const tenant = { tenantId: "tenant-1", subscriptions: [SUBSCRIPTION.toUpperCase()] };
  return {
    azureImds: {
      tenants: new Map([
        ["acme.onmicrosoft.com", tenant],
        ["other.org", { tenantId: "tenant-2", subscriptions: [VM] }],
      ]),
      caFile,
      domains: ["metadata.azure.com"],
      agentPath: "{{TenantID}}/{{SubscriptionID}}/{{VMID}}",
    },
  };
}

t.test("azure_imds: a machine joins with its document, once", async (t) => {
  const metadataUrl = await metadata(t, (request, { pathname, searchParams }) => {
    if (request.headers["metadata"] !== "true") return undefined;
    if (pathname !== "/metadata/attested/document") return undefined;
    const content = attested(searchParams.get("nonce") ?? "");
    const signature = Buffer.from(signedDocument({ ...AZURE_PARTS, content })).toString("base64");
    return JSON.stringify({ encoding: "pkcs7", signature });
  });
  const joined = await joinsOnce(t, azureSections(t), "azure_imds", {
    azureImds: { metadataUrl, tenantDomain: "acme.onmicrosoft.com" },
  });
  t.equal(joined.path, `/spire/agent/azure_imds/tenant-1/${SUBSCRIPTION}/${VM}`);
  t.same(joined.selectors, [`subscription-id:${SUBSCRIPTION}`]);
});

t.test("azure_imds: hostile documents", async (t) => {
  const server = await startTestServer(t, { config: { nodeAttestors: azureSections(t) } });
  interface Answer {
    readonly content?: object;
    readonly nonce?: string;
    readonly parts?: Partial<EnvelopeParts>;
    readonly document?: object;
    readonly metadata?: object;
    readonly raw?: string;
  }
  const admitted = (answer: Answer = {}) =>
    attestNode(server.connect(), {
      type: "azure_imds",
      payload: "non_empty_payload",
      respond: (challenge) => {
        const nonce = Buffer.from(challenge).toString();
        t.match(nonce, /^[a-z0-9]{32}$/);
        const content = attested(answer.nonce ?? nonce, answer.content);
        const der = signedDocument({ ...AZURE_PARTS, content, ...answer.parts });
        const signature = Buffer.from(der).toString("base64");
        const message = {
          document: { encoding: "pkcs7", signature, ...answer.document },
          metadata: { agentDomain: "acme.onmicrosoft.com", vmssName: null, ...answer.metadata },
        };
        return Promise.resolve(Buffer.from(answer.raw ?? JSON.stringify(message)));
      },
    });
  t.match(await admitted({ parts: { ber: true } }), { reattestable: false });
  const strangerRoot = await TestCa.create({ ...LIFE, keyType: "rsa-2048", name: "azure root" });
  const strangeLeaf = await azureLeaf(["eastus.metadata.azure.com"], strangerRoot);
  const signedBy = (leaf: typeof signer, certificates: readonly Uint8Array[] = [leaf.der]) => ({
    key: leaf.pkcs8,
    certificate: leaf.der,
    certificates,
  });
  const elsewhere = await azureLeaf(["metadata.azure.com.evil.org", "xmetadata.azure.com"]);
  const nameless = await azureLeaf([]);
  const old = await azureIssuing.leaf({
    keyType: "rsa-2048",
    uris: [],
    dnsNames: ["metadata.azure.com"],
    notBefore: NOW - 7200,
    notAfter: NOW - 3600,
  });
  const cases: readonly (readonly [string, Answer, ErrorKind, RegExp])[] = [
    ["no json", { raw: "{" }, "invalid", /not json/],
    ["nothing in it", { raw: "{}" }, "invalid", /encoding/],
    ["another encoding", { document: { encoding: "jws" } }, "invalid", /encoding/],
    ["no signature", { document: { signature: "" } }, "invalid", /signature is missing/],
    ["no envelope", { document: { signature: "AAAA" } }, "invalid", /pkcs #7/],
    ["no certificate", { parts: { certificates: [] } }, "denied", /not signed by a certificate/],
    [
      "another's certificate",
      { parts: { ...signedBy(elsewhere), certificates: [signer.der] } },
      "denied",
      /not signed by a certificate/,
    ],
    [
      "an authority of its own",
      { parts: signedBy(strangeLeaf) },
      "denied",
      /^azure_imds: certificate/,
    ],
    [
      "an authority of its own beside",
      { parts: signedBy(strangeLeaf, [strangeLeaf.der, strangerRoot.der]) },
      "denied",
      /^azure_imds: certificate/,
    ],
    [
      "a certificate of somebody else's",
      { parts: signedBy(elsewhere) },
      "denied",
      /not signed by a certificate/,
    ],
    [
      "a certificate without names",
      { parts: signedBy(nameless) },
      "denied",
      /not signed by a certificate/,
    ],
    ["a certificate of before", { parts: signedBy(old) }, "denied", /expired/],
    ["content swapped", { parts: { swapped: attested("x") } }, "denied", /another content/],
    ["sha-1", { parts: { hash: "sha1" } }, "invalid", /sha-2/],
    ["another nonce", { nonce: "0".repeat(32) }, "denied", /another nonce/],
    ["no nonce", { content: { nonce: undefined } }, "invalid", /nonce is missing/],
    ["machine that climbs", { content: { vmId: "../x" } }, "invalid", /vmId that is a UUID/],
    ["no machine", { content: { vmId: undefined } }, "invalid", /vmId that is a UUID/],
    ["another subscription", { content: { subscriptionId: VM } }, "denied", /not the tenant's/],
    ["another tenant", { metadata: { agentDomain: "other.org" } }, "denied", /not the tenant's/],
    ["a tenant unheard of", { metadata: { agentDomain: "evil.org" } }, "denied", /not configured/],
    ["no tenant", { metadata: { agentDomain: 7 } }, "invalid", /agentDomain is missing/],
  ];
  for (const [name, answer, kind, message] of cases) {
    await refused(t, admitted(answer), { kind, message }, name);
  }
});

t.test("settings and metadata services that cannot be meant", async (t) => {
  await using issuer = await TestIssuer.start();
  const none = `${pemFile(t, [])}.not`;
  const sections: readonly (readonly [Sections, RegExp])[] = [
    [
      awsSections(t, { certificates: new Map([["eu-central-1", none]]) }),
      /aws_iid certificate .*ENOENT/,
    ],
    [awsSections(t, { agentPath: "all" }), /no \{\{placeholder\}\}/],
    [azureSections(t, [azureIssuing.der]), /none is a root/],
    [azureSections(t, []), /no certificate in it/],
    [{ gcpIit: { ...gcpSections(issuer).gcpIit, issuer: "http://x" } as never }, /plain http/],
  ];
  for (const [nodeAttestors, message] of sections) {
    const start = Domain.start({ nodeAttestors });
    start.then((domain) => domain[Symbol.asyncDispose]()).catch(() => undefined);
    await refused(t, start, { message }, String(message));
  }
  const silent = await metadata(t, () => undefined);
  const flood = await metadata(t, () => "x".repeat(100_000));
  const prove = (url: string): Promise<unknown> =>
    awsIidAttestor({ url, clock: systemClock }).prove(AbortSignal.any([]));
  await refused(t, prove(silent), { kind: "unavailable", message: /token with status 404/ });
  await refused(t, prove(flood), { kind: "unavailable", message: /more than 65536 bytes/ });
  await refused(t, prove("http://127.0.0.1:1"), { kind: "unavailable", message: /ECONNREFUSED/ });
});
