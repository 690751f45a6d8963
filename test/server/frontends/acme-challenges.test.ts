/** dns-01 and tls-alpn-01, rule by rule. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type TlsOptions, createServer as createTlsServer } from "node:tls";
import t, { type Test } from "tap";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { contextPrimitive, octetString, seq } from "../../../src/x509/der.ts";
import { encodeExtension } from "../../../src/x509/extension-encoding.ts";
import { ipBytes } from "../../../src/x509/ip-address.ts";
import { distinguishedName } from "../../../src/x509/names.ts";
import { OID } from "../../../src/x509/oids.ts";
import { encodePem } from "../../../src/x509/pem.ts";
import { type Forgery, TestCa, forge } from "../../support/test-ca.ts";
import {
  KEY_AUTHORIZATION,
  NAME,
  good,
  serve,
  serveBytes,
  startRig,
} from "./acme-validation-rig.ts";

t.test("dns-01", async (t) => {
  const { validate, dns } = await startRig(t);
  const name = `_acme-challenge.${NAME}`;
  const digest = createHash("sha256").update(KEY_AUTHORIZATION).digest("base64url");
  const ask = (wildcard = false) => validate({ type: "dns-01", wildcard });
  t.match(await ask(), { type: "unauthorized", detail: `${name} has no TXT record` });
  dns.zone.set(name, { txt: ["something", KEY_AUTHORIZATION] });
  t.match(await ask(), { type: "incorrectResponse", detail: /none of the 2 TXT records/ });
  dns.zone.set(name, { txt: ["something", digest] });
  t.equal(await ask(), undefined);
  t.equal(await ask(true), undefined, "a wildcard");
  dns.zone.set(name, { txt: [[digest.slice(0, 20), digest.slice(20)]] });
  t.equal(await ask(), undefined, "a text in parts");
  dns.zone.set(name, { rcode: 2 });
  t.match(await ask(), { type: "dns", detail: /the server failed/ });
  t.match(await validate({ type: "http-01", wildcard: true }), { type: "unauthorized" });
  const identifier = { type: "ip", value: "127.0.0.1" } as const;
  t.match(await validate({ type: "dns-01", identifier }), { type: "unauthorized" });
});

const DIGEST = createHash("sha256").update(KEY_AUTHORIZATION).digest();
const ACME_IDENTIFIER = "1.3.6.1.5.5.7.1.31";
const proof = (critical = true, digest: Uint8Array = DIGEST): Uint8Array =>
  encodeExtension(ACME_IDENTIFIER, critical, octetString(digest));

/** A server for tls-alpn-01 whose certificate is self-signed and right, but for the changes. */
async function alpnServer(
  t: Test,
  change: Forgery = {},
  options: TlsOptions = { ALPNProtocols: ["acme-tls/1"] },
  host = "127.0.0.1",
): Promise<{ readonly port: number; readonly names: string[] }> {
  const { signer, pkcs8 } = await generateKey("ec-p256");
  const subject = distinguishedName([{ type: "CN", value: "challenge" }]);
  const der = await forge({
    signer,
    issuer: subject,
    subject,
    publicKey: signer.publicKey,
    dnsNames: [NAME],
    keyUsage: ["digitalSignature"],
    extraExtensions: [proof()],
    ...change,
  });
  const names: string[] = [];
  const cert = encodePem("CERTIFICATE", der);
  const key = encodePem("PRIVATE KEY", pkcs8);
  const server = createTlsServer({
    ...options,
    cert,
    key,
    SNICallback: (name, done) => {
      names.push(name);
      done(null);
    },
  });
  server.on("secureConnection", (socket) => socket.on("error", () => undefined));
  server.listen(0, host);
  await once(server, "listening");
  t.teardown(async () => {
    server.close();
    await once(server, "close");
  });
  return { port: (server.address() as AddressInfo).port, names };
}

