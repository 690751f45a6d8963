// A root that stays in a safe: its commands, what openssl says of them, and a server that lives by what they sign.
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { startAdminRig } from "./admin.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { decodePem } from "../../src/x509/pem.ts";
import { refused } from "../support/refused.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";

const openssl = (...args: string[]): string => execFileSync("openssl", args, { encoding: "utf8" });

t.test("from an empty server to the second intermediate", async (t) => {
  const { server, run, ok, json } = await startAdminRig(t, {
    config: { upstreamAuthority: { offline: {} }, metricsListen: "127.0.0.1:0" },
  });
  const dir = t.testdir({ passphrase: "correct horse battery\n", short: "short\n" });
  const [safe, passphrase] = [join(dir, "safe"), join(dir, "passphrase")];
  const root = (...args: string[]) => [...args, "--dir", safe, "--passphrase-file", passphrase];
  const path = (name: string): string => join(dir, name);

  const { host = "", port = 0 } = server.server.metricsAddress ?? {};
  const ready = async () => {
    const answer = await fetch(`http://${host}:${port}/ready`);
    const { checks } = (await answer.json()) as { checks: Record<string, string> };
    const { "upstream authority": advice, "x509 authority": authority } = checks;
    return { status: answer.status, advice, authority };
  };
  t.match(await ready(), {
    status: 503,
    advice: "ok",
    authority: /have a request signed and import it: 'assay authority x509 csr' begins/,
  });
  const unhealthy = await run("health");
  t.equal(unhealthy.err.match(/assay authority x509 csr/g)?.length, 1, "said once");
  t.match(await run("bundle", "show"), {
    code: 1,
    err: /no X\.509 authority yet; .*'assay authority x509 csr'/,
  });
  t.match(await run("bundle", "show", "--format", "spiffe"), { code: 0, out: /jwt-svid/ });
  const early = server.connect();
  await refused(
    t,
    early.unary("spire.api.server.bundle.v1.Bundle", "GetBundle", {}, { deadlineMs: PATIENCE_MS }),
    {},
  );

  const made = await json(...root("ca", "root", "create", "--trust-domain", "example.org"));
  t.match(made, { id: /^[0-9a-f]{40}$/, dir: safe });
  t.equal(statSync(join(safe, "root.key")).mode & 0o777, 0o600);
  t.equal(statSync(safe).mode & 0o777, 0o700);
  t.match(readFileSync(join(safe, "root.key"), "utf8"), /^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
  t.match(
    openssl(
      "pkey",
      "-in",
      join(safe, "root.key"),
      "-passin",
      `file:${passphrase}`,
      "-noout",
      "-text",
    ),
    /384 bit/,
  );

  writeFileSync(path("server.csr"), await ok("authority", "x509", "csr"));
  t.match(
    openssl("req", "-in", path("server.csr"), "-noout", "-text", "-verify"),
    /URI:spiffe:\/\/example\.org/,
  );
  t.match(await json("authority", "x509", "csr"), { csr: /BEGIN CERTIFICATE REQUEST/ });
  writeFileSync(path("server.pem"), await ok(...root("ca", "root", "sign", path("server.csr"))));
  const imported = await json("authority", "x509", "import", path("server.pem"));
  t.match(imported, { status: "active", upstreamAuthorityId: made["id"] });
  t.same(await json("authority", "x509", "import", path("server.pem")), imported, "once more");
  t.equal(readdirSync(join(safe, "signed")).length, 2, "copies of the root and of what it signed");

  await server.clock.advance(1000);
  await until("it is ready", async () => {
    await server.clock.advance(1000);
    return (await ready()).status === 200;
  });
  t.match(await ready(), { status: 200, advice: "ok" });
  const agent = await server.attest();
  t.ok(agent.spiffeId, "agents come in");

  const check = async (): Promise<void> => {
    writeFileSync(path("roots.pem"), await server.rootsPem());
    const [leaf = "", ...others] = agentChain(agent.identity.certPem);
    writeFileSync(path("leaf.pem"), leaf);
    writeFileSync(path("others.pem"), others.join(""));
    t.match(
      openssl(
        "verify",
        "-x509_strict",
        "-attime",
        `${Math.floor(server.clock.nowMs() / 1000)}`,
        "-CAfile",
        path("roots.pem"),
        "-untrusted",
        path("others.pem"),
        path("leaf.pem"),
      ),
      /leaf\.pem: OK/,
    );
  };
  await check();
  t.equal(
    agentChain(agent.identity.certPem).length,
    2,
    "the intermediate goes along, the root does not",
  );

  writeFileSync(path("second.csr"), await ok("authority", "x509", "csr"));
  t.match(await run("authority", "x509", "import", path("server.pem")), {
    code: 1,
    err: /was imported already; the open request is [0-9a-f]{40}/,
  });
  writeFileSync(
    path("second.pem"),
    await ok(
      ...root("ca", "root", "sign", path("second.csr"), "--ttl", "30d", "--path-length", "1"),
    ),
  );
  const second = await json("authority", "x509", "import", path("second.pem"));
  t.match(second, { status: "prepared" });
  t.match(
    await ok("authority", "x509", "show"),
    new RegExp(`prepared {2}${String(second["id"])} {2}ends .* below ${String(made["id"])}`),
  );
  await ok("authority", "x509", "activate", String(second["id"]));
  await check();
  t.match(openssl("x509", "-in", path("second.pem"), "-noout", "-text"), /CA:TRUE, pathlen:1/);
  t.match(await run("authority", "x509", "taint", String(imported["id"])), {
    code: 1,
    err: /signed by an upstream authority; taint and revoke that with --upstream/,
  });
  t.match(await run("authority", "x509", "taint", "--upstream", String(made["id"])), {
    code: 1,
    err: /is the root of the active authority/,
  });

  const refusals: readonly [string[], RegExp][] = [
    [
      root("ca", "root", "create", "--trust-domain", "example.org"),
      /is there already; a root is never overwritten: sign with it .* or name another folder/,
    ],
    [
      [
        "ca",
        "root",
        "create",
        "--dir",
        path("new"),
        "--trust-domain",
        "example.org",
        "--passphrase-file",
        path("short"),
      ],
      /fewer than 12 characters/,
    ],
    [
      [
        "ca",
        "root",
        "create",
        "--dir",
        path("new"),
        "--trust-domain",
        "example.org",
        "--passphrase-file",
        path("none"),
      ],
      /there is no file/,
    ],
    [
      [
        "ca",
        "root",
        "sign",
        path("server.csr"),
        "--dir",
        safe,
        "--passphrase-file",
        path("server.csr"),
      ],
      /or the passphrase is another key's; give the passphrase that 'assay ca root create' was given/,
    ],
    [
      [
        "ca",
        "root",
        "sign",
        path("server.csr"),
        "--dir",
        path("nowhere"),
        "--passphrase-file",
        passphrase,
      ],
      /there is no root in .*nowhere; 'assay ca root create --dir .*nowhere' makes one/,
    ],
    [root("ca", "root", "sign", path("server.pem")), /holds no request/],
    [["authority", "x509", "import", join(safe, "root.pem")], /there is no open request/],
    [["authority", "x509", "import", passphrase], /holds no certificate/],
    [["authority", "x509", "prepare"], /signed by an offline root; 'assay authority x509 csr'/],
  ];
  for (const [args, err] of refusals) t.match(await run(...args), { code: 1, err }, args.join(" "));
  t.match(await run(...root("ca", "root", "sign", path("server.csr"), "--path-length", "x")), {
    code: 2,
  });

  await ok(
    "ca",
    "root",
    "create",
    "--dir",
    path("other"),
    "--trust-domain",
    "other.org",
    "--passphrase-file",
    passphrase,
  );
  t.match(
    await run(
      "ca",
      "root",
      "sign",
      path("server.csr"),
      "--dir",
      path("other"),
      "--passphrase-file",
      passphrase,
    ),
    { code: 1, err: /the request is not for spiffe:\/\/other\.org/ },
  );
  writeFileSync(path("other/root.pem"), readFileSync(join(safe, "root.pem")));
  t.match(
    await run(
      "ca",
      "root",
      "sign",
      path("server.csr"),
      "--dir",
      path("other"),
      "--passphrase-file",
      passphrase,
    ),
    { code: 1, err: /root\.key is not the key of/ },
  );
});

function agentChain(pem: string): string[] {
  const blocks = decodePem(pem).filter(({ label }) => label === "CERTIFICATE");
  for (const { der } of blocks) parseCertificate(der);
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
}
