/**
 * What verifiers that are not ours make of a set's authority, which is kept from naming URIs: it signs for the web as any
 * other, and a SPIFFE ID below it verifies nowhere.
 */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect, createServer } from "node:tls";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import t from "tap";
import { systemRandom } from "../../src/base/random.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { verifyChain } from "../../src/x509/chain.ts";
import { signIntermediate } from "../../src/x509/intermediate.ts";
import { NO_URIS } from "../../src/x509/name-constraints.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { encodeNamedLeafTbs, finishCertificate } from "../../src/x509/sign.ts";
import { subjectKeyId } from "../../src/x509/subject-key-id.ts";
import { needPrograms } from "../support/debian.ts";
import { TestCa } from "../support/test-ca.ts";

const exec = promisify(execFile);
const VERIFIERS = join(import.meta.dirname, "verifiers");
const now = Math.floor(Date.now() / 1000);
const times = { notBefore: now - 60, notAfter: now + 86_400 };
const path = (name: string): string => join(dir, name);
const dir = t.testdir({});

await needPrograms({
  openssl: "openssl",
  certtool: "gnutls-bin",
  certutil: "libnss3-tools",
  java: "default-jdk-headless",
});

interface Leaf {
  readonly name: string;
  readonly chain: readonly Uint8Array[];
  readonly keyPem: string;
  readonly isGood: boolean;
}

/** A set's authority below the root that the trust domain has, too, and one below that. */
const root = await TestCa.create(times);
const setKey = await generateKey("ec-p256");
const lowKey = await generateKey("ec-p256");
const authority = async (
  issuer: typeof root.certificate,
  key: typeof root.key,
  signer: typeof root.key,
  name: string,
) =>
  parseCertificate(
    await signIntermediate(
      {
        issuer,
        publicKey: key.signer.publicKey,
        subject: [{ type: "CN", value: name }],
        serial: systemRandom.bytes(16),
        now,
        ttlSeconds: 40_000,
        ...(signer === setKey ? {} : { nameConstraints: NO_URIS }),
      },
      signer.signer,
    ),
  );
const set = await authority(root.certificate, setKey, root.key, "example.org web");
const low = await authority(set, lowKey, setKey, "example.org low");

async function leaf(
  name: string,
  names: { dns?: readonly string[]; ip?: readonly string[]; uri?: string },
  isGood: boolean,
  chain = [set],
): Promise<Leaf> {
  const [issuer = set] = chain;
  const key = await generateKey("ec-p256");
  const signer = issuer === set ? setKey.signer : lowKey.signer;
  const params = {
    serial: systemRandom.bytes(16),
    issuer: issuer.subject,
    authorityKeyId: subjectKeyId(issuer.publicKey),
    subject: distinguishedName([{ type: "CN", value: name }]),
    notBefore: now - 10,
    notAfter: now + 3600,
    publicKey: key.signer.publicKey,
    dnsNames: names.dns ?? [],
    ipAddresses: names.ip ?? [],
    usages: ["server", "client"],
    ...(names.uri === undefined ? {} : { uri: names.uri }),
  } as const;
  const der = await finishCertificate(encodeNamedLeafTbs(params, signer.keyType), signer);
  return {
    name,
    chain: [der, ...chain.map(({ raw }) => raw)],
    keyPem: encodePem("PRIVATE KEY", key.pkcs8),
    isGood,
  };
}

const dns = ["www.example.org"];
const leaves: readonly Leaf[] = [
  await leaf("dns", { dns }, true),
  await leaf("wildcard", { dns: ["*.example.org", "localhost"] }, true),
  await leaf("addresses", { ip: ["127.0.0.1", "2001:db8::1"] }, true),
  await leaf("two below", { dns, ip: ["::1"] }, true, [low, set]),
  await leaf("spiffe", { dns, uri: "spiffe://example.org/web" }, false),
  await leaf("spiffe alone", { uri: "spiffe://example.org/web" }, false),
  await leaf("another trust domain", { uri: "spiffe://other.org/web" }, false),
  await leaf("a web address", { uri: "https://example.org/" }, false),
  await leaf("two below with an id", { uri: "spiffe://example.org/web" }, false, [low, set]),
];
const pem = (chain: readonly Uint8Array[]): string =>
  chain.map((der) => encodePem("CERTIFICATE", der)).join("");