t.test("tls-alpn-01: the certificate's every rule", async (t) => {
  const altNames = (...names: Uint8Array[]) =>
    encodeExtension(OID.subjectAltName, false, seq(...names));
  const dnsName = (name: string) => contextPrimitive(2, Buffer.from(name, "latin1"));
  const ca = await TestCa.create();
  const cases: [string, Forgery, RegExp | undefined][] = [
    ["as it should be", {}, undefined],
    ["in capitals", { dnsNames: [NAME.toUpperCase()] }, undefined],
    ["no extension", { extraExtensions: [] }, /has no acmeIdentifier/],
    ["not critical", { extraExtensions: [proof(false)] }, /not critical/],
    [
      "another digest",
      {
        extraExtensions: [
          proof(
            true,
            DIGEST.map((b) => b ^ 1),
          ),
        ],
      },
      /not hold the digest/,
    ],
    ["a digest cut short", { extraExtensions: [proof(true, DIGEST.subarray(0, 31))] }, /not hold/],
    [
      "a bare digest",
      { extraExtensions: [encodeExtension(ACME_IDENTIFIER, true, DIGEST)] },
      /not hold the digest/,
    ],
    [
      "something behind the digest",
      {
        extraExtensions: [
          encodeExtension(
            ACME_IDENTIFIER,
            true,
            Buffer.concat([octetString(DIGEST), octetString(DIGEST)]),
          ),
        ],
      },
      /not hold the digest/,
    ],
    ["twice", { extraExtensions: [proof(), proof()] }, /cannot be read/],
    ["another name", { dnsNames: ["example.org"] }, /as its one subject alternative name/],
    ["two names", { dnsNames: [NAME, "example.org"] }, /as its one subject/],
    ["a name and a URI", { uris: ["https://example.org"] }, /as its one subject/],
    ["a wildcard", { dnsNames: ["*.example.org"] }, /as its one subject/],
    ["no name", { dnsNames: [] }, /as its one subject/],
    [
      "a name with a NUL",
      { dnsNames: [], extraExtensions: [proof(), altNames(dnsName(`${NAME}\0.evil.example`))] },
      /as its one subject/,
    ],
    [
      "a mail address",
      {
        dnsNames: [],
        extraExtensions: [proof(), altNames(contextPrimitive(1, Buffer.from(NAME)))],
      },
      /as its one subject/,
    ],
    ["signed by another", { signer: ca.key.signer }, /is not self-signed/],
    [
      "another issuer",
      { issuer: distinguishedName([{ type: "CN", value: "x" }]) },
      /is not self-signed/,
    ],
  ];
  for (const [title, change, fault] of cases) {
    const { port, names } = await alpnServer(t, change);
    const { validate } = await startRig(t, { tlsPort: port });
    const problem = await validate({ type: "tls-alpn-01" });
    if (fault === undefined) t.equal(problem, undefined, title);
    else t.match(problem, { type: "incorrectResponse", detail: fault }, title);
    t.same(names, [NAME], `${title}: the name is asked for`);
  }
});

t.test("tls-alpn-01: addresses, and those that do not speak it", async (t) => {
  const ipName = encodeExtension(
    OID.subjectAltName,
    false,
    seq(contextPrimitive(7, ipBytes("127.0.0.1"))),
  );
  const own = await alpnServer(t, { dnsNames: [], extraExtensions: [proof(), ipName] });
  const identifier = { type: "ip", value: "127.0.0.1" } as const;
  const type = "tls-alpn-01";
  const rig = await startRig(t, { tlsPort: own.port });
  t.equal(await rig.validate({ type, identifier }), undefined);
  t.same(own.names, ["1.0.0.127.in-addr.arpa"], "RFC 8738 §6");
  t.match(await rig.validate({ type }), { type: "incorrectResponse" }, "it is no name's");

  for (const ALPNProtocols of [["h2", "http/1.1"], []]) {
    const other = await alpnServer(t, {}, { ALPNProtocols });
    const { validate } = await startRig(t, { tlsPort: other.port });
    t.match(await validate({ type }), { type: "unauthorized", detail: /does not speak acme-tls/ });
  }
  const six = encodeExtension(OID.subjectAltName, false, seq(contextPrimitive(7, ipBytes("::1"))));
  const names = { dnsNames: [], extraExtensions: [proof(), six] };
  const onSix = await alpnServer(t, names, { ALPNProtocols: ["acme-tls/1"] }, "::1");
  const allowedNetworks = ["::1"];
  const sixRig = await startRig(t, { tlsPort: onSix.port, allowedNetworks });
  const address = { type: "ip", value: "::1" } as const;
  t.equal(await sixRig.validate({ type, identifier: address }), undefined, "an IPv6 address");
  t.same(onSix.names, [`1.${"0.".repeat(31)}ip6.arpa`], "RFC 8738 §6, RFC 3596 §2.5");
  sixRig.dns.zone.set(NAME, { aaaa: ["::1"] });
  t.match(await sixRig.validate({ type }), { type: "incorrectResponse" }, "it is no name's");

  const plain = await serve(t, good);
  const web = await startRig(t, { tlsPort: plain.port });
  t.match(await web.validate({ type }), { type: "tls", detail: /handshake/ });
  const closed = await serveBytes(t, (socket) => socket.destroy());
  t.match(await (await startRig(t, { tlsPort: closed })).validate({ type }), { type: "tls" });
  const old = await alpnServer(t, {}, { ALPNProtocols: ["acme-tls/1"], maxVersion: "TLSv1.1" });
  t.match(await (await startRig(t, { tlsPort: old.port })).validate({ type }), { type: "tls" });
});
