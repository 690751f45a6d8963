/** ML-DSA-65 authorities and SVIDs, which are experimental: OpenSSL 3.5 judges, and speaks TLS with them. */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createServer } from "node:tls";
import { promisify } from "node:util";
import t from "tap";
import { parseBundleDocument } from "../../src/spiffe/bundle-document.ts";
import { Domain, id } from "../support/running.ts";
import { newOpenssl } from "./new-openssl.ts";

const exec = promisify(execFile);
const ASSAY = join(import.meta.dirname, "../../bin/assay");

t.test("authorities and workloads with ML-DSA-65", async (t) => {
  const openssl = await newOpenssl();
  const run = async (...args: string[]): Promise<string> => {
    const running = exec(openssl.command, [...openssl.args, ...args]);
    running.child.stdin?.end();
    return (await running).stdout;
  };
  await using domain = await Domain.start({
    experimental: ["ml-dsa"],
    revocation: { crlTtl: 3600 },
    ca: { keyType: "ml-dsa-65", ttlSeconds: 86_400, jwtKeyType: "ec-p256", jwtIssuer: "" },
  });
  const admin = ["--socket", join(domain.dir, "server.sock")];
  // Its own connection to the server rests on such a certificate, too.
  await domain.startAgent({ workloadKeyType: "ml-dsa-65" });
  await domain.entry({ path: "/pq", more: { dns_names: ["pq.example.org"] } });
  const socket = join(domain.dir, "api.sock");
  const written = join(domain.dir, "written");
  await exec(ASSAY, ["fetch", "x509", "--socket", socket, "--write", written]);
  const file = (name: string): string => join(written, name);

  await t.test("OpenSSL reads and verifies them", async (t) => {
    for (const purpose of ["sslclient", "sslserver"]) {
      const args = ["-x509_strict", "-purpose", purpose, "-CAfile", file("bundle.pem")];
      t.match(await run("verify", ...args, file("svid.pem")), /svid\.pem: OK/);
    }
    const text = await run("x509", "-noout", "-text", "-in", file("svid.pem"));
    t.match(text, /Signature Algorithm: ML-DSA-65/i);
    t.match(text, /Public Key Algorithm: ML-DSA-65/i);
    t.match(text, `URI:${id("/pq")}`);
    // RFC 9881 §5.
    t.match(text, /Key Usage: critical\s+Digital Signature\s*\n/);
    const own = await run("pkey", "-pubout", "-in", file("key.pem"));
    t.equal(own, await run("x509", "-noout", "-pubkey", "-in", file("svid.pem")));
  });

  await t.test("so are their revocation lists", async (t) => {
    const { stdout: crl } = await exec(ASSAY, ["x509", "crl", ...admin]);
    writeFileSync(file("crl.pem"), crl);
    const args = ["-crl_check", "-CAfile", file("bundle.pem"), "-CRLfile", file("crl.pem")];
    t.match(await run("verify", ...args, file("svid.pem")), /svid\.pem: OK/);
  });

  await t.test("mutual TLS between Node and OpenSSL", async (t) => {
    const server = createServer({
      key: readFileSync(file("key.pem")),
      cert: readFileSync(file("svid.pem")),
      ca: readFileSync(file("bundle.pem")),
      requestCert: true,
      rejectUnauthorized: true,
    });
    const seen = new Promise<boolean>((resolve) =>
      server.once("secureConnection", (connection) => {
        resolve(connection.authorized);
        connection.on("error", () => undefined);
        connection.end();
      }),
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
    t.teardown(() => server.close());
    const { port } = server.address() as AddressInfo;
    const said = await run(
      "s_client",
      "-connect",
      `127.0.0.1:${port}`,
      "-servername",
      "pq.example.org",
      "-verify_return_error",
      "-CAfile",
      file("bundle.pem"),
      "-cert",
      file("svid.pem"),
      "-key",
      file("key.pem"),
    );
    t.match(said, /Peer signature type: mldsa65/);
    t.match(said, /Negotiated TLS1\.3 group: X25519MLKEM768/);
    t.match(said, /Verify return code: 0 \(ok\)/);
    t.equal(await seen, true);
  });

  await t.test("a bundle document has them, and is read again", async (t) => {
    const { stdout } = await exec(ASSAY, ["bundle", "show", "--output", "json", ...admin]);
    const { keys } = JSON.parse(stdout) as { keys: { use: string; kty: string; alg: string }[] };
    t.match(
      keys.filter(({ use }) => use === "x509-svid"),
      [{ kty: "AKP", alg: "ML-DSA-65" }],
    );
    t.equal(parseBundleDocument("example.org", stdout).x509Authorities.length, 1);
  });

  await t.test("a restart finds the authority's key", async (t) => {
    const before = await domain.bundlePem();
    await domain.stopServer();
    await domain.startServer();
    t.equal(await domain.bundlePem(), before);
    const folder = join(domain.dir, "minted");
    const mint = ["x509", "mint", "--spiffe-id", id("/m"), "--write", folder];
    await exec(ASSAY, [...mint, "--key-type", "ml-dsa-65", ...admin]);
    const args = ["-CAfile", file("bundle.pem"), join(folder, "svid.pem")];
    t.match(await run("verify", ...args), /svid\.pem: OK/);
  });
});

t.test("nobody gets one without asking for it", async (t) => {
  await using domain = await Domain.start();
  const admin = ["--socket", join(domain.dir, "server.sock")];
  const folder = join(domain.dir, "minted");
  const mint = ["x509", "mint", "--spiffe-id", id("/m"), "--write", folder];
  const failed = await exec(ASSAY, [...mint, "--key-type", "ml-dsa-65", ...admin]).then(
    () => "",
    (error: { stderr: string }) => error.stderr,
  );
  t.match(failed, /ml-dsa-65 are experimental and off/);
  for (const args of [
    ["server", "--ca-key-type", "ml-dsa-65"],
    ["agent", "--server", "127.0.0.1:1", "--workload-key-type", "ml-dsa-65"],
  ]) {
    const refused = await exec(ASSAY, [...args, "--data-dir", join(domain.dir, "x")]).then(
      () => "",
      (error: { stderr: string }) => error.stderr,
    );
    t.match(refused, /key-type: ml-dsa-65 is experimental; set experimental to ml-dsa/);
  }
  const jwt = await exec(ASSAY, ["server", "--jwt-key-type", "ml-dsa-65"]).then(
    () => "",
    (error: { stderr: string }) => error.stderr,
  );
  t.match(jwt, /jwt-key-type/, "no token is ever signed so");
});
