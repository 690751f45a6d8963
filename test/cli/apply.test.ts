// The registry from a file: the plan, what apply does, what pruning spares, and files that say it wrong.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { withFieldWords } from "../../src/cli/text/field-words.ts";
import { startAdminRig } from "./admin.ts";

const dir = mkdtempSync(join(tmpdir(), "assay-apply-"));
t.teardown(() => rmSync(dir, { recursive: true }));
let files = 0;
function file(text: string): string {
  files += 1;
  const path = join(dir, `${files}.yaml`);
  writeFileSync(path, text);
  return path;
}

interface Plan {
  readonly create: readonly { readonly spiffeId: string }[];
  readonly update: readonly { readonly id: string; readonly changes: unknown }[];
  readonly delete: readonly { readonly id: string; readonly spiffeId: string }[];
  readonly unchanged: number;
}

t.test("plan and apply", async (t) => {
  const { run, ok, json, server } = await startAdminRig(t);
  const first = file(`
entries:
  - spiffeId: spiffe://example.org/web
    parentId: spiffe://example.org/host
    selectors: ["unix:uid:2", "unix:uid:1"]
    x509SvidTtl: 10m
    jwtSvidTtl: 60
    dnsNames: [web.example.org]
    hint: main
    disableX509SvidPrefetch: true
    expiresAt: "2100-01-01T00:00:00Z"
  - id: named
    spiffeId: spiffe://example.org/db
    parentId: spiffe://example.org/host
    selectors: ["unix:uid:3"]
    admin: true
`);
  t.match(await json<Plan>("entry", "plan", first), {
    create: [{ spiffeId: "spiffe://example.org/web" }, { id: "named" }],
    update: [],
    delete: [],
    unchanged: 0,
  });
  t.same(await json("entry", "count"), { count: 0 }, "a plan changes nothing");
  t.match(await ok("entry", "apply", first), /^\+ spiffe:\/\/example\.org\/web[^]*\ncreate 2, /);
  const listed = await json<{ id: string; selectors: string[] }[]>("entry", "list");
  t.match(
    listed.find(({ id }) => id !== "named"),
    {
      selectors: ["unix:uid:1", "unix:uid:2"],
      x509SvidTtl: 600,
      jwtSvidTtl: 60,
      dnsNames: ["web.example.org"],
      hint: "main",
      disableX509SvidPrefetch: true,
      expiresAt: "2100-01-01T00:00:00Z",
    },
  );
  const unchanged = { create: [], update: [], delete: [], unchanged: 2 };
  t.same(await json("entry", "apply", first, "--prune"), unchanged, "a second time: nothing");
  const exported = file(JSON.stringify({ entries: await json("entry", "list") }));
  t.same(await json("entry", "plan", exported, "--prune"), unchanged, "what list prints is a file");

  // The name that a token gives to its host is no file's matter.
  await server.createToken({ agent_id: { trust_domain: "example.org", path: "/host" } });
  const extra = await server.createEntry({
    spiffe_id: { trust_domain: "example.org", path: "/old" },
    parent_id: { trust_domain: "example.org", path: "/host" },
    selectors: [{ type: "unix", value: "uid:9" }],
  });
  const second = file(`
entries:
  - id: named
    spiffeId: spiffe://example.org/db2
    parentId: spiffe://example.org/host
    selectors: ["unix:uid:3"]
    jwtSvidIncludeJti: true
  - spiffeId: spiffe://example.org/web
    parentId: spiffe://example.org/host
    selectors: ["unix:uid:1", "unix:uid:2"]
    disableX509SvidPrefetch: true
  - spiffeId: spiffe://example.org/new
    parentId: spiffe://example.org/host
    selectors: ["unix:uid:4"]
`);
  const text = await run("entry", "plan", second);
  t.match(text.out, /~ spiffe:\/\/example\.org\/db2 {2}named\n {4}spiffeId: ".*db" -> ".*db2"\n/);
  t.match(text.out, /would create 1, update 2, delete 0; 0 unchanged\n$/);
  t.match(text.err, /^1 entry is not in the file; --prune deletes it\n$/);
  const applied = await json<Plan>("entry", "apply", second, "--prune");
  t.match(applied, {
    create: [{ spiffeId: "spiffe://example.org/new" }],
    delete: [{ id: extra, spiffeId: "spiffe://example.org/old" }],
  });
  t.same(
    applied.update.map(({ changes }) => (changes as { field: string }[]).map(({ field }) => field)),
    [
      ["spiffeId", "admin", "jwtSvidIncludeJti"],
      ["x509SvidTtl", "jwtSvidTtl", "dnsNames", "hint", "expiresAt"],
    ],
  );
  t.match(await json("entry", "plan", second, "--prune"), { ...unchanged, unchanged: 3 });
  t.match(await json("entry", "show", "named"), {
    spiffeId: "spiffe://example.org/db2",
    admin: false,
    jwtSvidIncludeJti: true,
    revisionNumber: 1,
  });
  t.same(await json("entry", "count"), { count: 4 }, "three, and the host's name");

  const partly = file(`
entries:
  - { spiffeId: "spiffe://other.org/x", parentId: "spiffe://example.org/host", selectors: ["a:b"] }
  - { spiffeId: "spiffe://example.org/y", parentId: "spiffe://example.org/host", selectors: ["a:b"] }
`);
  const planned = await run("entry", "plan", partly);
  t.match(planned, {
    code: 1,
    out: /would create 2, update 0/,
    err: /\nassay: spiffe:\/\/other\.org\/x: .*not a member of trust domain/,
  });
  t.match(await run("entry", "apply", partly), {
    code: 1,
    out: "+ spiffe://example.org/y  a:b\ncreate 1, update 0, delete 0; 0 unchanged\n",
    err: /\nassay: spiffe:\/\/other\.org\/x: .*not a member of trust domain/,
  });
  t.match(await json("entry", "list", "--selector", "a:b"), [
    { spiffeId: "spiffe://example.org/y" },
  ]);
});

