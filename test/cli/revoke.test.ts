// X.509-SVIDs that an administrator ends before their time.
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { decodePem } from "../../src/x509/pem.ts";
import { parseCrl } from "../../src/x509/crl.ts";
import { startAdminRig } from "./admin.ts";

t.test("x509 revoke, revoked and crl", async (t) => {
  const dir = t.testdir({});
  const { run, ok, json } = await startAdminRig(t, { config: { revocation: { crlTtl: 3600 } } });
  const mint = async (path: string): Promise<string> => {
    const folder = join(dir, path);
    await ok("x509", "mint", "--spiffe-id", `spiffe://example.org/${path}`, "--write", folder);
    return new X509Certificate(readFileSync(join(folder, "svid.pem"))).serialNumber;
  };
  const serials = [await mint("a"), await mint("b"), await mint("b")];
  t.equal(await ok("x509", "revoked"), "none\n");

  // As `openssl x509 -text` prints it.
  const colons = serials[0]?.replace(/(..)(?=.)/g, "$1:") ?? "";
  const one = await json("x509", "revoke", "--serial", colons, "--reason", "superseded");
  const serial = serials[0]?.toLowerCase().replace(/^0+/, "");
  t.match(one, {
    pending: false,
    rotatedEntries: 0,
    revoked: [{ serial, spiffeId: "spiffe://example.org/a", reason: "superseded" }],
  });
  t.match(await run("x509", "revoke", "--serial", colons), { code: 0, out: "revoked already\n" });
  const both = await ok("x509", "revoke", "--spiffe-id", "spiffe://example.org/b");
  t.match(both, /^(revoked \S+ {2}spiffe:\/\/example\.org\/b {2}\S+Z {2}unspecified\n){2}$/);
  t.equal((await json<object[]>("x509", "revoked")).length, 3);

  const pem = await ok("x509", "crl");
  t.match(pem, /^-----BEGIN X509 CRL-----/);
  const [block] = decodePem(pem);
  t.match(parseCrl(block?.der ?? Buffer.of()), { number: 3, revoked: { length: 3 } });
  const [list] = await json<{ authorityId: string; number: number }[]>("x509", "crl");
  t.equal(list?.number, 3);
  t.equal(await ok("x509", "crl", "--authority", list?.authorityId ?? ""), pem);

  t.match(await run("x509", "revoke"), { code: 2, err: /name one: --serial or --spiffe-id/ });
  t.match(await run("x509", "revoke", "--serial", "1", "--spiffe-id", "spiffe://example.org/a"), {
    code: 2,
  });
  t.match(await run("x509", "revoke", "--serial", "xyz"), { code: 2, err: /no serial number/ });
  t.match(await run("x509", "revoke", "--serial", "00"), { code: 1, err: /with serial 0 / });
  t.match(await run("x509", "revoke", "--serial", "1", "--reason", "bored"), { code: 2 });
  t.match(await run("x509", "revoke", "--serial", "abc"), {
    code: 1,
    err: /no X\.509-SVID with serial abc .*name its authority/,
  });
  t.match(await run("x509", "crl", "--authority", "abc"), {
    code: 1,
    err: /no revocation list of authority 'abc'/,
  });
});

t.test("while revocation is off", async (t) => {
  const { run } = await startAdminRig(t);
  t.match(await run("x509", "revoke", "--serial", "abc"), {
    code: 1,
    err: /revocation is off; set 'revocation' in the server's file/,
  });
  t.match(await run("x509", "crl"), {
    code: 1,
    err: /there is no revocation list; revocation is off/,
  });
});
