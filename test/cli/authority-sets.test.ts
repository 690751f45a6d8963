// Authority sets on the command line: below an offline root, their own roots, revocation, and what is said of them.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { BUILT_IN_PROFILES } from "../../src/config/certificate-profiles.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { decodePem } from "../../src/x509/pem.ts";
import { readAuditLog } from "../support/audit-records.ts";
import { startAdminRig } from "./admin.ts";
import { until } from "../support/patience.ts";

const DAY = 86_400;
const openssl = (...args: string[]): string => execFileSync("openssl", args, { encoding: "utf8" });

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly tainted: boolean;
}

const SETS = new Map([
  [
    "web",
    {
      keyType: "ec-p256",
      ttlSeconds: 365 * DAY,
      upstreamAuthority: { offline: {} },
      profiles: ["server-90d"],
    },
  ],
  [
    "lan",
    { keyType: "ec-p256", ttlSeconds: 365 * DAY, upstreamAuthority: {}, profiles: ["server-7d"] },
  ],
] as const);

t.test("below an offline root", async (t) => {
  const { server, run, ok, json } = await startAdminRig(t, {
    config: {
      authoritySets: SETS,
      certificateProfiles: BUILT_IN_PROFILES,
      metricsListen: "127.0.0.1:0",
      revocation: { crlTtl: 3600 },
    },
  });
  const { host = "", port = 0 } = server.server.metricsAddress ?? {};
  const ready = async () => {
    const answer = await fetch(`http://${host}:${port}/ready`);
    const { checks } = (await answer.json()) as { checks: Record<string, string> };
    return { status: answer.status, sets: checks["authority sets"] };
  };
  const metrics = async (): Promise<string> =>
    (await fetch(`http://${host}:${port}/metrics`)).text();
  t.match(await ready(), {
    status: 200,
    sets: /^no X.509 authority of authority set 'web' yet: have a request signed \('assay authority x509 csr --set web'\)/,
  });
  t.match(await metrics(), /assay_server_authority_set_failing\{set="web"\} 1/);
  t.match(await metrics(), /assay_server_authority_set_failing\{set="lan"\} 0/);
  t.equal(await ok("authority", "x509", "show", "--set", "web"), "no authority yet\n");

  const dir = t.testdir({ passphrase: "correct horse battery\n" });
  const path = (name: string): string => join(dir, name);
  const safe = ["--dir", path("safe"), "--passphrase-file", path("passphrase")];
  await ok("ca", "root", "create", "--trust-domain", "example.org", ...safe);
  writeFileSync(path("web.csr"), await ok("authority", "x509", "csr", "--set", "web"));
  t.notMatch(openssl("req", "-in", path("web.csr"), "-noout", "-text"), /spiffe:/);
  const signed = await run("ca", "root", "sign", path("web.csr"), ...safe);
  t.match(
    signed.err,
    /assay: signed \S+ until \S+, as 'O=example\.org, CN=example\.org web, serialNumber=\d+'/,
  );
  writeFileSync(path("web.pem"), signed.out);
  t.match(await run("authority", "x509", "import", path("web.pem")), {
    code: 1,
    err: /the trust domain has its authorities signed by itself/,
  });
  const made = await json("authority", "x509", "import", path("web.pem"), "--set", "web");
  t.match(made, { status: "active" });
  await server.clock.advance(1000);
  t.match(await ready(), { status: 200, sets: "ok" });
  t.match(await metrics(), /assay_server_authority_set_seconds_left\{set="web"\} 3\d{7}/);

  const [own] = decodePem(signed.out).map(({ der }) => parseCertificate(der));
  t.same(own?.uris, [], "it has no SPIFFE ID");
  const text = openssl("x509", "-in", path("web.pem"), "-noout", "-text");
  t.match(
    text,
    /X509v3 Name Constraints: critical\s+Permitted:\s+URI:no-uri\.invalid\s+Excluded:\s+URI:no-uri\.invalid/,
    "and may name none",
  );
  const active = server.server.authoritySets.signing.get("web")?.authorities.activeX509();
  t.equal(active?.id, own?.subjectKeyId);

  // The next one overlaps; what the clock does in a year is in test/server/ca/sets.test.ts.
  writeFileSync(path("next.csr"), await ok("authority", "x509", "csr", "--set", "web"));
  writeFileSync(path("next.pem"), await ok("ca", "root", "sign", path("next.csr"), ...safe));
  const next = await json<Shown>("authority", "x509", "import", path("next.pem"), "--set", "web");
  t.match(next, { status: "prepared" });
  await ok("authority", "x509", "activate", next.id, "--set", "web");
  const lists = async (): Promise<string> => (await run("x509", "crl", "--output", "json")).out;
  await until("its list is there", async () => {
    await server.clock.advance(1000);
    return (await lists()).includes(next.id);
  });
  t.match(await lists(), next.id, "revocation lists for it, too");
  await ok("authority", "x509", "taint", String(made["id"]), "--set", "web");
  const { authorities } = await json<{ authorities: Shown[] }>(
    "authority",
    "x509",
    "show",
    "--set",
    "web",
  );
  t.match(authorities, [
    { id: next.id, status: "active", tainted: false },
    { id: made["id"], status: "old", tainted: true },
  ]);
  t.match(await ok("authority", "x509", "revoke", String(made["id"]), "--set", "web"), /^revoked/);

  const read = async (...args: string[]): Promise<string> => {
    const records = await readAuditLog(server.dataDir);
    return JSON.stringify(
      records.filter(({ action }) => args.every((arg) => action.includes(arg))),
    );
  };
  t.match(await read("TaintX509Authority"), `"authoritySet":"web"`);
  t.match(await read("x509.authority.activate"), `"authoritySet":"lan"`);
});

