/** Node attestors as an operator sets them: configuration files, real processes, and what is said of a wrong file. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { nodeAttestorReload } from "../../src/agent/identity/node-attestors.ts";
import type { NodeAttestorAgent } from "../../src/attestors/contract.ts";
import { AgentPathTemplate } from "../../src/attestors/node/agent-path.ts";
import { AZURE_IMDS_TYPE } from "../../src/attestors/node/azure-imds/payload.ts";
import { azureImdsServer } from "../../src/attestors/node/azure-imds/server.ts";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { type Program, emptyEnvironment, run, start, temporaryFolder } from "../cli/program.ts";
import { TestIssuer } from "../support/oidc-issuer.ts";
import { TestCa } from "../support/test-ca.ts";

const folder = temporaryFolder();
const dir = folder.path;
const env: NodeJS.ProcessEnv = {
  ...emptyEnvironment(dir),
  ASSAY_SERVER_SOCKET: `${dir}/server.sock`,
};
const SSH = join(import.meta.dirname, "ssh");
const running: Program[] = [];
t.teardown(async () => {
  for (const program of running.reverse()) await program.stop();
  folder.remove();
});

function write(name: string, value: unknown): string {
  const file = join(dir, name);
  writeFileSync(file, typeof value === "string" ? value : JSON.stringify(value));
  return file;
}

t.test("one file for the server, options or a file for its agents", async (t) => {
  await using issuer = await TestIssuer.start();
  const root = await TestCa.create({ keyType: "rsa-2048" });
  const pem = write("cloud.pem", encodePem("CERTIFICATE", root.der));
  const config = write("server.yaml", {
    listen: "127.0.0.1:0",
    dataDir: `${dir}/server`,
    attestLimit: 100,
    nodeAttestors: {
      oidc: {
        issuers: [
          {
            alias: "ci",
            url: issuer.url,
            caFile: issuer.caFile,
            audiences: ["assay://example.org"],
            requiredClaims: { "org/name": ["acme"] },
            agentPath: "{{run}}",
            fetch: null,
          },
        ],
      },
      httpChallenge: {
        allowedDnsPatterns: ["[a-z]+\\.example\\.org"],
        requiredPort: 80,
        tofu: false,
      },
      sshpop: {
        certAuthoritiesFile: join(SSH, "ca.pub"),
        canonicalDomain: "example.org",
        agentPath: "/{{ .PluginName }}/{{ .Hostname }}",
      },
      awsIid: { accountIds: ["123456789012"], certificates: { "eu-central-1": pem } },
      gcpIit: { projectIds: ["acme"] },
      azureImds: {
        caFile: pem,
        tenants: { "acme.onmicrosoft.com": { tenantId: "t", subscriptions: ["s"] } },
      },
    },
  });
  t.match(await run(["config", "validate", config], env), { code: 0, out: /is a valid/ });
  const server = start(["server", "--config", config], env);
  running.push(server);
  const [, port = ""] = await server.said(/server started .* port=(\d+)/, "err");
  const bundle = await run(["bundle", "show"], env);
  const trusted = [
    `--server=127.0.0.1:${port}`,
    `--trust-bundle=${write("bundle.pem", bundle.out)}`,
  ];
  const place = (name: string): string[] => [
    `--data-dir=${dir}/${name}`,
    `--socket=${dir}/${name}.sock`,
  ];

  const token = write("token", issuer.token({ claims: { org: { name: "acme" }, run: 42 } }));
  const byToken = ["--attestor=oidc", `--oidc-token-file=${token}`];
  const first = start(["agent", ...trusted, ...byToken, ...place("oidc")], env);
  running.push(first);
  await first.said(/node attested .*spiffe:\/\/example\.org\/spire\/agent\/oidc\/ci\/42/, "err");

  const byHost = write("agent.yaml", {
    attestor: "sshpop",
    nodeAttestors: {
      sshpop: { hostKey: join(SSH, "ed25519"), hostCert: join(SSH, "ed25519-cert.pub") },
    },
  });
  const second = start(["agent", ...trusted, `--config=${byHost}`, ...place("ssh")], env);
  running.push(second);
  await second.said(/node attested .*spiffe:\/\/example\.org\/spire\/agent\/sshpop\/host-1/, "err");

  const thief = await run(["agent", ...trusted, ...byToken, ...place("thief")], env);
  t.match(thief, {
    code: 1,
    err: /refused the node attestation \(oidc\): token was used with ano/,
  });
  t.notOk(thief.err.includes(readFileSync(token, "utf8")), "the token is in no message");
  const found = await run(["audit", "find", "--output", "json"], env);
  t.match(found.out, /token was used with another key/, "the operator sees who was refused");
});

t.test("what a wrong file is told", async (t) => {
  const oidc = (issuer: object): object => ({
    nodeAttestors: {
      oidc: { issuers: [{ alias: "a", url: "https://x", audiences: ["b"], ...issuer }] },
    },
  });
  const server = (name: string, section: object): object => ({
    nodeAttestors: { [name]: section },
  });
  const cases: readonly (readonly [string, object, RegExp])[] = [
    ["server", oidc({ alias: "A:b" }), /nodeAttestors\.oidc\.issuers\[0\]\.alias .*is not 1 to 63/],
    ["server", oidc({ audiences: [] }), /issuers\[0\]\.audiences/],
    ["server", oidc({ secret: "x" }), /issuers\[0\]\.secret .*unknown/],
    ["server", oidc({ url: "http://x" }), /plain http/],
    ["server", oidc({ jwksUrl: "https://x", jwksFile: "/x" }), /both/],
    ["server", oidc({ agentPath: "all" }), /no \{\{placeholder\}\}/],
    ["server", server("httpChallenge", {}), /allowedDnsPatterns/],
    ["server", server("httpChallenge", { allowedDnsPatterns: ["a"], tofu: false }), /tofu/],
    ["server", server("sshpop", {}), /sshpop has no authority/],
    ["server", server("awsIid", { certificates: {} }), /accountIds/],
    ["server", server("azureImds", { caFile: "/none", tenants: {} }), /azure_imds authorities/],
    ["server", server("tpmDevid", { devidCaFile: "/none" }), /endorsementCaFile/],
    ["agent", { attestor: "tpm_devid" }, /tpm_devid needs nodeAttestors\.tpmDevid/],
    [
      "agent",
      { attestor: "tpm_devid", nodeAttestors: { tpmDevid: { devidCert: "/c" } } },
      /tpmDevid\.devidP/,
    ],
    ["agent", { attestor: "oidc" }, /oidc needs oidc-token-file/],
    ["agent", { attestor: "sshpop", oidcTokenFile: "/x" }, /has a meaning with attestor oidc only/],
    ["agent", { attestor: "gcp_iit", joinToken: "abc" }, /join token has no meaning/],
    ["agent", { attestor: "azure_imds" }, /needs nodeAttestors\.azureImds\.tenantDomain/],
    ["agent", { attestor: "tpm" }, /attestor/],
  ];
  for (const [role, value, problem] of cases) {
    const more = role === "agent" ? { server: "127.0.0.1:8081", insecureBootstrap: true } : {};
    const file = write("wrong.json", { ...more, ...value });
    const ran = await run(["config", "validate", file, `--${role}`], env);
    t.match(ran, { code: 1, out: problem }, JSON.stringify(value));
  }
});

t.test("azure_imds: a subscription is in one tenant", (t) => {
  const serverWith = (...tenantIds: string[]) => {
    const tenants = tenantIds.map(
      (tenantId, index) =>
        [`t${index}.org`, { tenantId, subscriptions: ["0A", `own-${index}`] }] as const,
    );
    return azureImdsServer({
      tenants: new Map(tenants),
      domains: ["metadata.azure.com"],
      roots: [],
      intermediates: [],
      agentPath: AgentPathTemplate.parse("{{TenantID}}/{{VMID}}", AZURE_IMDS_TYPE),
      clock: systemClock,
      random: systemRandom,
    });
  };
  t.equal(serverWith("one", "one").type, AZURE_IMDS_TYPE, "two names of one tenant");
  t.throws(() => serverWith("one", "two"), { message: /0A is listed with tenants one and two/ });
  t.end();
});

t.test(
  "a reload changes what a named attestor proves with, and never which one it is",
  async (t) => {
    const taken: NodeAttestorAgent[] = [];
    const proveWith = (attestor: NodeAttestorAgent): void => void taken.push(attestor);
    const reload = nodeAttestorReload({ proveWith }, { clock: systemClock, random: systemRandom });
    const tokenFile = write("psat", "a.b.c");
    const attestor = { type: "k8s_psat", cluster: "demo", tokenFile } as const;
    const prepared = await reload({ nodeAttestors: {}, attestor } as never);
    t.same(taken, [], "not before the whole can change");
    prepared();
    (await reload({ nodeAttestors: {}, joinToken: "other" } as never))();
    t.equal(taken.length, 1, "a join token is for a start");
    const proof = await taken[0]?.prove(new AbortController().signal);
    const { payload = new Uint8Array() } = proof ?? {};
    t.same(JSON.parse(Buffer.from(payload).toString()), { cluster: "demo", token: "a.b.c" });
  },
);
