// What verifiers are given: each format read by another program than ours, or taken apart.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import t from "tap";
import { BUILT_IN_PROFILES } from "../../src/config/certificate-profiles.ts";
import { decodePem } from "../../src/x509/pem.ts";
import { startAdminRig } from "./admin.ts";

const DAY = 86_400;

t.test("of a running server's set, and of a safe", async (t) => {
  const web = {
    keyType: "ec-p256",
    ttlSeconds: 365 * DAY,
    upstreamAuthority: {},
    profiles: ["server-90d"],
  } as const;
  const sets = new Map([
    ["web", web],
    ["off", { ...web, upstreamAuthority: { offline: {} } }],
  ]);
  const { run, ok, json, server } = await startAdminRig(t, {
    config: { authoritySets: sets, certificateProfiles: BUILT_IN_PROFILES },
  });
  const dir = t.testdir({ passphrase: "correct horse battery\n", password: "other pass\n" });
  const path = (name: string): string => join(dir, name);
  const roots = (): Uint8Array[] => [...server.server.authoritySets.get("web").x509Roots()];

  const pem = await ok("ca", "trust", "export", "--set", "web");
  t.same(
    decodePem(pem).map(({ der }) => Buffer.from(der)),
    roots(),
  );
  await ok("authority", "x509", "prepare", "--set", "web");
  t.equal(
    decodePem(await ok("ca", "trust", "export", "--set", "web")).length,
    2,
    "the next one's too",
  );
  t.equal(decodePem(await ok("ca", "trust", "export")).length, 1, "the trust domain's own");
  t.match(
    (await run("ca", "trust", "export", "--set", "web")).err,
    /SHA-256 [0-9a-f]{64}\n.*SHA-256/s,
  );

  const out = (format: string, name: string, ...more: string[]) =>
    json("ca", "trust", "export", "--set", "web", "--format", format, "--out", path(name), ...more);

  t.match(await out("pkcs12", "web.p12"), { format: "pkcs12", roots: { length: 2 } });
  const listed = (file: string, password: string): string =>
    execFileSync(
      "openssl",
      ["pkcs12", "-in", path(file), "-nokeys", "-passin", `pass:${password}`],
      { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
    );
  t.equal(decodePem(listed("web.p12", "changeit")).length, 2);
  await out("pkcs12", "own.p12", "--password-file", path("password"));
  t.equal(decodePem(listed("own.p12", "other pass")).length, 2);

  await out("mobileconfig", "web.mobileconfig");
  const profile = readFileSync(path("web.mobileconfig"), "utf8");
  t.same(
    [...profile.matchAll(/<data>(.*)<\/data>/g)].map(([, text]) =>
      Buffer.from(text ?? "", "base64"),
    ),
    roots(),
  );
  t.equal(profile.match(/com\.apple\.security\.root/g)?.length, 2);
  t.equal(
    await ok("ca", "trust", "export", "--set", "web", "--format", "mobileconfig"),
    profile,
    "the same again",
  );

  await out("deb", "web.deb");
  const members = unpackAr(readFileSync(path("web.deb")));
  t.same([...members.keys()], ["debian-binary", "control.tar.gz", "data.tar.gz"]);
  t.equal(String(members.get("debian-binary")), "2.0\n");
  for (const part of ["control", "data"]) {
    mkdirSync(path(part));
    execFileSync("tar", ["-xzf", "-", "-C", path(part)], { input: members.get(`${part}.tar.gz`) });
  }
  const control = readFileSync(path("control/control"), "utf8");
  t.match(control, /^Package: example\.org-web-roots\nVersion: 1\.\d{14}\nArchitecture: all\n/);
  const folder = path("data/usr/local/share/ca-certificates");
  const files = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8"));
  t.same(
    files
      .flatMap((text) => decodePem(text).map(({ der }) => Buffer.from(der).toString("hex")))
      .sort(),
    roots()
      .map((der) => Buffer.from(der).toString("hex"))
      .sort(),
  );
  execFileSync("md5sum", ["-c", path("control/md5sums")], { cwd: path("data"), stdio: "ignore" });
  // A stand-in that leaves a trace: the real one would change this machine's store.
  mkdirSync(path("bin"));
  writeFileSync(path("bin/update-ca-certificates"), `#!/bin/sh\necho "ran $*"\n`);
  chmodSync(path("bin/update-ca-certificates"), 0o755);
  const env = { PATH: [path("bin"), "/usr/bin", "/bin"].join(delimiter) };
  const script = (name: string, more: Record<string, string> = {}): string =>
    execFileSync("sh", [path(`control/${name}`)], { encoding: "utf8", env: { ...env, ...more } });
  t.equal(script("postinst"), "ran \n");
  t.equal(script("postrm"), "ran --fresh\n");
  t.equal(script("postinst", { DPKG_ROOT: "/elsewhere" }), "", "another system's files");

  const safe = ["--dir", path("safe")];
  const made = ["ca", "root", "create", ...safe, "--trust-domain", "example.org"];
  await ok(...made, "--passphrase-file", path("passphrase"));
  t.equal(
    (await ok("ca", "trust", "export", ...safe)).trim(),
    readFileSync(path("safe/root.pem"), "utf8").trim(),
    "without its passphrase",
  );

  for (const [args, code, err] of [
    [["--format", "deb"], 2, /--out is missing: deb is no text/],
    [["--output", "json"], 2, /--out is missing/],
    [["--password-file", path("password")], 2, /a meaning with --format pkcs12 only/],
    [[...safe, "--set", "web"], 2, /exclude each other/],
    [["--dir", path("none")], 1, /there is no root in .*none; 'assay ca root create/],
    [
      ["--set", "off"],
      1,
      /no root yet: the first one comes with 'assay authority x509 import --set off'/,
    ],
    [["--set", "x"], 1, /no authority set 'x'/],
    [["--out", path("no/where.pem")], 1, /there is no folder .*; make it first/],
  ] as const) {
    t.match(await run("ca", "trust", "export", ...args), { code, err }, args.join(" "));
  }
});

/** ar(5): a name, times, owners, mode and length of each member in 60 bytes of text. */
function unpackAr(bytes: Buffer): ReadonlyMap<string, Buffer> {
  const members = new Map<string, Buffer>();
  for (let at = 8; at < bytes.length; ) {
    const header = bytes.toString("latin1", at, at + 60);
    const length = Number(header.slice(48, 58));
    members.set(header.slice(0, 16).trim(), bytes.subarray(at + 60, at + 60 + length));
    at += 60 + length + (length % 2);
  }
  return members;
}
