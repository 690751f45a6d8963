/** certbot as anybody uses it, against the assembled server under an offline root. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { CROSS_ROOT, importCrossRoot } from "./cross-root.ts";
import { type Rig, startRig, verify } from "./rig.ts";
import { pythonProgram } from "./tools.ts";

const exec = promisify(execFile);

type Certbot = (...args: string[]) => Promise<string>;

/** certbot, with folders of its own below the rig's. */
async function certbotOf(rig: Rig, trust: string = rig.serverRoot): Promise<Certbot> {
  const program = await pythonProgram("certbot");
  const folders = ["config", "work", "logs"].flatMap((name) => [
    `--${name}-dir`,
    join(rig.dir, "certbot", name),
  ]);
  const fixed = [...folders, "--server", rig.directory, "--non-interactive"];
  const env = { ...process.env, REQUESTS_CA_BUNDLE: trust };
  return async (...args) => {
    try {
      return (await exec(program, [...args, ...fixed], { env })).stdout;
    } catch (thrown) {
      // What the server said is among what it prints.
      const { stdout, stderr } = thrown as { readonly stdout: string; readonly stderr: string };
      throw new Error(`${stdout}${stderr}`, { cause: thrown });
    }
  };
}

function liveOf(rig: Rig, name: string): string {
  return join(rig.dir, "certbot/config/live", name, "fullchain.pem");
}

const ACCOUNT = ["--agree-tos", "--register-unsafely-without-email"];

t.test(
  "T1, T3, T9: certbot gets, renews and revokes certificates, nothing unverified",
  async (t) => {
    const rig = await startRig(t);
    const untrusting = await certbotOf(rig, rig.root);
    await t.rejects(
      untrusting("register", ...ACCOUNT),
      /certificate verify failed/,
      "another root",
    );
    const run = await certbotOf(rig);
    const standalone = ["--standalone", "--http-01-port", String(rig.httpPort)];
    const www = liveOf(rig, "www.example.org");
    await run("certonly", ...standalone, ...ACCOUNT, "-d", "www.example.org,api.example.org");
    const first = await verify(www, rig.root, "api.example.org");
    await run("renew", "--force-renewal", ...standalone, "--no-random-sleep-on-renew");
    const second = await verify(www, rig.root, "www.example.org");
    t.not(second, first, "another certificate");

    await run(
      "certonly",
      ...standalone,
      "--preferred-profile",
      "server-7d",
      "--ip-address",
      "127.0.0.1",
    );
    t.match(await verify(liveOf(rig, "127.0.0.1"), rig.root, "127.0.0.1"), /serial=/, "an address");
    await t.rejects(
      run("certonly", ...standalone, "-d", "www.example.com"),
      /not among the names that this account may have/,
      "a name that nobody listed",
    );
    await t.rejects(
      run("certonly", "--standalone", "--http-01-port", "0", "-d", "other.example.org"),
      /refuses connections/,
      "nobody answers where challenges are looked for",
    );
    await run(
      "revoke",
      "--cert-name",
      "www.example.org",
      "--delete-after-revoke",
      "--reason",
      "superseded",
    );
    await t.rejects(verify(www, rig.root, "www.example.org"), "and is gone");
    await run("unregister");
  },
);

t.test("T3: wildcards by dns-01, and what CAA forbids", async (t) => {
  const rig = await startRig(t, { validation: ["caaIdentities: [ca.example.org]"] });
  const run = await certbotOf(rig);
  const hook = join(rig.dir, "hook");
  writeFileSync(
    hook,
    `#!/bin/sh
exec curl -sf ${rig.dnsControl}/set-txt -d "{\\"host\\":\\"_acme-challenge.$CERTBOT_DOMAIN.\\",\\"value\\":\\"$CERTBOT_VALIDATION\\"}"
`,
    { mode: 0o700 },
  );
  const manual = ["--manual", "--preferred-challenges", "dns", "--manual-auth-hook", hook];
  const order = (name: string) => run("certonly", ...manual, ...ACCOUNT, "-d", name);
  await t.rejects(order("*.shop.example.org"), /not among the names/, "one that is not listed");
  await order("*.example.org");
  t.match(await verify(liveOf(rig, "example.org"), rig.root, "any.example.org"), /serial=/);
  const caa = (value: string) =>
    rig.dns("add-caa", { host: "a.example.org.", policies: [{ tag: "issue", value }] });
  await caa("letsencrypt.org");
  await t.rejects(order("a.example.org"), /the CAA records of a\.example\.org do not allow/);
  await rig.dns("clear-caa", { host: "a.example.org." });
  await caa("ca.example.org; validationmethods=dns-01");
  await order("a.example.org");
  t.match(await verify(liveOf(rig, "a.example.org"), rig.root, "a.example.org"), /serial=/);
});

t.test("T3: an entry's X.509-SVID for an external account", async (t) => {
  const rig = await startRig(t);
  const fields = {
    "spiffe-id": "spiffe://example.org/web",
    "parent-id": "spiffe://example.org/host",
    selector: "unix:uid:0",
    "dns-name": "web.example.com",
    output: "json",
  };
  const options = Object.entries(fields).map(([name, value]) => `--${name}=${value}`);
  const entry = JSON.parse(await rig.assay("entry", "create", ...options)) as {
    readonly id: string;
  };
  const eab = JSON.parse(
    await rig.assay("acme", "eab", "create", "--entry", entry.id, "--output", "json"),
  ) as { readonly keyId: string; readonly macKey: string };
  const run = await certbotOf(rig);
  const standalone = ["--standalone", "--http-01-port", String(rig.httpPort)];
  const bound = ["--eab-kid", eab.keyId, "--eab-hmac-key", eab.macKey];
  await run("certonly", ...standalone, ...ACCOUNT, ...bound, "-d", "web.example.com");
  const chain = liveOf(rig, "web.example.com");
  t.match(await verify(chain, rig.serverRoot, "web.example.com"), /serial=/, "the trust domain's");
  const { stdout } = await exec("openssl", [
    "x509",
    "-in",
    chain,
    "-noout",
    "-ext",
    "subjectAltName",
  ]);
  t.match(stdout, /URI:spiffe:\/\/example\.org\/web/);
  await t.rejects(
    run("certonly", ...standalone, "-d", "www.example.org"),
    /not among the names that this account may have/,
    "the entry's names, not the server's",
  );
  await rig.assay("acme", "eab", "delete", eab.keyId);
  await t.rejects(
    run("renew", "--force-renewal", ...standalone, "--no-random-sleep-on-renew"),
    /renew|failed/,
    "taken back",
  );
});

t.test(
  "RFC 8555 §7.4.2: the chain to a root that has signed ours, where that is preferred",
  async (t) => {
    const rig = await startRig(t);
    const other = await importCrossRoot(rig);
    const run = await certbotOf(rig);
    const standalone = ["--standalone", "--http-01-port", String(rig.httpPort)];
    const order = ["certonly", ...standalone, ...ACCOUNT];
    await run(...order, "-d", "www.example.org");
    const www = liveOf(rig, "www.example.org");
    t.match(await verify(www, rig.root, "www.example.org"), /serial=/, "our own, unasked");
    await t.rejects(verify(www, other, "www.example.org"), "which does not lead there");
    await run(...order, "-d", "old.example.org", "--preferred-chain", CROSS_ROOT);
    const old = liveOf(rig, "old.example.org");
    t.match(await verify(old, other, "old.example.org"), /serial=/, "the other one");
  },
);