t.test("a root that another root has signed, too", async (t) => {
  const { server, run, ok, json } = await startAdminRig(t, {
    config: { authoritySets: SETS, certificateProfiles: BUILT_IN_PROFILES },
  });
  const dir = t.testdir({ passphrase: "correct horse battery\n" });
  const path = (name: string): string => join(dir, name);
  const safe = ["--dir", path("safe"), "--passphrase-file", path("passphrase")];
  await ok("ca", "root", "create", "--trust-domain", "example.org", ...safe);
  writeFileSync(path("web.csr"), await ok("authority", "x509", "csr", "--set", "web"));
  writeFileSync(path("web.pem"), await ok("ca", "root", "sign", path("web.csr"), ...safe));
  await ok("authority", "x509", "import", path("web.pem"), "--set", "web");

  const [key, other] = [path("other.key"), path("other.pem")];
  const fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key];
  openssl("req", "-x509", ...fresh, "-subj", "/CN=other", "-days", "3000", "-out", other);
  const signer = ["-CA", other, "-CAkey", key, "-set_serial", "7", "-days", "2000"];
  const cross = (...args: string[]): string => {
    openssl("x509", "-in", path("safe/root.pem"), ...signer, ...args, "-out", path("cross.pem"));
    return readFileSync(path("cross.pem"), "utf8");
  };
  const top = readFileSync(other, "utf8");
  writeFileSync(path("odd.pem"), cross() + top);
  // openssl has the time of this machine.
  await server.clock.advance(600_000);
  const odd = await run("authority", "x509", "import", path("odd.pem"), "--set", "web");
  t.match(odd, { code: 1, err: /another authority key identifier than its issuer has/ });
  writeFileSync(path("extensions"), EXTENSIONS);
  writeFileSync(path("both.pem"), cross("-clrext", "-extfile", path("extensions")) + top);
  t.match(await run("authority", "x509", "import", path("cross.pem"), "--set", "web"), {
    code: 1,
    err: /add no other chain to the authority: no root is among them/,
  });
  const made = await json<Shown>("authority", "x509", "import", path("both.pem"), "--set", "web");
  t.equal(made.status, "active");
  const id = parseCertificate(decodePem(top)[0]?.der ?? new Uint8Array()).subjectKeyId;
  const shown = await ok("authority", "x509", "show", "--set", "web");
  t.match(
    shown,
    new RegExp(`^active  ${made.id}  ends .*  below \\w+  also below ${id} until \\S+Z\n$`),
  );
  const { authorities } = await json<{ authorities: Shown[] }>(
    "authority",
    "x509",
    "show",
    "--set",
    "web",
  );
  const expiresAt = /^20\d\d-\d\d-\d\dT/;
  const alternates = [{ rootId: id, expiresAt }];
  t.match(authorities, [{ id: made.id, alternateRootIds: [id], alternates }]);
  const untrusted = ["-untrusted", path("cross.pem")];
  t.match(openssl("verify", "-CAfile", other, ...untrusted, path("web.pem")), /: OK/);

  const drop = ["authority", "x509", "drop-chain", id ?? ""];
  t.match(await run(...drop), {
    code: 1,
    err: /no authority of the trust domain has a chain to another root of this ID; 'assay authority x509 show' names/,
  });
  t.equal(await ok(...drop, "--set", "web"), `${made.id} is not below ${id} any more\n`);
  const left = await ok("authority", "x509", "show", "--set", "web");
  t.match(left, new RegExp(`^active  ${made.id}  ends .*  below \\w+\n$`));
  t.match(await run(...drop, "--set", "web"), { code: 1, err: /show --set web' names/ });
  const acts = await readAuditLog(server.dataDir);
  t.equal(acts.filter(({ action }) => /RemoveX509Chain/.test(action)).length, 3);
});

t.test("one root above the trust domain and a set is pointed out", async (t) => {
  const trustDomain = `${"long-name.".repeat(9)}example.org`;
  const { ok, run } = await startAdminRig(t, {
    config: {
      trustDomain,
      authoritySets: SETS,
      certificateProfiles: BUILT_IN_PROFILES,
      upstreamAuthority: { offline: {} },
    },
  });
  const dir = t.testdir({ passphrase: "correct horse battery\n" });
  const path = (name: string): string => join(dir, name);
  const imported = async (safe: string, set: string[], ...more: string[]): Promise<string> => {
    const root = ["--dir", path(safe), "--passphrase-file", path("passphrase")];
    if (!existsSync(path(safe)))
      await ok("ca", "root", "create", "--trust-domain", trustDomain, ...root);
    writeFileSync(path("csr"), await ok("authority", "x509", "csr", "--new", ...set));
    writeFileSync(path("pem"), await ok("ca", "root", "sign", path("csr"), ...root, ...more));
    return (await run("authority", "x509", "import", path("pem"), ...set)).err;
  };
  const web = ["--set", "web"];
  const open = "--no-name-constraints";
  t.equal(await imported("one", []), "");
  t.match(
    await imported("one", web, open),
    /below the same root, .* no name constraints .*: whoever gets this set's key/,
  );
  t.equal(await imported("one", web), "", "kept from SPIFFE IDs");
  t.equal(await imported("two", web, open), "");
});

t.test("their own roots, and what is refused", async (t) => {
  const { run, ok, json } = await startAdminRig(t, {
    config: { authoritySets: SETS, certificateProfiles: BUILT_IN_PROFILES },
  });
  const list = async (): Promise<Shown[]> =>
    (await json<{ authorities: Shown[] }>("authority", "x509", "show", "--set", "lan")).authorities;
  const [first] = await list();
  t.match(
    await ok("authority", "x509", "show", "--set", "lan"),
    /^active {2}[0-9a-f]{40} {2}ends /,
  );
  const prepared = await json<Shown>("authority", "x509", "prepare", "--set", "lan");
  t.equal(
    await ok("authority", "x509", "activate", prepared.id, "--set", "lan"),
    `activated ${prepared.id}\n`,
  );
  t.match(await list(), [
    { id: prepared.id, status: "active" },
    { id: first?.id, status: "old" },
  ]);
  await ok("authority", "x509", "rotate", "--set", "lan", "--wait", "0s");
  t.equal((await list()).length, 3);
  const own = await json<{ authorities: Shown[] }>(
    "authority",
    "x509",
    "show",
    "--set",
    "trust-domain",
  );
  t.equal(own.authorities.length, 1, "the domain's own are not moved by it");
  for (const [args, code, err] of [
    [["show", "--set", "x"], 1, /no authority set 'x'; there are trust-domain, web, lan/],
    [
      ["csr", "--set", "lan"],
      1,
      /authority set 'lan' has its authorities signed by itself.* named with --set/,
    ],
    [["prepare", "--set", "web"], 1, /'assay authority x509 csr --set web' makes a request/],
    [
      ["activate", "x", "--set", "lan"],
      1,
      /in authority set 'lan'; 'assay authority x509 show --set lan'/,
    ],
    [
      ["taint", "x", "--upstream", "--set", "lan"],
      2,
      /--upstream is for .* with --set name the authority itself/,
    ],
    [["import", "/nowhere.pem", "--set", "web"], 1, /nowhere/],
    [["activate", "--set", "lan"], 2, /--id is missing/],
  ] as const) {
    t.match(await run("authority", "x509", ...args), { code, err }, args.join(" "));
  }
  t.match(await run("authority", "jwt", "show", "--set", "lan"), { code: 2 });
});

const EXTENSIONS = `
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`;
