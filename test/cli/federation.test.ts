// Foreign bundles and federation relationships on the command line.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { encodeBundleDocument } from "../../src/spiffe/bundle-document.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { TestCa } from "../support/test-ca.ts";
import { startAdminRig } from "./admin.ts";

const dir = mkdtempSync(join(tmpdir(), "assay-federation-"));
t.teardown(() => rmSync(dir, { recursive: true }));
const pem = join(dir, "bundle.pem");
const document = join(dir, "bundle.json");

t.before(async () => {
  const ca = await TestCa.create({ trustDomain: "partner.example" });
  writeFileSync(pem, encodePem("CERTIFICATE", ca.der));
  const bundle = {
    trustDomain: "partner.example",
    x509Authorities: [{ der: ca.der, tainted: false }],
    jwtAuthorities: [
      { keyId: "k", publicKey: ca.key.signer.publicKey, expiresAt: 0, tainted: false },
    ],
    refreshHint: 60,
    sequence: 7,
  };
  writeFileSync(document, encodeBundleDocument(bundle));
});

t.test("bundle set, list, show, delete", async (t) => {
  const { run, ok, json, server } = await startAdminRig(t);
  t.same(await json("bundle", "list"), []);
  t.equal(
    await ok("bundle", "set", "partner.example", "--file", pem),
    "set partner.example: 1 X.509 and 0 JWT authorities\n",
  );
  t.match(await json("bundle", "set", "spiffe://partner.example", "--file", document), {
    trustDomain: "partner.example",
    x509Authorities: 1,
    jwtAuthorities: 1,
  });
  t.match(await json("bundle", "list"), [
    { trustDomain: "partner.example", x509Authorities: 1, jwtAuthorities: 1, refreshHint: 60 },
  ]);
  t.match(await ok("bundle", "list"), /^partner\.example\n {2}x509 authorities {2}1\n/);
  t.match(await json("bundle", "show", "partner.example"), { spiffe_refresh_hint: 60 });
  t.match(await run("bundle", "show", "unknown.example"), {
    code: 1,
    err: /'assay bundle list' shows what there is\n$/,
  });
  await server.createEntry({
    spiffe_id: { trust_domain: "example.org", path: "/a" },
    parent_id: { trust_domain: "example.org", path: "/p" },
    selectors: [{ type: "unix", value: "uid:1" }],
    federates_with: ["partner.example"],
  });
  t.match(await run("bundle", "delete", "partner.example"), {
    code: 1,
    err: /1 entries federate with partner\.example/,
  });
  t.match(await run("bundle", "delete", "partner.example", "x.example", "--mode", "dissociate"), {
    code: 1,
    out: "deleted partner.example\n",
    err: /^assay: x\.example: .*'assay bundle list' shows/,
  });
  writeFileSync(join(dir, "empty"), "");
  for (const [args, err] of [
    [["--file", join(dir, "none")], /--file: there is no file .*none/],
    [["--file", join(dir, "empty")], /neither certificates nor a bundle document/],
    [[], /--file is missing/],
  ] as const) {
    t.match(await run("bundle", "set", "partner.example", ...args), { err });
  }
  t.match(await run("bundle", "set", "A B", "--file", pem), { code: 2, err: /--trust-domain/ });
  t.match(await run("bundle", "set", "example.org", "--file", pem), { code: 1, err: /own/ });
});

t.test("entries for domains to come, and for every one", async (t) => {
  const { run, ok, json } = await startAdminRig(t);
  const entry = [
    "--spiffe-id",
    "spiffe://example.org/web",
    "--parent-id",
    "spiffe://example.org/h",
  ];
  const create = ["entry", "create", ...entry, "--output", "json"];
  const pending = await run(...create, "--selector", "unix:uid:1", "--federates-with", "b.example");
  t.match(pending, { code: 0, err: /^assay: warning: .*no bundle of 'b\.example' yet/ });
  const made = JSON.parse(pending.out) as { id: string };
  t.match(await run("entry", "show", made.id), { err: /no bundle of 'b\.example' yet/ });
  t.match(await json("entry", "update", made.id, "--federates-with", "*"), {
    federatesWith: ["*"],
  });
  t.match(await json("entry", "list"), [{ federatesWith: ["*"] }]);
  t.match(await ok("entry", "list"), /federates with +\*\n/);
  t.match(await run(...create, "--selector", "unix:uid:2", "--federates-with", "*.example"), {
    code: 1,
    err: /trust domain/,
  });
});

t.test("federation create, list, show, update, delete", async (t) => {
  const { run, ok, json } = await startAdminRig(t);
  const create = [
    "federation",
    "create",
    "partner.example",
    "--endpoint-url",
    "https://localhost:1",
  ];
  t.same(await json(...create, "--profile", "https_web"), {
    trustDomain: "partner.example",
    endpointUrl: "https://localhost:1",
    profile: "https_web",
    bundle: false,
  });
  t.match(await run(...create, "--profile", "https_web"), { code: 1, err: /update it\n$/ });
  const spiffe = ["--endpoint-spiffe-id", "spiffe://partner.example/bundle"];
  const updated = {
    trustDomain: "partner.example",
    endpointUrl: "https://localhost:1",
    profile: "https_spiffe",
    endpointSpiffeId: "spiffe://partner.example/bundle",
    bundle: true,
  };
  t.same(
    await json("federation", "update", "partner.example", ...spiffe, "--bundle", document),
    updated,
  );
  const kept = { ...updated, source: "api", refresh: { refreshHint: 60, sequence: 1 } };
  t.match(await json("federation", "show", "partner.example"), kept);
  t.match(await run("federation", "refresh", "partner.example", "b.example"), {
    code: 1,
    out: "",
    err: /partner\.example: https:\/\/localhost:1 cannot be reached \(ECONNREFUSED\)\n.*b\.example: no federation relationship .*'assay federation list' shows/,
  });
  const [listed] = await json<[{ refresh: object }]>("federation", "list");
  t.match(listed, { ...kept, refresh: { error: /ECONNREFUSED/, failures: Number } });
  t.notOk("ageSeconds" in listed.refresh, "it was never fetched");
  t.match(
    await ok("federation", "list"),
    /^partner\.example\n {2}endpoint .* https:\/\/localhost:1\n(.*\n)+ {2}fetched +not since the server started; \d+ failed since\n {2}next +in .*\n {2}trouble +.*ECONNREFUSED/,
  );
  for (const [args, err] of [
    [["create", "b.example", "--endpoint-url", "https://b"], /--profile is missing/],
    [["create", "b.example", "--profile", "https_web"], /--endpoint-url is missing/],
    [["update", "b.example"], /nothing to change/],
    [["update", "b.example", "--profile", "https_web", ...spiffe], /leave one of them out/],
    [["update", "b.example", "--profile", "https_spiffe"], /--endpoint-spiffe-id is missing/],
  ] as const) {
    t.match(await run("federation", ...args), { code: 2, err });
  }
  t.match(await run("federation", "update", "b.example", "--endpoint-url", "https://b"), {
    code: 1,
    err: /'assay federation list' shows what there is\n$/,
  });
  t.match(await run("federation", "show", "b.example"), { code: 1, err: /federation list/ });
  t.equal(await ok("federation", "delete", "partner.example"), "deleted partner.example\n");
  t.match(await run("federation", "delete", "partner.example"), { code: 1, err: /no federation/ });
  t.same(await json("federation", "list"), []);
});