t.test("a plan says what apply would, and changes nothing", async (t) => {
  const { run, ok, json } = await startAdminRig(t);
  const entry = (name: string, more: string) =>
    `  - { id: ${name}, spiffeId: "spiffe://example.org/${name}", parentId: "spiffe://example.org/host", ${more} }`;
  const there = ["entries:", entry("a", 'selectors: ["unix:uid:1"]')];
  there.push(entry("b", 'selectors: ["unix:uid:2"]'), entry("c", 'selectors: ["unix:uid:3"]'));
  await ok("entry", "apply", file(there.join("\n")));
  const before = await json("entry", "list");
  const wanted = file(
    [
      "entries:",
      entry("d", 'selectors: ["unix:uid:4"], federatesWith: [unknown.org]'),
      entry("e", 'selectors: ["k8s:pod_name:x"]'),
      entry("f", 'selectors: ["unix:uid:root"]'),
      entry("g", 'selectors: ["unix:uid:5"]'),
      entry("a", 'selectors: ["unix:uid:1"], storeSvid: true, disableX509SvidPrefetch: true'),
      entry("b", 'selectors: ["unix:uid:2"], jwtSvidTtl: 400d'),
      `  - { spiffeId: "spiffe://example.org/fam", parentId: "spiffe://example.org/host", selectors: ["k8s:ns:x"], template: "spiffe://example.org/fam/{{k8s.wrong}}" }`,
    ].join("\n"),
  );
  const { code, out, err } = await run("entry", "plan", wanted, "--prune");
  t.equal(code, 1);
  t.match(out, /would create 5, update 2, delete 1; 0 unchanged\n$/);
  const lines = err.trim().split("\n");
  const rows = [
    /^assay: warning: spiffe:\/\/example.org\/d: there is no bundle of 'unknown.org' yet; workloads/,
    /^assay: spiffe:\/\/example.org\/e: selector 1: .*'k8s:pod-name'/,
    /^assay: warning: spiffe:\/\/example.org\/f: .*unix:uid is a number/,
    /^assay: spiffe:\/\/example.org\/fam: .*k8s has no 'wrong'/,
    /^assay: spiffe:\/\/example.org\/a \(a\): .*cannot switch off its prefetch/,
    /^assay: warning: spiffe:\/\/example.org\/b \(b\): .*beyond the authority's reach/,
  ];
  t.equal(lines.length, rows.length, err);
  for (const row of rows)
    t.ok(
      lines.some((line) => row.test(line)),
      String(row),
    );
  t.same(await json("entry", "list"), before);
  const applied = await run("entry", "apply", wanted, "--prune");
  t.match(applied, { code: 1, out: /create 3, update 1, delete 1; 0 unchanged\n$/ });
  t.match(await run("entry", "plan", file("entries: []"), "--prune"), { code: 0, err: "" });
});

