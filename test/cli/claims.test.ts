// Claims of an entry's own, as an operator gives, sees and changes them.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { startAdminRig } from "./admin.ts";

const dir = mkdtempSync(join(tmpdir(), "assay-claims-"));
t.teardown(() => rmSync(dir, { recursive: true }));
let files = 0;
function file(entries: readonly object[]): string {
  files += 1;
  const path = join(dir, `${files}.json`);
  writeFileSync(path, JSON.stringify({ entries }));
  return path;
}

const WEB = {
  spiffeId: "spiffe://example.org/web",
  parentId: "spiffe://example.org/host",
  selectors: ["k8s:ns:prod"],
};
const CREATE = [
  "entry",
  "create",
  "--spiffe-id",
  WEB.spiffeId,
  "--parent-id",
  WEB.parentId,
  "--selector",
  "k8s:ns:prod",
];

t.test("create, show, list, update", async (t) => {
  const { run, ok, json } = await startAdminRig(t);
  const made = await json<{ id: string }>(
    ...CREATE,
    "--jwt-claim",
    "tenant=a=b",
    "--jwt-claim",
    'roles:=["x",1]',
    "--jwt-claim",
    "https://a/ns={{k8s.ns}}",
    "--jwt-claim",
    "empty=",
  );
  const claims = { empty: "", "https://a/ns": "{{k8s.ns}}", roles: ["x", 1], tenant: "a=b" };
  t.match(made, { jwtClaims: claims });
  t.same(await json("entry", "show", made.id), made);
  t.same(await json("entry", "list"), [made]);
  t.match(await ok("entry", "show", made.id), /^ +jwt claim +roles \["x",1\]$/m);
  t.match(await json("entry", "update", made.id, "--hint", "h"), { jwtClaims: claims });
  const changed = await json("entry", "update", made.id, "--jwt-claim", "tenant=c");
  t.match(changed, { revisionNumber: 2, hint: "h" });
  t.same((changed as { jwtClaims: object }).jwtClaims, { tenant: "c" });
  t.notOk("jwtClaims" in (await json<object>("entry", "update", made.id, "--no-jwt-claims")));

  for (const [name, args, expected] of [
    ["no value", ["--jwt-claim", "tenant"], { code: 2, err: /is not NAME=TEXT or NAME:=JSON/ }],
    ["no name", ["--jwt-claim", ":=1"], { code: 2, err: /is not NAME=TEXT/ }],
    ["no json", ["--jwt-claim", "a:={"], { code: 2, err: /'a:=' is not json/ }],
    ["twice", ["--jwt-claim", "a=1", "--jwt-claim", "a=2"], { code: 2, err: /'a' is given twice/ }],
    ["reserved", ["--jwt-claim", "aud=x"], { code: 1, err: /'aud' has a meaning of its own/ }],
    ["unknown", ["--jwt-claim", "a={{k8s.sa}}"], { code: 1, err: /no value for \{\{k8s.sa\}\}/ }],
  ] as const) {
    t.match(await run(...CREATE, "--selector", "k8s:pod-name:x", ...args), expected, name);
  }
  const both = ["--jwt-claim", "a=1", "--hint", "x"];
  t.match(await run("entry", "update", made.id, ...both), { code: 2, err: /by themselves/ });
  t.match(await run("entry", "update", made.id, "--jwt-claim", "a=1", "--no-jwt-claims"), {
    code: 2,
    err: /leave one out/,
  });
});

t.test("plan and apply", async (t) => {
  const { run, ok, json } = await startAdminRig(t);
  const claims = { b: { y: 1, x: "{{k8s.ns}}" }, a: [true] };
  const own = { ...WEB, jwtClaims: claims };
  const plain = { ...WEB, spiffeId: "spiffe://example.org/plain" };
  const family = {
    ...WEB,
    spiffeId: "spiffe://example.org/ns",
    template: "spiffe://example.org/ns/{{k8s.pod-name}}",
    jwtClaims: { pod: "{{k8s.pod-name}}" },
  };
  const all = [own, plain, family];
  t.match(await ok("entry", "apply", file(all)), /create 3,/);
  t.match(await json("entry", "plan", file(all)), { unchanged: 3 });
  t.match(await json("entry", "plan", file(await json<object[]>("entry", "list"))), {
    unchanged: 3,
  });
  const reordered = { ...own, jwtClaims: { a: [true], b: { x: "{{k8s.ns}}", y: 1 } } };
  t.match(await json("entry", "plan", file([reordered])), { unchanged: 1 }, "order is nothing");

  const next = [
    { ...own, jwtClaims: { a: [false] }, hint: "h" },
    { ...plain, jwtClaims: { n: 1 } },
  ];
  t.match(await ok("entry", "plan", file(next)), /jwtClaims: .* -> \{"a":\[false\]\}[^]*update 2,/);
  t.match(await ok("entry", "apply", file(next)), /update 2,/);
  t.match(await json("entry", "plan", file(next)), { unchanged: 2 });
  t.match(await ok("entry", "apply", file([WEB])), /update 1,/);
  t.match(await json("entry", "plan", file([WEB])), { unchanged: 1 }, "none are left");

  // Claims may name a selector that comes, and another that goes, with the same change.
  const id = (await json<{ id: string }[]>("entry", "list"))[0]?.id;
  const moved = (selector: string, text: string) =>
    file([{ ...WEB, id, selectors: [selector], jwtClaims: { text } }]);
  t.match(await ok("entry", "apply", moved("k8s:sa:web", "{{k8s.sa}}")), /update 1,/);
  t.match(await ok("entry", "apply", moved("k8s:ns:prod", "{{k8s.ns}}")), /update 1,/);
  t.match(await run("entry", "plan", moved("k8s:ns:prod", "{{k8s.sa}}")), {
    code: 1,
    err: /no value for \{\{k8s.sa\}\}/,
  });

  const bad = file([{ ...WEB, jwtClaims: { sub: "x" } }]);
  t.match(await run("entry", "apply", bad), { code: 1, err: /'sub' has a meaning of its own/ });
  t.match(await run("entry", "plan", file([{ ...WEB, jwtClaims: ["x"] }])), {
    code: 1,
    err: /entries\[0\]\.jwtClaims: is not a mapping/,
  });
});
