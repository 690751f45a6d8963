/**
 * What `assay ca trust export` writes, imported by the programs that it is for, which then open TLS to a service of ours by
 * its name, its IPv4 and its IPv6 address (requirement T10).
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { BUILT_IN_PROFILES } from "../../src/config/certificate-profiles.ts";
import { decodePem, encodePem } from "../../src/x509/pem.ts";
import { startAdminRig } from "../cli/admin.ts";
import {
  PROVISION,
  PROVISION_SERVICE,
  askAt,
  certificatesIn,
  makeRequest,
} from "../server/frontends/provision-rig.ts";
import { needPrograms } from "../support/debian.ts";

const exec = promisify(execFile);
const DAY = 86_400;
const SET = {
  keyType: "ec-p256",
  ttlSeconds: 365 * DAY,
  upstreamAuthority: {},
  profiles: ["peer"],
} as const;

await needPrograms({
  openssl: "openssl",
  curl: "curl",
  certutil: "libnss3-tools",
  python3: "python3",
  keytool: "default-jdk-headless",
});

const { server, ok } = await startAdminRig(t, {
  config: {
    authoritySets: new Map([
      ["web", SET],
      ["other", SET],
    ]),
    certificateProfiles: BUILT_IN_PROFILES,
    frontends: { provision: { ...PROVISION, set: "web" } },
  },
});
const dir = t.testdir({ password: "another pass\n" });
const path = (name: string): string => join(dir, name);
const exported = (format: string, name: string, set: string, ...more: string[]): Promise<string> =>
  ok("ca", "trust", "export", "--set", set, "--format", format, "--out", path(name), ...more);
await exported("pem", "web.pem", "web");
await exported("pem", "other.pem", "other");
await exported("pkcs12", "web.p12", "web");
await exported("pkcs12", "own.p12", "web", "--password-file", path("password"));
await exported("pkcs12", "other.p12", "other");
await exported("mobileconfig", "web.mobileconfig", "web");

// A service that a one-time token got its certificate for, with addresses of both families.
const { token } = await server.admin.unary<{ token: string }>(PROVISION_SERVICE, "Authorize", {
  common_name: "localhost",
  names: ["127.0.0.1", "::1", "2001:DB8:0::5"],
});
const request = await makeRequest("localhost", { ipAddresses: ["2001:db8::5", "::1"] });
const { port: front = 0 } = server.server.provisionAddress ?? {};
const put = { method: "PUT", body: request.csr };
const { body: chain } = await askAt(front, false, `/v1/sign/${token}`, put);
const [leaf] = certificatesIn(chain);
const service = createServer({ cert: chain, key: request.keyPem }, (_request, response) =>
  response.end("hello"),
).listen(0, "::");
t.teardown(() => service.close());
await once(service, "listening");
const { port } = service.address() as AddressInfo;
const urls = ["localhost", "127.0.0.1", "[::1]"].map((host) => `https://${host}:${port}/`);

t.test("PEM: curl, openssl", async (t) => {
  t.same(leaf?.ipAddresses, ["127.0.0.1", "2001:db8::5", "::1"]);
  for (const url of urls) {
    t.equal((await exec("curl", ["-sS", "--cacert", path("web.pem"), url])).stdout, "hello", url);
    await t.rejects(exec("curl", ["-sS", "--cacert", path("other.pem"), url]), /curl: \(60\)/);
  }
  const elsewhere = ["-sS", "--cacert", path("web.pem"), "--resolve", `x.test:${port}:127.0.0.1`];
  await t.rejects(exec("curl", [...elsewhere, `https://x.test:${port}/`]), /curl: \(60\)/);
  writeFileSync(path("leaf.pem"), encodePem("CERTIFICATE", leaf?.raw ?? new Uint8Array()));
  for (const [address, isIn] of [
    ["2001:db8::5", true],
    ["2001:db8::6", false],
  ] as const) {
    const verify = ["verify", "-CAfile", path("web.pem"), "-verify_ip", address, path("leaf.pem")];
    const { stdout } = await exec("openssl", verify).catch(() => ({ stdout: "" }));
    t.equal(stdout.includes("OK"), isIn, address);
  }
});

t.test("PKCS #12: a Java program, and keytool's import", async (t) => {
  const source = join(import.meta.dirname, "verifiers/Connect.java");
  const answers = async (store: string, password: string): Promise<readonly string[]> =>
    (await exec("java", [source, path(store), password, ...urls])).stdout.trim().split("\n");
  const good = urls.map(() => "200");
  t.same(await answers("web.p12", "changeit"), good);
  t.same(await answers("own.p12", "another pass"), good);
  for (const answer of await answers("other.p12", "changeit")) t.match(answer, /^refused: /);
  const list = ["-list", "-keystore", path("web.p12"), "-storepass", "changeit"];
  const { stdout } = await exec("keytool", list);
  t.match(stdout, /contains 1 entry[^]*trustedCertEntry/);
  const from = ["-srckeystore", path("web.p12"), "-srcstorepass", "changeit"];
  const to = ["-destkeystore", path("imported.p12"), "-deststorepass", "changed it"];
  await exec("keytool", ["-importkeystore", "-noprompt", ...from, ...to]);
  t.same(await answers("imported.p12", "changed it"), good);
});

t.test("NSS: Firefox's and Chromium's store", async (t) => {
  const db = `sql:${path("nss")}`;
  mkdirSync(path("nss"));
  const nss = (...args: string[]) => exec("certutil", [...args, "-d", db]);
  await nss("-N", "--empty-password");
  await nss("-A", "-n", "leaf", "-t", ",,", "-i", path("leaf.pem"));
  const verdict = () => nss("-V", "-n", "leaf", "-u", "V");
  await t.rejects(verdict(), "not before the root is there");
  await nss("-A", "-n", "web roots", "-t", "C,,", "-i", path("web.pem"));
  t.match((await verdict()).stdout, /certificate is valid/);
});

t.test("mobileconfig: as a property list; only an Apple device installs it", async (t) => {
  const script = `
import json, plistlib, sys
profile = plistlib.load(open(sys.argv[1], "rb"))
def plain(value):
    if isinstance(value, dict): return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list): return [plain(each) for each in value]
    return value.hex() if isinstance(value, bytes) else value
print(json.dumps(plain(profile)))`;
  const { stdout } = await exec("python3", ["-c", script, path("web.mobileconfig")]);
  const [root] = decodePem(await ok("ca", "trust", "export", "--set", "web"));
  const uuid = /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/;
  t.match(JSON.parse(stdout), {
    PayloadType: "Configuration",
    PayloadVersion: 1,
    PayloadIdentifier: "example.org.web.roots",
    PayloadUUID: uuid,
    PayloadContent: [
      {
        PayloadType: "com.apple.security.root",
        PayloadVersion: 1,
        PayloadUUID: uuid,
        PayloadContent: Buffer.from(root?.der ?? []).toString("hex"),
      },
    ],
  });
  const digest = createHash("sha256")
    .update(root?.der ?? "")
    .digest("hex");
  const { err } = await shown();
  t.match(err, digest, "which standard error names for comparing");
});

async function shown(): Promise<{ readonly err: string }> {
  const assay = join(import.meta.dirname, "../../bin/assay");
  const args = ["ca", "trust", "export", "--set", "web", "--socket", server.socket];
  return { err: (await exec(assay, args)).stderr };
}
