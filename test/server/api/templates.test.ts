/** Entries that name a family: what is refused when they are made, who hears of them, and what is signed. */
import { createServer } from "node:http";
import { readFileSync, readdirSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import t, { type Test } from "tap";
import { KubernetesClient } from "../../../src/attestors/kubernetes/client.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { IdTemplate } from "../../../src/spiffe/id-template.ts";
import { SpiffeId } from "../../../src/spiffe/spiffe-id.ts";
import { parseSelector } from "../../../src/spiffe/selector.ts";
import { ClusterPods } from "../../../src/server/attestors/cluster-pods.ts";
import type { EntryRecord } from "../../../src/server/datastore/contract.ts";
import { Families, type PodCheck } from "../../../src/server/entries/family.ts";
import { refused } from "../../support/refused.ts";
import { ENTRY_SERVICE, SVID_SERVICE, startTestServer } from "../../support/server.ts";
import { sampleEntry, sampleNode } from "../datastore/samples.ts";
import { type Entries, type Results, csrOf, id, uid } from "./calls.ts";

const TEMPLATES = "assay.template.v1.Templates";
const PREFIX = "spiffe://example.org/ns";
const PODS = `${PREFIX}/{{k8s.ns}}/sa/{{k8s.sa}}`;
const SIGNAL = new AbortController().signal;

t.test("a template is read strictly", async (t) => {
  const { variables } = IdTemplate.parse(
    `${PREFIX}/{{k8s.pod-label:app.kubernetes.io/name}}/x/{{unix.uid}}`,
    PREFIX,
  );
  t.match(variables, [
    { type: "k8s", name: "pod-label", key: "app.kubernetes.io/name" },
    { type: "unix", name: "uid" },
  ]);
  for (const [text, message] of [
    [PREFIX, /not below/],
    [`${PREFIX}x/{{k8s.ns}}`, /not below/],
    ["spiffe://other.org/ns/{{k8s.ns}}", /not below/],
    ["{{k8s.ns}}", /not below/],
    [`${PREFIX}/web`, /no variable/],
    [`${PREFIX}/`, /no variable|trailing/],
    [`${PREFIX}/{{k8s.ns}}/`, /trailing slash/],
    [`${PREFIX}//{{k8s.ns}}`, /empty segments/],
    [`${PREFIX}/../{{k8s.ns}}`, /dot segments/],
    [`${PREFIX}/ns-{{k8s.ns}}`, /not wholly one variable/],
    [`${PREFIX}/{{k8s.ns}}{{k8s.sa}}`, /not wholly one variable/],
    [`${PREFIX}/{{ k8s.ns }}`, /not wholly one variable/],
    [`${PREFIX}/{{ns}}`, /not wholly one variable/],
    [`${PREFIX}/{{{k8s.ns}}}`, /not wholly one variable/],
    [`${PREFIX}/{{k8s.ns`, /not wholly one variable/],
    [`${PREFIX}/{{k8s.ns}}/{{k8s.ns}}`, /twice/],
    [`${PREFIX}/é/{{k8s.ns}}`, /path/],
    [`${PREFIX}/${"a/".repeat(600)}{{k8s.ns}}`, /longer than 1024/],
    [
      `${PREFIX}/${Array.from({ length: 9 }, (_, i) => `{{token.a:${i}}}`).join("/")}`,
      /more than 8/,
    ],
  ] as const) {
    t.throws(() => IdTemplate.parse(text, PREFIX), { kind: "invalid", message }, text);
  }
});

const HOSTILE = [
  "",
  ".",
  "..",
  "a/b",
  "/",
  "../admin",
  "a%2fb",
  "a b",
  "é",
  "а", // Cyrillic
  "a\0",
  "a\n",
  "{{k8s.sa}}",
  "\ud800",
  "x".repeat(256),
  "x".repeat(2048),
];

t.test("a value is exactly one segment", async (t) => {
  const template = IdTemplate.parse(PODS, PREFIX);
  const filled = template.fill(({ name }) => ({ ns: "prod", sa: "web.1_A-b" })[name]);
  t.equal(filled.toString(), `${PREFIX}/prod/sa/web.1_A-b`);
  for (const value of HOSTILE) {
    t.throws(
      () => template.fill(() => value),
      { kind: "denied", message: /no path segment/ },
      JSON.stringify(value),
    );
  }
  t.throws(() => template.fill(() => undefined), { message: /no value for \{\{k8s.ns\}\}/ });
  const long = IdTemplate.parse(
    `${PREFIX}/${Array.from({ length: 8 }, (_, i) => `{{token.a:${i}}}`).join("/")}`,
    PREFIX,
  );
  t.throws(
    () => long.fill(() => "x".repeat(255)),
    { message: /longer than/ },
    "the ID's own bound",
  );
});

t.test("the values are found again in an ID, and in no other", async (t) => {
  const template = IdTemplate.parse(PODS, PREFIX);
  const values = (path: string) => {
    const found = template.match(SpiffeId.parse(`${PREFIX}${path}`));
    return found && Object.fromEntries(found);
  };
  t.same(values("/prod/sa/web.1_A-b"), { "k8s.ns": "prod", "k8s.sa": "web.1_A-b" });
  for (const path of ["", "/prod", "/prod/sa", "/prod/sb/web", "/prod/sa/web/x", "x/prod/sa/web"]) {
    t.equal(values(path), undefined, path);
  }
  t.equal(template.match(SpiffeId.parse("spiffe://other.org/ns/prod/sa/web")), undefined);
});

const entry = (over: object = {}) => ({
  spiffe_id: id("/ns"),
  parent_id: id("/host"),
  selectors: [uid("1000")],
  ...over,
});

interface Created {
  readonly results: readonly {
    readonly status: { readonly code: number; readonly message: string };
    readonly entry: { readonly id: string } | null;
  }[];
}

t.test("what a server refuses to register, and whom it tells of the rest", async (t) => {
  const server = await startTestServer(t);
  const create = async (template: object | null, over: object = {}) => {
    const { results } = await server.admin.unary<Created>(TEMPLATES, "BatchCreateEntry", {
      entries: [{ entry: entry(over), template }],
    });
    return results[0];
  };
  const trusted = (text: string) => ({ id: `${PREFIX}/${text}`, trust_agent: true });
  for (const [template, message, over] of [
    [null, /template: is missing/],
    [{ id: "" }, /template: is missing/],
    [trusted("{{k8s.pod_name}}"), /did you mean 'k8s:pod-name'/],
    [trusted("{{slurm.job}}"), /none of a workload's/],
    [trusted("{{aws_iid.region}}"), /none of a workload's/],
    [trusted("{{spiffe_id.x}}"), /none of a workload's/],
    [trusted("{{unix.path}}"), /never one path segment/],
    [trusted("{{docker.label}}"), /has no key; write \{\{docker.label:KEY\}\}/],
    [trusted("{{k8s.ns:x}}"), /has a key/],
    [trusted("web"), /no variable/],
    [{ id: `${PREFIX}/{{docker.label:app}}` }, /cannot check .*--template-trust-agent/],
    [{ id: `${PREFIX}/{{unix.uid}}` }, /cannot check/],
    [trusted("{{unix.uid}}"), /no admin/, { admin: true }],
    [trusted("{{unix.uid}}"), /no admin, downstream/, { downstream: true }],
    [trusted("{{unix.uid}}"), /stored SVID/, { store_svid: true }],
    [trusted("{{unix.uid}}"), /cannot name agents/, { parent_id: id("/spire/server") }],
    [
      { id: "spiffe://example.org/spire/agent/{{k8s.ns}}" },
      /reserved/,
      { spiffe_id: id("/spire/agent") },
    ],
    [{ id: "spiffe://other.org/ns/{{k8s.ns}}" }, /not below/],
  ] as const) {
    const result = await create(template, over);
    t.equal(result?.status.code, 3, JSON.stringify(template));
    t.match(result?.status.message, message);
  }

  const agent = await server.attest(
    await server.createToken({ agent_id: { trust_domain: "example.org", path: "/host" } }),
  );
  const other = await server.attest();
  const made = await create(trusted("{{unix.uid}}/{{docker.label:app}}"));
  t.equal(made?.status.code, 0, `${made?.status.message}`);
  const entryId = made?.entry?.id ?? "";
  const plainId = await server.createEntry({ ...entry(), spiffe_id: id("/plain") });
  t.match(
    await server.admin.unary(TEMPLATES, "BatchGetTemplate", { ids: [plainId, entryId, "none"] }),
    {
      templates: [{ id: entryId, template: { trust_agent: true } }],
    },
  );

  // A caller that speaks SPIRE's API alone.
  const told = await agent.channel.unary<Entries>(ENTRY_SERVICE, "GetAuthorizedEntries", {});
  t.same(
    told.entries.map((each) => each.spiffe_id.path).filter((path) => path !== "/host"),
    ["/plain"],
  );
  using sync = agent.channel.stream<object, Entries>(ENTRY_SERVICE, "SyncAuthorizedEntries");
  await sync.send({});
  for await (const { entries } of sync) {
    t.notOk(entries.some((each) => each.id === entryId));
    break;
  }
  const { csr } = await csrOf();
  const plainSign = await agent.channel.unary<Results>(SVID_SERVICE, "BatchNewX509SVID", {
    params: [{ entry_id: entryId, csr }],
  });
  t.match(plainSign.results, [{ status: { code: 5 }, svid: null }]);
  await refused(
    t,
    agent.channel.unary(SVID_SERVICE, "NewJWTSVID", { entry_id: entryId, audience: ["a"] }),
    { kind: "not_found" },
  );

  const member = (uidValue: string, app = "web") => ({
    entry_id: entryId,
    values: [
      { variable: "unix.uid", value: uidValue },
      { variable: "docker.label:app", value: app },
    ],
  });
  const sign = async (channel: typeof agent.channel, asked: object) => {
    const { results } = await channel.unary<Results>(TEMPLATES, "BatchNewX509SVID", {
      params: [{ member: asked, csr }],
    });
    return results[0];
  };
  t.match(await sign(agent.channel, member("7")), {
    status: { code: 0 },
    svid: { id: id("/ns/7/web") },
  });
  const jwt = await agent.channel.unary<{ svid: { id: object } }>(TEMPLATES, "NewJWTSVID", {
    member: member("7"),
    audience: ["db"],
  });
  t.match(jwt.svid.id, id("/ns/7/web"));
  for (const value of HOSTILE.filter((text) => text.isWellFormed())) {
    const result = await sign(agent.channel, member("7", value));
    t.match(result, { status: { code: 7 }, svid: null }, JSON.stringify(value));
  }
  for (const [asked, code] of [
    [{ ...member("7"), entry_id: "none" }, 5],
    [{ ...member("7"), entry_id: plainId }, 5],
    [{ ...member("7"), entry_id: "" }, 3],
    [{ ...member("7"), values: [] }, 7],
    [{ ...member("7"), values: member("7").values.slice(1) }, 7],
    [{ ...member("7"), values: [...member("7").values, { variable: "k8s.ns", value: "x" }] }, 3],
    [{ ...member("7"), values: [...member("7").values, ...member("8").values] }, 3],
  ] as const) {
    t.match(await sign(agent.channel, asked), { status: { code }, svid: null });
  }
  t.match(
    await sign(other.channel, member("7")),
    { status: { code: 5 }, svid: null },
    "another agent",
  );
  await server.createEntry({ ...entry(), spiffe_id: id("/ns/9/web"), admin: true });
  t.match(
    await sign(agent.channel, member("9")),
    { status: { code: 7, message: /has rights by entry/ }, svid: null },
    "nobody becomes an administrator by a value",
  );
  await refused(t, sign(server.connect(), member("7")), { kind: "denied" }, "no agent at all");
  await refused(
    t,
    agent.channel.unary(TEMPLATES, "BatchCreateEntry", { entries: [] }),
    { kind: "denied" },
    "agents register nothing",
  );

  // Templates change; a plain entry does not become one, nor does SPIRE's update break one.
  const set = async (entryOfTemplate: string, template: object) => {
    const { results } = await server.admin.unary<Created>(TEMPLATES, "BatchSetTemplate", {
      templates: [{ id: entryOfTemplate, template }],
    });
    return results[0]?.status;
  };
  t.match(await set(plainId, trusted("{{unix.uid}}")), { message: /has no template/ });
  t.match(await set(entryId, { id: "spiffe://example.org/else/{{k8s.ns}}" }), { code: 3 });
  t.match(await set(entryId, trusted("u/{{unix.uid}}")), { code: 0 });
  const moved = await server.admin.unary<Created>(ENTRY_SERVICE, "BatchUpdateEntry", {
    entries: [{ id: entryId, spiffe_id: id("/else") }],
    input_mask: { spiffe_id: true },
  });
  t.match(moved.results[0]?.status, { code: 3, message: /not below/ });

  const audit = readdirSync(join(server.dataDir, "audit"))
    .map((name) => readFileSync(join(server.dataDir, "audit", name), "utf8"))
    .join("")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { action: string; subject?: object });
  for (const action of ["x509.workload", "jwt.workload"]) {
    t.match(
      audit.filter((record) => record.action === action).map(({ subject }) => subject),
      [{ entryId, spiffeId: `${PREFIX}/7/web` }],
      "what was issued, by which entry",
    );
  }
  t.ok(audit.some(({ action }) => action === `/${TEMPLATES}/BatchSetTemplate`));
});

const AGENT = "spiffe://example.org/spire/agent/k8s_psat/demo/nu";
const POD = { namespace: "prod", name: "web-0", uid: "pu" };

/** An API server that says what the test wants of the pod and of the node. */
async function clusterPods(
  t: Test,
  told: {
    readonly pod?: object | number;
    readonly node?: object | number;
    readonly agent?: object;
  },
): Promise<PodCheck> {
  const pod = told.pod ?? {
    metadata: { uid: "pu", labels: { app: "shop" } },
    spec: { nodeName: "n", serviceAccountName: "web" },
    status: { phase: "Running" },
  };
  const api = createServer((request, response) => {
    const said = request.url?.includes("/pods/") ? pod : (told.node ?? { metadata: { uid: "nu" } });
    response.writeHead(typeof said === "number" ? said : 200);
    response.end(JSON.stringify(typeof said === "number" ? {} : said));
  });
  await new Promise<void>((resolve) => api.listen(0, "127.0.0.1", resolve));
  const connection = { server: `http://127.0.0.1:${(api.address() as AddressInfo).port}` };
  const client = new KubernetesClient({ connection, clock: systemClock });
  t.teardown(() => {
    client[Symbol.dispose]();
    api.closeAllConnections();
    api.close();
  });
  const node = sampleNode("x", {
    spiffeId: AGENT,
    attestationType: "k8s_psat",
    selectors: ["cluster:demo", "agent_node_name:n", "agent_node_uid:nu"].map((text) =>
      parseSelector(`k8s_psat:${text}`),
    ),
    ...told.agent,
  });
  return new ClusterPods((name) => (name === "demo" ? { name, client } : undefined), {
    get: async () => node,
  });
}

function family(pods: PodCheck, template: string, find?: () => EntryRecord | undefined): Families {
  const record = sampleEntry("e", {
    spiffeId: PREFIX,
    template: { id: template, trustAgent: false },
  });
  return new Families({
    pods,
    registry: { list: async () => ({ items: [] }) },
    entries: { find: find ?? (() => record) },
  });
}

const ASKED = {
  entryId: "e",
  values: new Map([
    ["k8s.ns", "prod"],
    ["k8s.sa", "web"],
  ]),
  pod: POD,
};

t.test("the server asks the agent's cluster for what the agent says of a pod", async (t) => {
  const pods = await clusterPods(t, {});
  const found = await family(pods, PODS).member(AGENT, ASKED, SIGNAL);
  t.match(found, { id: "e", spiffeId: `${PREFIX}/prod/sa/web` });
  t.equal(found.template, undefined, "an identity like others");
  const labels = `${PREFIX}/{{k8s.pod-label:app}}/{{k8s.pod-name}}/{{k8s.pod-uid}}`;
  const values = new Map([
    ["k8s.pod-label:app", "shop"],
    ["k8s.pod-name", "web-0"],
    ["k8s.pod-uid", "pu"],
  ]);
  t.match(await family(pods, labels).member(AGENT, { ...ASKED, values }, SIGNAL), {
    spiffeId: `${PREFIX}/shop/web-0/pu`,
  });

  const lies: readonly (readonly [string, Partial<typeof ASKED>, RegExp])[] = [
    ["another account", { values: new Map([...ASKED.values, ["k8s.sa", "admin"]]) }, /another one/],
    ["another namespace", { values: new Map([...ASKED.values, ["k8s.ns", "other"]]) }, /another/],
    ["another uid", { pod: { ...POD, uid: "other" } }, /there is no pod/],
  ];
  for (const [name, change, message] of lies) {
    const asked = { ...ASKED, ...change };
    await refused(
      t,
      family(pods, PODS).member(AGENT, asked, SIGNAL),
      { kind: "denied", message },
      name,
    );
  }
  const { pod: _, ...without } = ASKED;
  await refused(t, family(pods, PODS).member(AGENT, without, SIGNAL), {
    kind: "denied",
    message: /pod is not named/,
  });
  for (const name of ["", "..", ".", "a/b", "a?b", "x".repeat(300)]) {
    const pod = { ...POD, name };
    await refused(t, family(pods, PODS).member(AGENT, { ...ASKED, pod }, SIGNAL), {
      kind: "invalid",
    });
  }

  const spec = { nodeName: "n", serviceAccountName: "web" };
  const metadata = { uid: "pu" };
  for (const [name, told, kind, message] of [
    ["no such pod", { pod: 404 }, "denied", /there is no pod/],
    [
      "on another node",
      { pod: { metadata, spec: { ...spec, nodeName: "m" } } },
      "denied",
      /not on/,
    ],
    ["on none yet", { pod: { metadata, spec: {} } }, "denied", /not on/],
    ["ended", { pod: { metadata, spec, status: { phase: "Failed" } } }, "denied", /has ended/],
    ["another node of its name", { node: { metadata: { uid: "m" } } }, "denied", /node n is gone/],
    ["no right", { pod: 403 }, "unavailable", /right to get pods is missing/],
    ["not of a cluster", { agent: { attestationType: "join_token" } }, "denied", /no cluster/],
    ["an unknown cluster", { agent: { selectors: [] } }, "denied", /no cluster/],
  ] as const) {
    const check = family(await clusterPods(t, told), PODS);
    await refused(t, check.member(AGENT, ASKED, SIGNAL), { kind, message }, name);
  }

  const entries = [1, 2].map((revisionNumber) =>
    sampleEntry("e", {
      spiffeId: PREFIX,
      revisionNumber,
      template: { id: PODS, trustAgent: false },
    }),
  );
  await refused(t, family(pods, PODS, () => entries.shift()).member(AGENT, ASKED, SIGNAL), {
    kind: "unavailable",
    message: /changed meanwhile/,
  });
});