t.test("files that say it wrong", async (t) => {
  const { run, json } = await startAdminRig(t);
  const entry = (more: string) => `entries:
  - spiffeId: spiffe://example.org/a
    parentId: spiffe://example.org/p
    ${more}`;
  const selectors = `selectors: ["a:b"]`;
  const cases: [string, RegExp][] = [
    ["", /a mapping with 'entries' is missing/],
    ["[]", /a mapping with 'entries' is missing/],
    ["entries: {}", /entries: is not a list/],
    ["entries: []\nother: 1", /unknown key 'other'/],
    ["entries: [1]", /entries\[0\]: is not a mapping/],
    ["entries: [{}]", /entries\[0\]\.spiffeId: is missing/],
    ["a: *b", /neither YAML nor JSON/],
    ["{", /neither YAML nor JSON/],
    [entry(""), /entries\[0\]\.selectors: is missing/],
    [entry("selectors: a:b"), /selectors: is not a list/],
    [entry("selectors: [1]"), /selectors: is not text/],
    [entry("selectors: [a]"), /selectors: /],
    [entry(`${selectors}\n    ttl: 5`), /entries\[0\]\.ttl: is unknown; there are id, spiffeId/],
    [
      entry(`${selectors}\n    selector: [a:b]`),
      /selector: is unknown; did you mean 'selectors'\?/,
    ],
    [entry(`${selectors}\n    admin: "yes"`), /admin: is neither true nor false/],
    [entry(`${selectors}\n    x509SvidTtl: -1`), /x509SvidTtl: /],
    [entry(`${selectors}\n    x509SvidTtl: soon`), /x509SvidTtl: /],
    [entry(`${selectors}\n    expiresAt: tomorrow`), /expiresAt: is no time/],
    [entry(`${selectors}\n    federatesWith: [A B]`), /federatesWith: /],
    [entry(`${selectors}\n    hint: 5`), /hint: is not text; put it in quotes/],
    ["entries: [{spiffeId: x}]", /spiffeId: /],
  ];
  for (const [text, err] of cases) {
    t.match(await run("entry", "apply", file(text)), { code: 1, out: "", err }, text.slice(0, 40));
  }
  const one = `{spiffeId: "spiffe://example.org/a", parentId: "spiffe://example.org/p", selectors: ["a:b"]}`;
  t.match(await run("entry", "plan", file(`entries: [${one}, ${one}]`)), {
    code: 1,
    err: /two entries that are the same: spiffe:\/\/example\.org\/a/,
  });
  t.match(await run("entry", "plan", join(dir, "none")), {
    code: 1,
    err: /--file: there is no file/,
  });
  t.same(await json("entry", "count"), { count: 0 });
});

t.test("typed selectors: a wrong name is refused, a foreign type only with --strict", async (t) => {
  const { run, ok } = await startAdminRig(t);
  const create = (path: string, selector: string, ...more: string[]) => [
    "entry",
    "create",
    "--spiffe-id",
    `spiffe://example.org${path}`,
    "--parent-id",
    "spiffe://example.org/host",
    "--selector",
    selector,
    ...more,
  ];
  t.match(await run(...create("/a", "k8s:pod_name:web")), {
    code: 1,
    err: /selector type k8s has no 'pod_name'; did you mean 'k8s:pod-name'\?/,
  });
  t.match(await run(...create("/a", "slurm:job_id:1", "--strict")), {
    code: 2,
    err: /type 'slurm' is none of Assay's own; leave --strict out/,
  });
  t.match(await run(...create("/a", "slurm:job_id:1", "--entry-id", "a")), { code: 0, err: "" });
  t.match(await run(...create("/b", "unix:uid:root", "--entry-id", "b", "--strict")), {
    code: 0,
    err: /warning: .*unix:uid is a number/,
  });
  t.match(await run("entry", "show", "b"), { code: 0, err: /warning: .*unix:uid is a number/ });
  t.match(await run("entry", "update", "b", "--selector", "x:y", "--strict"), { code: 2 });
  t.match(await run("entry", "update", "b", "--selector", "unix:uidd:1"), { code: 1, err: /uid/ });
  const foreign = file(`
entries:
  - spiffeId: spiffe://example.org/c
    parentId: spiffe://example.org/host
    selectors: ["windows:user_name:x"]
`);
  t.match(await run("entry", "plan", foreign, "--strict"), { code: 2, err: /windows/ });
  t.match(await run("entry", "apply", foreign, "--strict"), { code: 2, err: /windows/ });
  await ok("entry", "apply", foreign);
});

t.test("what the API names by its fields is named as people know it", async (t) => {
  const same = [
    "no bundle: there is none",
    "datastore: it is full",
    "k8s_psat: cluster demo: refused",
    "selectors",
    "id:",
    "__proto__: x",
    "constructor: x",
  ];
  for (const message of same) t.equal(withFieldWords(message), message);
  const rows = [
    ["csr: is no CSR", "CSR: is no CSR"],
    ["params.csr: is no CSR", "CSR: is no CSR"],
    ["federates_with[0]: a: b", "federated trust domain 1: a: b"],
    ["selectors[11].value: is empty", "selector 12, value: is empty"],
    ["x509_svid_ttl: is negative", "life of X.509-SVIDs: is negative"],
  ] as const;
  for (const [message, words] of rows) t.equal(withFieldWords(message), words);
  const { run } = await startAdminRig(t);
  const create = ["entry", "create", "--spiffe-id", "spiffe://example.org/a", "--parent-id"];
  const federated = ["--selector", "a:b", "--federates-with", "x.org"];
  t.match(await run(...create, "spiffe://other.org/p", ...federated), {
    code: 1,
    err: /^assay: parent ID: .*other\.org/,
  });
});
