/** Revocation of single X.509-SVIDs from end to end; OpenSSL judges the lists, wherever they come from. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { parseCertificate, parseCertificates } from "../../src/x509/certificate.ts";
import { parseCrl } from "../../src/x509/crl.ts";
import { decodePem, encodePem } from "../../src/x509/pem.ts";
import { Domain, id } from "../support/running.ts";
import { TestCa } from "../support/test-ca.ts";
import { WorkloadClient } from "../support/workload-client.ts";

const exec = promisify(execFile);
const ASSAY = join(import.meta.dirname, "../../bin/assay");

t.test("a revoked SVID is replaced, and OpenSSL refuses it", async (t) => {
  const folder = join(t.testdir({}), "crls");
  const url = "http://crl.example.org/crl";
  await using domain = await Domain.start({
    revocation: { listen: "127.0.0.1:0", url, folder, crlTtl: 86_400 },
  });
  const assay = async (...args: string[]): Promise<string> => {
    const { stdout } = await exec(ASSAY, [...args, "--socket", join(domain.dir, "server.sock")]);
    return stdout;
  };
  await domain.startAgent();
  await domain.entry({ path: "/web" });
  using client = new WorkloadClient(join(domain.dir, "api.sock"));
  using watch = client.x509();
  const first = await watch.next();
  const [old] = parseCertificates(first.svids[0]?.x509_svid ?? Buffer.of());
  if (old === undefined) throw new Error("there is no SVID");
  const authorityId = old.authorityKeyId ?? "";
  const file = (name: string, text: string): string => {
    const path = join(domain.dir, name);
    writeFileSync(path, text);
    return path;
  };
  const roots = await domain.bundleFile();
  const oldPem = file("old.pem", encodePem("CERTIFICATE", old.raw));
  const verified = async (certificate: string, crls: string): Promise<string> => {
    const args = ["verify", "-x509_strict", "-crl_check", "-CAfile", roots, "-CRLfile", crls];
    try {
      return (await exec("openssl", [...args, certificate])).stdout;
    } catch (error) {
      return String((error as { stderr?: unknown }).stderr);
    }
  };

  t.equal(first.crl.length, 1, "the active authority's list is there from the start");
  t.match(await verified(oldPem, file("crl-1.pem", await assay("x509", "crl"))), /old\.pem: OK/);
  const { stdout: text } = await exec("openssl", ["x509", "-in", oldPem, "-noout", "-text"]);
  t.match(text, `URI:http://crl.example.org/crl/${authorityId}.crl`);

  const said = JSON.parse(
    await assay(
      "x509",
      "revoke",
      "--serial",
      old.serial,
      "--reason=key-compromise",
      "--output=json",
    ),
  ) as { revoked: object[] };
  t.match(said, {
    pending: false,
    rotatedEntries: 1,
    revoked: [{ serial: old.serial, spiffeId: id("/web"), reason: "key-compromise", authorityId }],
  });

  // The list and the new SVID come in whatever order they are ready.
  let update = await watch.next();
  const isDone = (): boolean =>
    parseCertificates(update.svids[0]?.x509_svid ?? Buffer.of())[0]?.serial !== old.serial &&
    update.crl.some((der) => parseCrl(der).revoked.length === 1);
  while (!isDone()) update = await watch.next();
  const [fresh] = parseCertificates(update.svids[0]?.x509_svid ?? Buffer.of());
  const freshPem = file("fresh.pem", encodePem("CERTIFICATE", fresh?.raw ?? Buffer.of()));

  await t.test("by the Workload API, the API, a file and a URL it is the same list", async (t) => {
    const der = update.crl[0] ?? Buffer.of();
    const pem = file("crl-2.pem", encodePem("X509 CRL", der));
    t.match(await verified(oldPem, pem), /certificate revoked/);
    t.match(await verified(freshPem, pem), /fresh\.pem: OK/);
    t.equal(await assay("x509", "crl"), readFileSync(pem, "utf8"));
    const { host = "", port = 0 } = domain.server.crlAddress ?? {};
    const answer = await fetch(`http://${host}:${port}/crl/${authorityId}.crl`);
    t.equal(answer.headers.get("content-type"), "application/pkix-crl");
    t.same(Buffer.from(await answer.arrayBuffer()), der);
    t.equal((await fetch(`http://${host}:${port}/crl/${"0".repeat(40)}.crl`)).status, 404);
    t.same(readFileSync(join(folder, `${authorityId}.crl`)), der);
    const { stdout } = await exec("openssl", ["crl", "-in", pem, "-noout", "-text"]);
    t.match(stdout, /X509v3 CRL Number:\s+2\b/);
    t.match(stdout, /X509v3 CRL Reason Code:\s+Key Compromise/);
    t.match(stdout.toUpperCase(), new RegExp(`SERIAL NUMBER: 0*${old.serial.toUpperCase()}`));
    const bundles = client.x509Bundles();
    t.same((await bundles.next()).crl, update.crl);
    bundles[Symbol.dispose]();
  });

  await t.test("it is listed, and recorded", async (t) => {
    t.match(await assay("x509", "revoked"), `${old.serial}  ${id("/web")}`);
    const records = await assay("audit", "find", "--serial", old.serial, "--kind", "admin");
    t.match(records, /RevokeX509SVID/);
    t.equal(await assay("x509", "revoke", "--serial", old.serial), "revoked already\n");
  });

  await t.test("authorities that are prepared, and old, have lists", async (t) => {
    await assay("authority", "x509", "rotate", "--wait", "0s");
    await assay("authority", "x509", "prepare");
    const of = async (authority: string): Promise<readonly string[]> => {
      let lists: { authorityId: string; pem: string }[] = [];
      while (lists.length < 3) {
        lists = JSON.parse(await assay("x509", "crl", "--output", "json")) as typeof lists;
      }
      return lists.filter(({ authorityId: of }) => of === authority).map(({ pem }) => pem);
    };
    const [own = ""] = await of(authorityId);
    t.match(await verified(oldPem, file("crl-3.pem", own)), /certificate revoked/);
    // What the old one signed can still be revoked, and the list of it is signed with the old one's key.
    await assay("x509", "revoke", "--serial", fresh?.serial ?? "");
    const [later = ""] = await of(authorityId);
    t.match(await verified(freshPem, file("crl-4.pem", later)), /certificate revoked/);
  });

  await t.test("a restart keeps lists, revocations and numbers", async (t) => {
    const before = await assay("x509", "crl", "--output", "json");
    await domain.stopServer();
    await domain.startServer();
    t.equal(await assay("x509", "crl", "--output", "json"), before);
    t.equal((await assay("x509", "revoked")).trim().split("\n").length, 2);
  });
});

t.test("below an upstream authority", async (t) => {
  const ca = await TestCa.create({ notBefore: now() - 60, notAfter: now() + 30 * 86_400 });
  const dir = t.testdir({
    "ca.pem": ca.pem,
    "ca.key": encodePem("PRIVATE KEY", ca.key.pkcs8),
  });
  const [certFile, keyFile] = [join(dir, "ca.pem"), join(dir, "ca.key")];
  await using domain = await Domain.start({
    upstreamAuthority: { disk: { certFile, keyFile } },
    revocation: { crlTtl: 3600 },
  });
  const admin = ["--socket", join(domain.dir, "server.sock")];
  const verdicts: string[] = [];
  const [revoked, good] = [join(domain.dir, "revoked"), join(domain.dir, "good")];
  for (const folder of [revoked, good]) {
    await exec(ASSAY, ["x509", "mint", "--spiffe-id", id("/m"), "--write", folder, ...admin]);
  }
  const [leaf] = decodePem(readFileSync(join(revoked, "svid.pem"), "utf8"));
  const { serial } = parseCertificate(leaf?.der ?? Buffer.of());
  await exec(ASSAY, ["x509", "revoke", "--serial", serial, ...admin]);
  const crls = join(domain.dir, "crls.pem");
  writeFileSync(crls, (await exec(ASSAY, ["x509", "crl", ...admin])).stdout);
  for (const folder of [revoked, good]) {
    const svid = join(folder, "svid.pem");
    const chain = ["-untrusted", svid, "-CAfile", certFile, "-CRLfile", crls, svid];
    const ran = exec("openssl", ["verify", "-x509_strict", "-crl_check", ...chain]);
    verdicts.push(
      await ran.then(
        ({ stdout }) => stdout,
        (error: { stderr: string }) => error.stderr,
      ),
    );
  }
  t.match(verdicts[0], /certificate revoked/);
  t.match(verdicts[1], /svid\.pem: OK/);
});

function now(): number {
  return Math.floor(Date.now() / 1000);
}
