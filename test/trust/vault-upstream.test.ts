/** A PKI engine signs our authorities: the conformance suite against a real OpenBao, each way to log in, a server on it. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { systemClock } from "../../src/base/clock.ts";
import { BUILT_IN_PROFILES } from "../../src/config/certificate-profiles.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { type VaultUpstreamOptions, openVaultUpstream } from "../../src/server/upstream/vault.ts";
import { TrustDomain } from "../../src/spiffe/trust-domain.ts";
import { parseCertificate, parseCertificates } from "../../src/x509/certificate.ts";
import { NO_URIS } from "../../src/x509/name-constraints.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { connectUnix } from "../../src/rpc/channel.ts";
import {
  PROVISION,
  PROVISION_SERVICE,
  askAt,
  certificatesIn,
  makeRequest,
} from "../server/frontends/provision-rig.ts";
import { upstreamConformance } from "../server/upstream/conformance.ts";
import { Domain, id } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { TestCa } from "../support/test-ca.ts";
import { WorkloadClient } from "../support/workload-client.ts";
import { freePort } from "../support/free-port.ts";
import { openBao } from "./openbao.ts";
import { PATIENCE_MS, untilDone } from "../support/patience.ts";

const trustDomain = TrustDomain.parse("example.org");
const now = (): number => Math.floor(Date.now() / 1000);
const never = new AbortController().signal;
const times = { notBefore: now() - 100, notAfter: now() + 86_400 };
const dir = t.testdir({});
const file = (name: string, text: string): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

// A second listener, with TLS: login by certificate needs one.
const web = await TestCa.create({ name: "web", ...times });
const site = await web.leaf({ uris: [], dnsNames: ["localhost"], ...times });
const tlsPort = await freePort();
const config = `listener "tcp" {
  address = "127.0.0.1:${tlsPort}"
  tls_cert_file = "${file("site.pem", site.certPem)}"
  tls_key_file = "${file("site.key", site.keyPem)}"
}`;
const bao = await openBao(file("bao.hcl", config));
t.teardown(() => bao[Symbol.asyncDispose]());
const ask = async (
  method: string,
  path: string,
  body?: object,
): Promise<Record<string, unknown>> => {
  const answer = await bao.request(method, path, body);
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${text}`);
  return text === "" ? {} : ((JSON.parse(text) as { data?: Record<string, unknown> }).data ?? {});
};

for (const mount of ["pki", "middle"]) {
  await ask("POST", `sys/mounts/${mount}`, { type: "pki", config: { max_lease_ttl: "87600h" } });
}
const root = String(
  (
    await ask("POST", "pki/root/generate/internal", {
      common_name: "the root",
      ttl: "87600h",
      key_type: "ec",
    })
  )["certificate"],
);
const { csr } = await ask("POST", "middle/intermediate/generate/internal", {
  common_name: "the middle",
  key_type: "rsa",
});
const { certificate: middle } = await ask("POST", "pki/root/sign-intermediate", {
  csr,
  ttl: "8760h",
  common_name: "the middle",
});
await ask("POST", "middle/intermediate/set-signed", { certificate: `${String(middle)}\n${root}` });
await ask("PUT", "sys/policies/acl/assay", {
  policy: `path "pki/issuer/default/sign-intermediate" { capabilities = ["update"] }
path "pki/issuer/default" { capabilities = ["read"] }
path "middle/issuer/default/sign-intermediate" { capabilities = ["update"] }
path "middle/issuer/default" { capabilities = ["read"] }`,
});

const OPTIONS = {
  address: bao.address,
  mount: "pki",
  timeoutMs: PATIENCE_MS,
  clock: systemClock,
  tokenFile: file("token", `${bao.token}\n`),
};
async function open(change: Partial<VaultUpstreamOptions> = {}) {
  const upstream = await openVaultUpstream({ ...OPTIONS, ...change });
  t.teardown(() => upstream.authority[Symbol.asyncDispose]());
  return upstream;
}
const { tokenFile: _, ...noToken } = OPTIONS;
const access = (change: object) =>
  openVaultUpstream({ ...noToken, ...change }).then((upstream) => {
    t.teardown(() => upstream.authority[Symbol.asyncDispose]());
    return upstream;
  });
async function sign(upstream: Awaited<ReturnType<typeof open>>, ttlSeconds = 3600) {
  const { signer: key } = await generateKey("ec-p256");
  return upstream.authority.sign({ key, trustDomain, now: now(), ttlSeconds }, never);
}

t.test("below a root, and below an intermediate", async (t) => {
  const signsForSets = true;
  await upstreamConformance(t, { upstream: await open(), trustDomain, now, signsForSets });
  const below = await open({ mount: "middle" });
  await upstreamConformance(t, { upstream: below, trustDomain, now, signsForSets });
  const { chain, roots } = await sign(below);
  t.equal(chain.length, 2);
  t.same(
    roots.map((der) => encodePem("CERTIFICATE", der).trim()),
    [root.trim()],
  );
  t.same(
    parseCertificate(chain[0] ?? new Uint8Array()).issuer,
    parseCertificate(chain[1] ?? new Uint8Array()).subject,
  );
});

t.test("each way to log in", async (t) => {
  await ask("POST", "sys/auth/approle", { type: "approle" });
  await ask("POST", "auth/approle/role/assay", {
    token_policies: ["assay"],
    token_ttl: "5s",
    token_max_ttl: "5s",
  });
  const { role_id: roleId } = await ask("GET", "auth/approle/role/assay/role-id");
  const { secret_id: secretId } = await ask("POST", "auth/approle/role/assay/secret-id");
  const approle = {
    mount: "approle",
    roleId: String(roleId),
    secretIdFile: file("secret-id", String(secretId)),
  };
  const byRole = await access({ approle });
  t.ok(await sign(byRole), "approle");
  const lookup = async (): Promise<boolean> => {
    // Its token ends within five seconds; the next use logs in anew.
    await new Promise((resolve) => setTimeout(resolve, 5500));
    return (await sign(byRole)).chain.length === 1;
  };
  t.ok(await lookup(), "and again when its token has ended");
  await refused(
    t,
    access({ approle: { ...approle, secretIdFile: file("wrong-secret", "wrong") } }).then((each) =>
      sign(each),
    ),
    { message: /invalid (role or )?secret/i },
    "a wrong secret",
  );

  // OpenBao names whoever logs in by the subject.
  const client = await web.leaf({
    subject: distinguishedName([{ type: "CN", value: "assay" }]),
    uris: [],
    dnsNames: ["assay.example.org"],
    ...times,
  });
  await ask("POST", "sys/auth/cert", { type: "cert" });
  await ask("POST", "auth/cert/certs/assay", {
    certificate: web.pem,
    token_policies: ["assay"],
    allowed_dns_sans: ["assay.example.org"],
  });
  const cert = {
    mount: "cert",
    role: "assay",
    certFile: file("client.pem", client.certPem),
    keyFile: file("client.key", client.keyPem),
  };
  const tls = { address: `https://localhost:${tlsPort}`, caFile: file("web.pem", web.pem) };
  t.ok(await sign(await access({ ...tls, cert })), "certificate");
  await refused(
    t,
    access({ ...tls, caFile: file("other.pem", (await TestCa.create(times)).pem), cert }).then(
      (each) => sign(each),
    ),
    { kind: "unavailable" },
    "an address whose authority is not pinned",
  );

  let reviews = 0;
  const reviewer = createServer((request, response) => {
    reviews += 1;
    request.resume().on("end", () => {
      response.writeHead(201, { "content-type": "application/json" });
      response.end(
        JSON.stringify({
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenReview",
          status: {
            authenticated: true,
            audiences: ["https://kubernetes.default.svc"],
            user: {
              username: "system:serviceaccount:assay:server",
              uid: "u-1",
              groups: ["system:serviceaccounts"],
            },
          },
        }),
      );
    });
  }).listen(0, "127.0.0.1");
  t.teardown(() => reviewer.close());
  await new Promise((resolve) => reviewer.once("listening", resolve));
  await ask("POST", "sys/auth/kubernetes", { type: "kubernetes" });
  await ask("POST", "auth/kubernetes/config", {
    kubernetes_host: `http://127.0.0.1:${(reviewer.address() as AddressInfo).port}`,
    disable_local_ca_jwt: true,
    kubernetes_ca_cert: web.pem,
    token_reviewer_jwt: serviceAccountToken(),
  });
  await ask("POST", "auth/kubernetes/role/assay", {
    bound_service_account_names: ["server"],
    bound_service_account_namespaces: ["assay"],
    token_policies: ["assay"],
  });
  const kubernetes = {
    mount: "kubernetes",
    role: "assay",
    tokenFile: file("jwt", serviceAccountToken()),
  };
  t.ok(await sign(await access({ kubernetes })), "service account token");
  t.ok(reviews > 0);

  for (const wrong of [{}, { tokenFile: OPTIONS.tokenFile, approle }, { cert, kubernetes }]) {
    await refused(t, access(wrong), {
      kind: "invalid",
      message: /needs one of tokenFile, approle, cert and kubernetes/,
    });
  }
});

t.test("what does not do", async (t) => {
  const created = (await (
    await bao.request("POST", "auth/token/create", { no_default_policy: true, policies: ["none"] })
  ).json()) as { auth: { client_token: string } };
  const weak = created.auth.client_token;
  const rootless = await TestCa.create({ ...times, name: "elsewhere" });
  await ask("POST", "sys/mounts/rootless", { type: "pki" });
  const { csr: request } = await ask("POST", "rootless/intermediate/generate/internal", {
    common_name: "rootless",
  });
  t.ok(request);
  const cases: readonly [string, Partial<VaultUpstreamOptions>, object][] = [
    [
      "no rights",
      { tokenFile: file("weak", weak) },
      { kind: "denied", message: /403.*permission denied/ },
    ],
    ["no engine", { mount: "nothing" }, { message: /nothing|404|no PKI engine/ }],
    ["no issuer", { issuer: "nobody" }, { message: /issuer/ }],
    ["an engine without an authority", { mount: "rootless" }, { message: /issuer|default/ }],
    [
      "nobody there",
      { address: "http://127.0.0.1:1" },
      { kind: "unavailable", message: /ECONNREFUSED/ },
    ],
    [
      "plain TLS mix-up",
      { address: `http://127.0.0.1:${tlsPort}` },
      { message: /400|JSON|reached/ },
    ],
  ];
  for (const [name, change, expected] of cases) {
    await refused(
      t,
      open(change).then((upstream) => sign(upstream)),
      expected,
      name,
    );
  }
  await refused(t, open({ address: "http://vault.example.org" }), {
    kind: "invalid",
    message: /not encrypted/,
  });
  await refused(t, open({ bundleFile: "/nowhere" }), { kind: "precondition" });
  const bundled = await open({ bundleFile: file("elsewhere.pem", rootless.pem) });
  t.same(
    (await sign(bundled)).roots.map((der) => Buffer.from(der)),
    [Buffer.from(rootless.der)],
    "the file's word",
  );

  const frozen = await open({ timeoutMs: 1000 });
  await bao.freeze();
  await refused(
    t,
    sign(frozen),
    { kind: "deadline", message: /did not answer within 1 s/ },
    "slow",
  );
  const stop = new AbortController();
  const { signer: key } = await generateKey("ec-p256");
  const cancelled = (await open()).authority.sign(
    { key, trustDomain, now: now(), ttlSeconds: 60 },
    stop.signal,
  );
  stop.abort();
  await refused(t, cancelled, {}, "cancelled");
  bao.thaw();
  t.ok(await untilDone("it is back", () => sign(frozen)));
});

t.test("a server on it: SVIDs, a new root, taint and revoke", async (t) => {
  const vault = {
    address: bao.address,
    mount: "middle",
    timeout: PATIENCE_MS / 1000,
    tokenFile: OPTIONS.tokenFile,
  };
  await using domain = await Domain.start({ upstreamAuthority: { vault } });
  const agent = await domain.startAgent();
  await domain.entry({ path: "/web" });
  using client = new WorkloadClient(agent.socket);
  using watch = client.x509();
  const chainOf = async () => {
    const svid = (await watch.next()).svids.find(({ spiffe_id }) => spiffe_id === id("/web"));
    return svid === undefined ? [] : parseCertificates(svid.x509_svid);
  };
  let chain = await chainOf();
  while (chain.length === 0) chain = await chainOf();
  t.equal(chain.length, 3, "leaf, server, middle");
  t.equal((await domain.bundlePem()).trim(), root.trim(), "the root alone is published");

  // The engine gets another root; the old one is given up.
  const step = (name: string, body: object = {}) =>
    domain.call<
      Record<string, { authority_id: string; upstream_authority_subject_key_id: string }>
    >("localauthority.v1.LocalAuthority", name, body);
  const before =
    (await step("GetX509AuthorityState"))["active"]?.upstream_authority_subject_key_id ?? "";
  await ask("POST", "middle/root/rotate/internal", {
    common_name: "second root",
    ttl: "8760h",
    key_type: "ec",
    issuer_name: "second",
  });
  await ask("POST", "middle/root/replace", { default: "second" });
  const { prepared_authority: prepared } = await step("PrepareX509Authority");
  t.not(prepared?.upstream_authority_subject_key_id, before);
  await step("ActivateX509Authority", { authority_id: prepared?.authority_id });
  await step("TaintX509UpstreamAuthority", { subject_key_id: before });
  while (chain.at(-1)?.authorityKeyId === before) chain = await chainOf();
  t.equal(chain.length, 2, "replaced, below the second root");
  await step("RevokeX509UpstreamAuthority", { subject_key_id: before });
  t.notOk((await domain.bundlePem()).includes(root.trim()));
});

t.test("a set on it: certificates for services, and none with a SPIFFE ID", async (t) => {
  const { signer: key } = await generateKey("ec-p256");
  const ask = { key, trustDomain, set: "web", now: now(), ttlSeconds: 3600 };
  for (const [change, constraints] of [
    [{}, NO_URIS],
    [{ nameConstraints: false }, undefined],
  ] as const) {
    const signed = await (await open(change)).authority.sign(ask, never);
    const own = parseCertificate(signed.chain[0] ?? new Uint8Array());
    t.same([own.uris, own.nameConstraints], [[], constraints], "as the request asks");
  }
  const vault = {
    address: bao.address,
    mount: "pki",
    timeout: PATIENCE_MS / 1000,
    tokenFile: OPTIONS.tokenFile,
  };
  const set = {
    keyType: "ec-p256",
    ttlSeconds: 365 * 86_400,
    upstreamAuthority: { vault: { ...vault, nameConstraints: true } },
    profiles: ["peer"],
  } as const;
  await using domain = await Domain.start({
    authoritySets: new Map([["web", set]]),
    certificateProfiles: BUILT_IN_PROFILES,
    frontends: { provision: { ...PROVISION, set: "web" } },
  });
  using admin = connectUnix(`${domain.dir}/server.sock`);
  const { port = 0 } = domain.server.provisionAddress ?? {};
  const issue = async () => {
    const request = { common_name: "web.example.org", names: ["2001:db8::1"] };
    const { token } = await admin.unary<{ token: string }>(PROVISION_SERVICE, "Authorize", request);
    const { csr } = await makeRequest("web.example.org");
    return askAt(port, false, `/v1/sign/${token}`, { method: "PUT", body: csr });
  };
  const { body: pem } = await issue();
  const [leaf, between] = certificatesIn(pem);
  t.same([leaf?.dnsNames, leaf?.ipAddresses], [["web.example.org"], ["2001:db8::1"]]);
  t.same(between?.nameConstraints, NO_URIS);
  const bare = file("web-root.pem", (await askAt(port, false, "/v1/ca", {})).body);
  t.ok(certificatesIn(readFileSync(bare, "utf8")).length > 0);
  const chain = file("web-chain.pem", pem);
  const verify = ["verify", "-x509_strict", "-CAfile", bare, "-untrusted", chain, chain];
  t.match(execFileSync("openssl", verify, { encoding: "utf8" }), /OK/);
  t.notOk((await domain.bundlePem()).includes(root.trim()), "in no SPIFFE bundle");
  // The engine is away: what is active signs on.
  await bao.freeze();
  t.equal((await issue()).status, 200);
  bao.thaw();
});

/** OpenBao reads the claims before it asks the cluster, which here says yes to all. */
function serviceAccountToken(): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = {
    iss: "https://kubernetes.default.svc",
    aud: ["https://kubernetes.default.svc"],
    sub: "system:serviceaccount:assay:server",
    iat: now() - 10,
    nbf: now() - 10,
    exp: now() + 3600,
    "kubernetes.io": { namespace: "assay", serviceaccount: { name: "server", uid: "u-1" } },
  };
  return [
    part({ alg: "RS256", kid: "k" }),
    part(claims),
    Buffer.alloc(256, 1).toString("base64url"),
  ].join(".");
}
