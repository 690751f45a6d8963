/** Each key type for authorities, tokens and workloads, judged by OpenSSL and go-spiffe; and the key exchange. */
import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import t from "tap";
import { KEY_TYPES, type TokenKeyType } from "../../src/keys/contract.ts";
import { type ClientProgram, goClient } from "../interop/toolchains.ts";
import { HttpListener } from "../../src/http/http-listener.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { Domain, id } from "../support/running.ts";
import { TestCa } from "../support/test-ca.ts";
import { newOpenssl } from "./new-openssl.ts";

const exec = promisify(execFile);
const ASSAY = join(import.meta.dirname, "../../bin/assay");

/** What OpenSSL calls the public key and the signature. */
const NAMES: Readonly<Record<TokenKeyType, readonly [key: RegExp, signature: RegExp]>> = {
  "ec-p256": [/NIST CURVE: P-256/, /ecdsa-with-SHA256/],
  "ec-p384": [/NIST CURVE: P-384/, /ecdsa-with-SHA384/],
  "rsa-2048": [/Public-Key: \(2048 bit\)/, /sha256WithRSAEncryption/],
  "rsa-3072": [/Public-Key: \(3072 bit\)/, /sha256WithRSAEncryption/],
  "rsa-4096": [/Public-Key: \(4096 bit\)/, /sha256WithRSAEncryption/],
};
const ALGORITHMS: Readonly<Record<TokenKeyType, string>> = {
  "ec-p256": "ES256",
  "ec-p384": "ES384",
  "rsa-2048": "RS256",
  "rsa-3072": "RS256",
  "rsa-4096": "RS256",
};

for (const keyType of KEY_TYPES) {
  t.test(`${keyType} for authorities, tokens and workloads`, async (t) => {
    const go = await goClient();
    await using domain = await Domain.start({
      ca: { keyType, ttlSeconds: 86_400, jwtKeyType: keyType, jwtIssuer: "" },
    });
    await domain.startAgent({ workloadKeyType: keyType });
    await domain.entry({ path: "/keys" });
    const socket = join(domain.dir, "api.sock");
    const written = join(domain.dir, "written");
    await exec(ASSAY, ["fetch", "x509", "--socket", socket, "--write", written]);
    for (const openssl of [{ command: "openssl", args: [] }, await newOpenssl()]) {
      for (const purpose of ["sslclient", "sslserver"]) {
        const { stdout } = await run(openssl, [
          "verify",
          "-x509_strict",
          "-purpose",
          purpose,
          "-CAfile",
          join(written, "bundle.pem"),
          join(written, "svid.pem"),
        ]);
        t.match(stdout, /svid\.pem: OK/);
      }
    }
    const { stdout: text } = await exec("openssl", [
      "x509",
      "-noout",
      "-text",
      "-in",
      join(written, "svid.pem"),
    ]);
    for (const name of NAMES[keyType]) t.match(text, name);
    // The key that was handed out is the certificate's.
    const { stdout: own } = await exec("openssl", [
      "pkey",
      "-pubout",
      "-in",
      join(written, "key.pem"),
    ]);
    const { stdout: certified } = await exec("openssl", [
      "x509",
      "-noout",
      "-pubkey",
      "-in",
      join(written, "svid.pem"),
    ]);
    t.equal(own, certified);

    const endpoint = `unix://${socket}`;
    t.match(await said(go, ["x509"], endpoint), { spiffeId: id("/keys"), authorities: 1 });
    t.match(await said(go, ["jwt", "billing"], endpoint), {
      spiffeId: id("/keys"),
      validated: id("/keys"),
    });
    const { stdout: jwt } = await exec(ASSAY, [
      "fetch",
      "jwt",
      "--socket",
      socket,
      "--audience",
      "billing",
      "--output",
      "json",
    ]);
    const token = /[\w-]+\.[\w-]+\.[\w-]+/.exec(jwt)?.[0] ?? "";
    const header = Buffer.from(token.split(".")[0] ?? "", "base64url").toString();
    t.match(JSON.parse(header), { alg: ALGORITHMS[keyType] });
  });
}

t.test("the listeners prefer X25519MLKEM768", async (t) => {
  const openssl = await newOpenssl();
  await using domain = await Domain.start();
  const { certPem, keyPem } = await (await TestCa.create()).leaf();
  await using web = await HttpListener.open({
    host: "127.0.0.1",
    port: 0,
    setting: "listen",
    routes: new Map(),
    tls: () => ({ certPem, keyPem }),
    logger: silentLogger,
  });
  const listeners = { "the API's": domain.server.tcpAddress, "the front ends'": web.address };
  for (const [name, address] of Object.entries(listeners)) {
    const { host, port } = address ?? {};
    const negotiated = async (...groups: string[]): Promise<string | undefined> => {
      const to = `${host}:${port}`;
      const { stdout } = await run(openssl, [
        "s_client",
        "-connect",
        to,
        "-tls1_3",
        ...ALPN,
        ...groups,
      ]);
      return /(?:TLS1\.3 group|Peer Temp Key): (?:ECDH, )?([^\s,]+)/.exec(stdout)?.[1];
    };
    t.equal(await negotiated(), "X25519MLKEM768", `${name}: what a client offers by itself`);
    t.equal(
      await negotiated("-groups", "X25519:X25519MLKEM768"),
      "X25519MLKEM768",
      `${name}: also of a client that would rather have the other`,
    );
    t.equal(await negotiated("-groups", "X25519"), "X25519", "one without it is served as before");
    t.equal(await negotiated("-groups", "P-384"), "secp384r1");
  }
});

const ALPN = ["-alpn", "h2,http/1.1"];

async function run(
  { command, args }: ClientProgram,
  more: readonly string[],
): Promise<{ readonly stdout: string }> {
  const running = exec(command, [...args, ...more]);
  running.child.stdin?.end();
  return running;
}

/** The first thing that the client says. */
async function said(
  { command, args }: ClientProgram,
  more: readonly string[],
  endpoint: string,
): Promise<unknown> {
  const child = spawn(command, [...args, ...more], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, SPIFFE_ENDPOINT_SOCKET: endpoint },
  });
  try {
    for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line);
    throw new Error("the client said nothing");
  } finally {
    child.kill();
  }
}