writeFileSync(path("root.pem"), root.pem);
for (const [at, { chain }] of leaves.entries()) {
  writeFileSync(path(`${at}.pem`), pem(chain));
  writeFileSync(path(`${at}-rest.pem`), pem(chain.slice(1)));
  writeFileSync(path(`${at}-whole.pem`), pem([...chain, root.der]));
}
const files = leaves.map((_, at) => path(`${at}.pem`));

/** "ok", or why not. */
async function said(program: string, ...args: string[]): Promise<string> {
  try {
    await exec(program, args);
    return "ok";
  } catch (thrown) {
    const { stdout = "", stderr = "" } = thrown as { stdout?: string; stderr?: string };
    return `${stdout}${stderr}`;
  }
}

async function handshake({ chain, keyPem }: Leaf): Promise<string> {
  const server = createServer({ cert: pem(chain), key: keyPem }).listen(0, "127.0.0.1");
  server.on("tlsClientError", () => undefined);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const checkServerIdentity = (): undefined => undefined;
  const socket = connect({ host: "127.0.0.1", port, ca: root.pem, checkServerIdentity });
  try {
    await once(socket, "secureConnect");
    return "ok";
  } catch (thrown) {
    return String((thrown as NodeJS.ErrnoException).code);
  } finally {
    socket.destroy();
    server.close();
  }
}

async function nss(at: number): Promise<string> {
  const db = `sql:${path(`nss-${at}`)}`;
  await exec("mkdir", ["-p", path(`nss-${at}`)]);
  await exec("certutil", ["-N", "-d", db, "--empty-password"]);
  await exec("certutil", ["-A", "-d", db, "-n", "root", "-t", "C,,", "-i", path("root.pem")]);
  for (const [number, der] of (leaves[at]?.chain ?? []).entries()) {
    const file = path(`nss-${at}/${number}.pem`);
    writeFileSync(file, encodePem("CERTIFICATE", der));
    await exec("certutil", ["-A", "-d", db, "-n", `c${number}`, "-t", ",,", "-i", file]);
  }
  return said("certutil", "-V", "-d", db, "-n", "c0", "-u", "V");
}

const lines = (stdout: string): string[] => stdout.trim().split("\n");
const verifiers: Readonly<Record<string, () => Promise<readonly string[]>>> = {
  ours: () =>
    Promise.all(
      leaves.map(({ chain }) =>
        verifyChain(chain.map(parseCertificate), [root.certificate], now).then(
          () => "ok",
          (error: Error) => error.message,
        ),
      ),
    ),
  openssl: () =>
    Promise.all(
      leaves.map((_, at) =>
        said(
          "openssl",
          "verify",
          "-x509_strict",
          "-CAfile",
          path("root.pem"),
          "-untrusted",
          path(`${at}-rest.pem`),
          path(`${at}.pem`),
        ),
      ),
    ),
  "node's tls": () => Promise.all(leaves.map(handshake)),
  go: async () => {
    const args = ["run", join(VERIFIERS, "verify.go"), path("root.pem"), ...files];
    return lines((await exec("go", args, { env: { ...process.env, GO111MODULE: "off" } })).stdout);
  },
  java: async () =>
    lines(
      (await exec("java", [join(VERIFIERS, "Verify.java"), path("root.pem"), ...files])).stdout,
    ),
  gnutls: () =>
    Promise.all(
      leaves.map((_, at) =>
        said(
          "certtool",
          "--verify",
          "--load-ca-certificate",
          path("root.pem"),
          "--infile",
          path(`${at}.pem`),
        ),
      ),
    ),
  nss: () => Promise.all(leaves.map((_, at) => nss(at))),
};

for (const [name, verify] of Object.entries(verifiers)) {
  t.test(name, async (t) => {
    const answers = await verify();
    t.equal(answers.length, leaves.length);
    for (const [at, leaf] of leaves.entries()) {
      const answer = answers[at] ?? "none";
      t.equal(answer === "ok", leaf.isGood, `${leaf.name}: ${answer.trim().slice(-200)}`);
    }
  });
}
