/** x509pop: how agents are named by a template, which SVIDs are exchanged, and authorities that are replaced on disk. */
import { mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { x509popAttestor } from "../../src/attestors/node/x509pop/agent.ts";
import {
  type X509PopServerOptions,
  x509popServer,
} from "../../src/attestors/node/x509pop/server.ts";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { createLogger } from "../../src/observe/logger.ts";
import { OidcIssuers } from "../../src/attestors/issuer/issuers.ts";
import { nodeAttestors } from "../../src/server/attestors/node-attestors.ts";
import { PathTemplate } from "../../src/spiffe/path-template.ts";
import { TrustDomain } from "../../src/spiffe/trust-domain.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { TRUST_DOMAIN } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { type LeafOptions, TestCa } from "../support/test-ca.ts";

const NOW = Math.floor(Date.now() / 1000);
const LIFE = { notBefore: NOW - 10, notAfter: NOW + 3600 };
const trustDomain = TrustDomain.parse(TRUST_DOMAIN);
const tools = { trustDomain, clock: systemClock, random: systemRandom };

function folder(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), "assay-names-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

interface Admitter {
  admit: ReturnType<typeof x509popServer>["admit"];
}

/** The path that a host with such a certificate gets. */
async function pathOf(
  t: Test,
  attestor: Admitter,
  ca: TestCa,
  options: LeafOptions,
): Promise<string> {
  const dir = folder(t);
  const leaf = await ca.leaf({ ...LIFE, ...options });
  writeFileSync(join(dir, "cert.pem"), leaf.certPem);
  writeFileSync(join(dir, "key.pem"), leaf.keyPem);
  const { signal } = new AbortController();
  const proof = await x509popAttestor({
    certFile: join(dir, "cert.pem"),
    keyFile: join(dir, "key.pem"),
    random: systemRandom,
  }).prove(signal);
  const respond = (challenge: Uint8Array): Promise<Uint8Array> => proof.respond(challenge);
  const admission = await attestor.admit(proof.payload, respond, signal);
  return admission.agentPath;
}

t.test("templates: what can be read", (t) => {
  const good: [string, string[]][] = [
    ["x509pop/a", []],
    ["/x509pop/{{ .Fingerprint }}", ["Fingerprint"]],
    [
      "{{.PluginName}}/{{  .Subject.CommonName  }}-{{.A-b_9}}",
      ["PluginName", "Subject.CommonName", "A-b_9"],
    ],
    ["{{.A}}/{{.A}}", ["A"]],
  ];
  for (const [text, fields] of good) t.same(PathTemplate.parse(text).fields, fields, text);
  const bad: [string, RegExp][] = [
    ["", /empty segments|trailing slash/],
    ["/", /trailing slash|empty/],
    ["a//b", /empty segments/],
    ["a/", /trailing slash/],
    ["../{{.A}}", /dot segments/],
    ["a b", /limited to/],
    ["{{ A }}", /'\{\{ A \}\}' is no field/],
    ["{{}}", /is no field/],
    ["{{ .A | lower }}", /functions are not offered/],
    ["{{ if .A }}x{{ end }}", /is no field/],
    ["{{ .A..B }}", /is no field/],
    ["{{ .A", /limited to/],
    ["{{ .A }} }}", /limited to/],
    [`{{${"x".repeat(500)}}}`, /^.{0,200}$/],
  ];
  for (const [text, message] of bad) t.throws(() => PathTemplate.parse(text), { message }, text);
  const values: Record<string, string> = { A: "a", slash: "a/b", dots: "..", space: "a b" };
  const fill = (text: string): string =>
    PathTemplate.parse(text).fill((field) => values[field], new Set(["many"]));
  t.equal(fill("x/{{.A}}.{{.A}}"), "/x/a.a");
  for (const text of ["{{.none}}", "x/{{.slash}}", "x/{{.dots}}", "x/{{.space}}"]) {
    t.throws(() => fill(text), { name: "AssayError", message: /^path template/ }, text);
  }
  values["many"] = "a/b";
  t.equal(fill("x/{{.many}}"), "/x/a/b");
  t.end();
});

t.test("agents are named as the template says, inside their own namespace", async (t) => {
  const ca = await TestCa.create({ ...LIFE });
  const attestor = (text: string, more: Partial<X509PopServerOptions> = {}) =>
    x509popServer({
      ...tools,
      mode: "external_pki",
      roots: () => [ca.certificate],
      pathTemplate: PathTemplate.parse(text),
      ...more,
    });
  const host = (commonName: string, more: LeafOptions = {}): LeafOptions => ({
    subject: distinguishedName([{ type: "CN", value: commonName }]),
    uris: [`x509pop://${TRUST_DOMAIN}/rack/7`, `x509pop://${TRUST_DOMAIN}/place/b/2`],
    serial: Uint8Array.of(0x0a, 0xbc),
    ...more,
  });
  const named: [string, string][] = [
    ["x509pop/{{ .Subject.CommonName }}", "/spire/agent/x509pop/host-1"],
    [
      "/{{ .PluginName }}/{{ .TrustDomain }}/{{.SerialNumberHex}}",
      "/spire/agent/x509pop/example.org/0abc",
    ],
    [
      "x509pop/{{ .URISanSelectors.rack }}/{{ .Subject.CommonName }}",
      "/spire/agent/x509pop/7/host-1",
    ],
  ];
  for (const [text, path] of named) {
    t.equal(await pathOf(t, attestor(text), ca, host("host-1")), path);
  }
  const byName = attestor("x509pop/{{ .Subject.CommonName }}");
  for (const name of ["a/b", "..", "../join_token/x", "ho st", "ä", "x{{.TrustDomain}}"]) {
    await refused(t, pathOf(t, byName, ca, host(name)), { kind: "denied" }, name);
  }
  const san = attestor("x509pop/{{ .URISanSelectors.place }}");
  await refused(t, pathOf(t, san, ca, host("h")), { kind: "denied", message: /slash/ });
  await refused(t, pathOf(t, attestor("x509pop/{{.URISanSelectors.no}}"), ca, host("h")), {
    kind: "denied",
    message: /no \.URISanSelectors\.no/,
  });

  const wrong: [string, RegExp][] = [
    ["cn/{{ .Subject.CommonName }}", /begin with x509pop\//],
    ["{{ .Subject.CommonName }}", /begin with x509pop\//],
    ["x509pop{{ .Fingerprint }}", /begin with x509pop\//],
    ["join_token/{{ .Fingerprint }}", /begin with x509pop\//],
    ["x509pop/{{ .Issuer }}", /there are \.PluginName, .*\.URISanSelectors\.KEY/],
    ["x509pop/{{ .constructor }}", /no field \.constructor/],
  ];
  for (const [text, message] of wrong) t.throws(() => attestor(text), { message }, text);
});

t.test("mode spiffe: another prefix, and a template over the rest of the path", async (t) => {
  const ca = await TestCa.create({ ...LIFE });
  const attestor = (more: Partial<X509PopServerOptions>) =>
    x509popServer({ ...tools, mode: "spiffe", roots: () => [ca.certificate], ...more });
  const id = (path: string): LeafOptions => ({ spiffeId: `spiffe://${TRUST_DOMAIN}${path}` });
  const nodes = attestor({ svidPrefix: "/nodes/" });
  t.equal(await pathOf(t, nodes, ca, id("/nodes/rack/7")), "/spire/agent/x509pop/rack/7");
  for (const path of ["/spire-exchange/a", "/nodes", "/nodesx/a", "/a/nodes/b"]) {
    await refused(t, pathOf(t, nodes, ca, id(path)), { kind: "denied" }, path);
  }
  const all = attestor({
    svidPrefix: "/",
    pathTemplate: PathTemplate.parse("x509pop/of/{{ .SVIDPathTrimmed }}"),
  });
  t.equal(await pathOf(t, all, ca, id("/a/b")), "/spire/agent/x509pop/of/a/b");
});

t.test("authorities that are replaced on disk count from then on", async (t) => {
  const dir = folder(t);
  const [one, two] = [await TestCa.create({ ...LIFE }), await TestCa.create({ ...LIFE })];
  const caFile = join(dir, "ca.pem");
  writeFileSync(caFile, one.pem);
  const lines: string[] = [];
  const logger = createLogger({
    level: "info",
    format: "text",
    write: (line) => lines.push(line),
    nowMs: () => 0,
  });
  const issuers = new OidcIssuers([]);
  const tokens = { get: async () => undefined };
  const resources = new AsyncDisposableStack();
  const clusters: [] = [];
  const parts = {
    ...tools,
    logger,
    issuers,
    clusters,
    tokens,
    resources,
    ownRoots: () => [],
    isLost: () => false,
  };
  const make = async (caFile: string) => {
    const x509pop = { mode: "external_pki" as const, caFile };
    return nodeAttestors({ x509pop, nodeAttestors: {} }, parts).get("x509pop");
  };
  const attestor = await make(caFile);
  if (attestor === undefined) throw new Error("it is configured");
  const joins = async (ca: TestCa): Promise<boolean> =>
    pathOf(t, attestor, ca, {}).then(
      () => true,
      () => false,
    );
  t.same([await joins(one), await joins(two)], [true, false]);
  t.equal(lines.length, 0);
  writeFileSync(join(dir, "new.pem"), one.pem + two.pem);
  renameSync(join(dir, "new.pem"), caFile);
  t.same([await joins(one), await joins(two)], [true, true]);
  t.match(lines.splice(0), [/authorities read anew/]);
  writeFileSync(caFile, two.pem);
  t.same([await joins(one), await joins(two)], [false, true]);
  lines.length = 0;
  for (const spoil of [
    () => writeFileSync(caFile, "not pem"),
    () => writeFileSync(caFile, ""),
    () => writeFileSync(caFile, "x".repeat(1024 * 1024 + 1)),
    () => unlinkSync(caFile),
  ]) {
    spoil();
    t.same([await joins(one), await joins(two)], [false, true], "what was there before counts");
    t.match(lines.splice(0)[0], /not taken over; those of before count/);
  }
  await t.rejects(make(caFile), { message: /ca\.pem: it cannot be read \(ENOENT\)/ });
  writeFileSync(caFile, one.pem);
  t.same([await joins(one), await joins(two)], [true, false]);
});
