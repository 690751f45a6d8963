// A CA that Pollendina, or openssl, served so far: what its containers trust goes on.
import { X509Certificate, createPrivateKey, generateKeyPairSync } from "node:crypto";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import t from "tap";
import { generateKey } from "../../src/keys/software-signer.ts";
import { createCsr } from "../../src/x509/csr.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { type CaOptions, TestCa } from "../support/test-ca.ts";
import { emptyEnvironment, run, start, temporaryFolder } from "./program.ts";

const folder = temporaryFolder();
t.teardown(() => folder.remove());
const env = emptyEnvironment(folder.path);
mkdirSync(join(folder.path, "run"), { mode: 0o700 });
const openssl = (...args: readonly string[]): string =>
  execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });

/** As Pollendina's own configuration has openssl make it: thirty days, no path length, names of every kind. */
const CONFIGURATION = `[req]
distinguished_name = name
x509_extensions = authority
string_mask = utf8only
prompt = no
[name]
countryName = US
organizationName = Test CA, Limited
commonName = Test CA
emailAddress = test@example.com
[authority]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always, issuer
basicConstraints = critical, CA:true
keyUsage = keyCertSign, cRLSign
[leaf]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid, issuer
basicConstraints = CA:FALSE
keyUsage = digitalSignature, keyEncipherment
subjectAltName = DNS:localhost
`;

/** Its folder, and a service that it gave a certificate. */
function pollendina(): string {
  const old = join(folder.path, "pollendina");
  mkdirSync(old);
  const config = join(old, "openssl-ca.cnf");
  const at = (name: string): string => join(old, name);
  writeFileSync(config, CONFIGURATION);
  writeFileSync(at("serial.txt"), "02\n");
  const authority = ["-keyout", at("cakey.pem"), "-out", at("cacert.pem"), "-days", "30"];
  openssl("req", "-x509", "-config", config, "-newkey", "rsa:2048", "-nodes", ...authority);
  const service = ["-keyout", at("servicekey.pem"), "-out", at("servicecert.csr")];
  openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", ...service);
  const signed = ["-in", at("servicecert.csr"), "-out", at("servicecert.pem"), "-set_serial", "1"];
  const by = ["-CA", at("cacert.pem"), "-CAkey", at("cakey.pem"), "-extfile", config];
  openssl("x509", "-req", "-days", "1000", "-extensions", "leaf", ...by, ...signed);
  return old;
}

t.test("P5 P7 P11 containers of before and those to come trust each other", async (t) => {
  const old = pollendina();
  const dir = join(folder.path, "ca");
  const options = ["--from", old, "--host", "localhost", "--listen", "127.0.0.1:0"];
  const made = await run(["ca", "init", dir, ...options], env);
  t.match(made, { code: 0, out: /took over the CA of .*pollendina into .*ca, until/ }, made.err);
  const trusted = readFileSync(join(old, "cacert.pem"), "utf8");
  t.equal(new X509Certificate(readFileSync(join(dir, "cacert.pem"))).toString(), trusted);
  t.equal(statSync(join(dir, "cakey.pem")).mode & 0o777, 0o400);
  t.ok(existsSync(join(old, "cakey.pem")), "what was there stays");

  const args = ["server", "--data-dir", dir, "--socket", join(folder.path, "s.sock")];
  const open = ["--listen", "127.0.0.1:0", "--anonymous-authorize", "--plain-http"];
  const program = start([...args, ...open], env);
  t.teardown(() => program.stop());
  const [, port] = await program.said(/provision front end listens .*port=(\d+)/, "err");
  const url = `http://127.0.0.1:${port}/v1`;
  const body = new URLSearchParams({ cn: "localhost", token: "demo" });
  t.equal((await fetch(`${url}/authorize`, { method: "POST", body })).status, 200);
  const { signer, pkcs8 } = await generateKey("rsa-2048");
  const subject = distinguishedName([{ type: "CN", value: "localhost" }]);
  const csr = encodePem("CERTIFICATE REQUEST", await createCsr({ uris: [], signer, subject }));
  const answer = await fetch(`${url}/sign/demo`, { method: "PUT", body: csr });
  t.equal(answer.status, 200);
  const fresh = { cert: await answer.text(), key: encodePem("PRIVATE KEY", pkcs8) };
  t.equal(new X509Certificate(fresh.cert).serialNumber.length, 32, "none that was given before");
  const before = {
    cert: readFileSync(join(old, "servicecert.pem")),
    key: readFileSync(join(old, "servicekey.pem")),
  };
  for (const [server, client] of [
    [before, fresh],
    [fresh, before],
  ] as const) {
    const options = { ca: trusted, requestCert: true, rejectUnauthorized: true };
    const listener = createServer({ ...server, ...options }, (peer) => peer.end("hello"));
    listener.listen(0, "127.0.0.1");
    await once(listener, "listening");
    const at = { port: (listener.address() as AddressInfo).port, host: "127.0.0.1" };
    const peer = connect({ ...at, ...client, ca: trusted, servername: "localhost" });
    const [said] = (await once(peer, "data")) as [Buffer];
    t.equal(said.toString(), "hello");
    peer.destroy();
    listener.close();
  }

  // Its certificate lives for thirty days: the same name and key for longer, in time.
  const longer = join(folder.path, "longer");
  const anew = await run(["ca", "init", longer, "--from", dir, "--ttl", "3650d"], env);
  t.match(anew, { code: 0 }, anew.err);
  const next = new X509Certificate(readFileSync(join(longer, "cacert.pem")));
  const first = new X509Certificate(trusted);
  t.ok(Date.parse(next.validTo) - Date.parse(first.validTo) > 3600 * 86_400_000);
  t.equal(next.subject, first.subject);
  t.not(next.serialNumber, first.serialNumber);
  t.ok(next.checkPrivateKey(createPrivateKey(readFileSync(join(old, "cakey.pem")))));
  const freshFile = join(folder.path, "fresh.pem");
  writeFileSync(freshFile, fresh.cert);
  for (const file of [join(old, "servicecert.pem"), freshFile]) {
    const by = ["-CAfile", join(longer, "cacert.pem"), "-untrusted", freshFile, file];
    t.match(openssl("verify", ...by), /: OK/, "and what was signed under the old one holds");
  }
});

