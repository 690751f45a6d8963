// Entries that name a family, as an operator makes, sees and changes them.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { startAdminRig } from "./admin.ts";

const dir = mkdtempSync(join(tmpdir(), "assay-templates-"));
t.teardown(() => rmSync(dir, { recursive: true }));
let files = 0;
function file(entries: readonly object[]): string {
  files += 1;
  const path = join(dir, `${files}.json`);
  writeFileSync(path, JSON.stringify({ entries }));
  return path;
}

const NS = "spiffe://example.org/ns";
const PODS = `${NS}/{{k8s.ns}}/sa/{{k8s.sa}}`;
const FIELDS = ["--spiffe-id", NS, "--parent-id", "spiffe://example.org/host"];
const CREATE = ["entry", "create", ...FIELDS, "--selector", "k8s:ns:prod"];

t.test("create, show, list, update", async (t) => {
  const { run, ok, json } = await startAdminRig(t);
  const made = await json<{ id: string }>(...CREATE, "--template", PODS);
  t.match(made, { spiffeId: NS, template: PODS, templateTrustAgent: false });
  const shown = await ok("entry", "show", made.id);
  t.ok(shown.startsWith(`${PODS}\n`), "the family in place of its prefix");
  t.match(shown, /values from +the agent, checked by the server with its cluster/);
  t.match(await json("entry", "show", made.id), made);
  const plain = await json<{ id: string }>(...CREATE, "--selector", "k8s:sa:web");
  t.notOk("template" in plain);
  t.same(
    await json("entry", "list"),
    [made, plain].sort((a, b) => (a.id < b.id ? -1 : 1)),
  );

  const label = `${NS}/{{docker.label:app}}`;
  t.match(await run(...CREATE, "--selector", "unix:uid:1", "--template", label), {
    code: 1,
    err: /cannot check the value of \{\{docker.label:app\}\}.*--template-trust-agent/,
  });
  t.match(await run(...CREATE, "--template-trust-agent"), { code: 2, err: /with --template/ });
  const trusted = await json(
    "entry",
    "update",
    made.id,
    "--template",
    label,
    "--template-trust-agent",
  );
  t.match(trusted, { id: made.id, template: label, templateTrustAgent: true, revisionNumber: 1 });
  t.match(await ok("entry", "show", made.id), /values from +the agent alone, which can have any/);
  t.match(await json("entry", "update", made.id, "--x509-ttl", "5m"), { template: label });
  t.match(await run("entry", "update", plain.id, "--template", PODS), {
    code: 1,
    err: /has no template; create another/,
  });
  t.match(await run("entry", "update", made.id, "--template", PODS, "--hint", "x"), { code: 2 });
});

t.test("plan and apply", async (t) => {
  const { run, ok, json } = await startAdminRig(t);
  const family = {
    spiffeId: NS,
    parentId: "spiffe://example.org/host",
    selectors: ["k8s:ns:prod"],
    template: PODS,
  };
  const plain = { ...family, spiffeId: "spiffe://example.org/web", template: undefined };
  t.match(
    await ok("entry", "apply", file([family, plain])),
    /^\+ \S+\/sa\/\{\{k8s.sa\}\}[^]*create 2,/,
  );
  t.match(await json("entry", "plan", file([family, plain])), { unchanged: 2 });
  const listed = await json<object[]>("entry", "list");
  t.match(await json("entry", "plan", file(listed), "--prune"), { unchanged: 2 });
  const moved = { ...family, template: `${NS}/{{unix.uid}}`, templateTrustAgent: true, hint: "x" };
  t.match(await ok("entry", "apply", file([moved, plain])), /template: .*unix.uid[^]*update 1,/);
  t.match(
    (await json<{ hint: string }[]>("entry", "list")).find(({ hint }) => hint === "x"),
    { template: `${NS}/{{unix.uid}}`, templateTrustAgent: true },
  );
  const { template: _, ...taken } = family;
  t.match(await run("entry", "apply", file([taken])), {
    code: 1,
    err: /has a template, and keeps/,
  });
  t.match(await run("entry", "apply", file([{ ...plain, template: PODS }])), {
    code: 1,
    err: /has no template, and keeps none/,
  });
  t.match(await run("entry", "plan", file([{ ...taken, templateTrustAgent: true }])), {
    code: 1,
    err: /templateTrustAgent: is for entries with a template/,
  });
  t.match(await run("entry", "apply", file([{ ...family, spiffeId: `${NS}x` }])), {
    code: 1,
    err: /not below/,
  });
});
