// External accounts of ACME on the command line.
import { existsSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { readAuditLog } from "../support/audit-records.ts";
import { acmeConfig } from "../server/frontends/acme-rig.ts";
import { startAdminRig } from "./admin.ts";

t.test("acme eab create, list, delete", async (t) => {
  // Nobody is validated here.
  const acme = acmeConfig({}, { address: "127.0.0.1:1" }, 1);
  const config = { frontends: { acme } };
  const { run, ok, json, server } = await startAdminRig(t, { config });
  t.match(await run("acme", "eab", "list"), { code: 0, err: /no external accounts/ });
  const made = await json(
    "acme",
    "eab",
    "create",
    "--names",
    "a.example.org,.b.org",
    "--names",
    "*.c.org",
  );
  t.match(made, {
    keyId: /^[0-9a-f]{24}$/,
    macKey: /^\w[\w-]{42}$/,
    names: ["a.example.org", ".b.org", "*.c.org"],
    networks: [],
    reusable: false,
    accounts: 0,
  });
  const { keyId, macKey } = made as { keyId: string; macKey: string };
  const key = join(t.testdir(), "eab.key");
  const often = await json(
    "acme",
    "eab",
    "create",
    "--reusable",
    "--networks",
    "10.0.0.0/8",
    "--write",
    key,
  );
  t.match(often, { reusable: true, file: key });
  t.equal(often["macKey"], undefined);
  t.equal(often["expiresAt"], undefined);
  t.match(readFileSync(key, "utf8"), /^[\w-]{43}\n$/);
  t.equal(statSync(key).mode & 0o777, 0o600);
  // An account needs it but once, and nobody has it again.
  const before = readFileSync(key, "utf8");
  const again = ["acme", "eab", "create", "--write", key];
  t.match(await run(...again), {
    code: 1,
    out: "",
    err: /--write: .*eab\.key is there already and may be another key; name another file, or say --overwrite/,
  });
  t.equal(readFileSync(key, "utf8"), before);
  const dangling = join(t.testdir(), "dangling.key");
  symlinkSync(join(t.testdir(), "nowhere"), dangling);
  t.match(await run("acme", "eab", "create", "--write", dangling), { code: 1, err: /is there/ });
  t.equal((await json<unknown[]>("acme", "eab", "list")).length, 2, "refused before one is made");
  const { keyId: other } = await json(...again, "--overwrite");
  t.not(readFileSync(key, "utf8"), before);
  t.equal(statSync(key).mode & 0o777, 0o600);
  await ok("acme", "eab", "delete", String(other));
  t.match(await run("acme", "eab", "create", "--overwrite"), {
    code: 2,
    err: /--overwrite goes with --write/,
  });
  const listed = await ok("acme", "eab", "list");
  t.match(listed, /names {5}a\.example\.org, \.b\.org, \*\.c\.org\n/);
  t.match(listed, /accounts {2}0 of any number\n/);
  t.notMatch(listed, macKey);
  t.equal((await json<unknown[]>("acme", "eab", "list")).length, 2);
  t.match(await run("acme", "eab", "create", "--entry", "none"), {
    code: 1,
    err: /there is no entry none; 'assay entry list' shows what there is/,
  });
  const family = [
    "--template",
    "spiffe://example.org/pods/{{unix.user}}",
    "--template-trust-agent",
  ];
  const of = ["--parent-id", "spiffe://example.org/host", "--selector", "unix:uid:1"];
  const all = ["--spiffe-id", "spiffe://example.org/pods", ...family, ...of];
  const { id } = await json("entry", "create", ...all);
  t.match(await run("acme", "eab", "create", "--entry", String(id)), {
    code: 1,
    err: /has a template and is nobody's identity itself; make one for the member/,
  });
  t.match(await run("acme", "eab", "create", "--names", "a..b"), {
    code: 1,
    err: /name 1: 'a\.\.b' is no rule for names/,
  });
  t.equal(await ok("acme", "eab", "delete", keyId), `deleted ${keyId}\n`);
  t.match(await run("acme", "eab", "delete", keyId), {
    code: 1,
    err: /no external account of this key ID; 'assay acme eab list' shows/,
  });
  t.equal((await json<unknown[]>("acme", "eab", "list")).length, 1);
  const acts = (await readAuditLog(server.dataDir)).filter(({ action }) =>
    action.includes("ExternalAccount"),
  );
  t.match(
    acts.map(({ subject }) => subject ?? {}),
    [{ keyId }, {}, {}, {}, {}, {}, {}, { keyId }, { keyId }],
  );
  t.notMatch(JSON.stringify(acts), macKey, "no key in the audit log");
});

t.test("acme eab while the front end is off", async (t) => {
  const { run } = await startAdminRig(t);
  const key = join(t.testdir(), "eab.key");
  t.match(await run("acme", "eab", "create", "--write", key), {
    code: 1,
    out: "",
    err: /the front end acme is off; set 'frontends\.acme' in the server's file and start the server again/,
  });
  t.notOk(existsSync(key));
  t.match(await run("acme", "eab", "list"), { code: 0, err: /no external accounts/ });
  t.match(await run("acme", "eab", "delete", "x"), { code: 1, err: /no external account of this/ });
});