t.test("what is no CA to go on with is said, and nothing is made", async (t) => {
  const now = Math.floor(Date.now() / 1000);
  const life = { notBefore: now - 86_400, notAfter: now + 86_400 };
  const root = await TestCa.create(life);
  const pemKey = (ca: TestCa): string => encodePem("PRIVATE KEY", ca.key.pkcs8);
  const pair = async (options: CaOptions): Promise<readonly [string, string]> => {
    const ca = await TestCa.create({ ...life, ...options });
    return [ca.pem, pemKey(ca)];
  };
  const between = await root.intermediate(life);
  const otherKey = generateKeyPairSync("ed25519").privateKey.export({
    type: "pkcs8",
    format: "pem",
  });
  const cases: readonly (readonly [string, readonly [string, string], RegExp])[] = [
    [
      "another key",
      [root.pem, pemKey(between)],
      /cakey\.pem is not the key of .*cacert\.pem; both /,
    ],
    ["one that ended", await pair({ notAfter: now - 5 }), /ended on .*; --ttl has the CA certify/],
    [
      "no path below it",
      await pair({ basicConstraints: { ca: true, pathLen: 0 } }),
      /allows no authority below it; --ttl .* without that/,
    ],
    [
      "a leaf",
      await pair({ basicConstraints: { ca: false } }),
      /is no CA's certificate; --from takes/,
    ],
    ["another use", await pair({ keyUsage: ["digitalSignature"] }), /is no CA's certificate/],
    ["no root", [between.pem, pemKey(between)], /did not sign itself .*upstreamAuthority\.disk/],
    ["two", [`${root.pem}${between.pem}`, pemKey(root)], /does not hold one certificate/],
    ["none", ["nonsense\n", pemKey(root)], /does not hold one certificate/],
    ["no DER", [encodePem("CERTIFICATE", Buffer.from("x")), pemKey(root)], /cacert\.pem: /],
    ["an encrypted key", [root.pem, "-----BEGIN x"], /it is encrypted .*openssl pkey -in OLD/],
    [
      "a key of another type",
      [root.pem, otherKey],
      /cakey\.pem: private key type is not supported; use/,
    ],
    ["an empty key", [root.pem, ""], /cakey\.pem is empty/],
  ];
  for (const [index, [name, [certificate, key], err]] of cases.entries()) {
    const from = join(folder.path, `bad-${index}`);
    const dir = join(folder.path, `out-${index}`);
    mkdirSync(from);
    writeFileSync(join(from, "cacert.pem"), certificate);
    writeFileSync(join(from, "cakey.pem"), key);
    t.match(await run(["ca", "init", dir, "--from", from], env), { code: 1, err }, name);
    t.notOk(existsSync(dir), name);
  }
  const ended = join(folder.path, "bad-1");
  const dir = join(folder.path, "mended");
  t.match(await run(["ca", "init", dir, "--from", ended, "--ttl", "30d"], env), { code: 0 });
  const missing = ["ca", "init", join(folder.path, "x"), "--from", join(folder.path, "nowhere")];
  t.match(await run(missing, env), {
    code: 1,
    err: /cacert\.pem cannot be read \(ENOENT\); --from /,
  });
  const typed = [...missing, "--key-type", "ec-p256"];
  t.match(await run(typed, env), { code: 2, err: /--key-type has no meaning with --from/ });
});
