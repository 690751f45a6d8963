import { connect, createServer } from "node:tls";
import t from "tap";
import { errorFrom } from "../../src/base/errors.ts";
import type { KeyType } from "../../src/keys/contract.ts";
import {
  type CrlParams,
  REVOCATION_REASONS,
  type RevocationReason,
  encodeCrlTbs,
  finishCrl,
  parseCrl,
} from "../../src/x509/crl.ts";
import { bitString, context, integer, seq, time } from "../../src/x509/der.ts";
import { encodeAuthorityKeyId, encodeExtension } from "../../src/x509/extension-encoding.ts";
import { OID } from "../../src/x509/oids.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { checkSigned, encodeSignatureAlgorithm } from "../../src/x509/signature-algorithm.ts";
import { subjectKeyId } from "../../src/x509/subject-key-id.ts";
import { damaged } from "../support/damaged.ts";
import { TestCa } from "../support/test-ca.ts";

const now = Math.floor(Date.now() / 1000);

function paramsOf(ca: TestCa, more: Partial<CrlParams> = {}): CrlParams {
  return {
    issuer: ca.certificate.subject,
    authorityKeyId: subjectKeyId(ca.certificate.publicKey),
    number: 7,
    thisUpdate: now - 10,
    nextUpdate: now + 3600,
    revoked: [],
    ...more,
  };
}

async function signed(ca: TestCa, more: Partial<CrlParams> = {}): Promise<Uint8Array> {
  const { signer } = ca.key;
  return finishCrl(encodeCrlTbs(paramsOf(ca, more), signer.keyType), signer);
}

t.test("a list says what was put into it, for every key type and reason", async (t) => {
  const fast: readonly KeyType[] = ["ec-p256", "ec-p384", "rsa-2048", "ml-dsa-65"];
  const reasons = Object.keys(REVOCATION_REASONS) as RevocationReason[];
  const revoked = reasons.map((reason, i) => ({
    serial: ["1", "80", "ff00", "7f", "123456789abcdef0123456789abcdef012345678", "2"][i] ?? "",
    revokedAt: now - i,
    reason,
  }));
  for (const keyType of fast) {
    const ca = await TestCa.create({ keyType });
    const crl = parseCrl(await signed(ca, { revoked, number: 0x7fff_ffff }));
    t.same(crl.revoked, revoked);
    t.equal(crl.number, 0x7fff_ffff);
    t.same(Buffer.from(crl.issuer), Buffer.from(ca.certificate.subject));
    t.equal(crl.authorityKeyId, ca.certificate.subjectKeyId);
    t.match(crl, { thisUpdate: now - 10, nextUpdate: now + 3600 });
    const { tbs, signature, signatureAlgorithm: algorithm } = crl;
    const { publicKey } = ca.certificate;
    t.equal(await checkSigned({ algorithm, publicKey, data: tbs, signature }), true, keyType);
  }
  t.same(parseCrl(await signed(await TestCa.create())).revoked, [], "an empty one");
});

t.test("Node's TLS refuses a client whose certificate is in the list", async (t) => {
  const times = { notBefore: now - 60, notAfter: now + 3600 };
  const ca = await TestCa.create(times);
  const good = await ca.leaf(times);
  const bad = await ca.leaf({ ...times, serial: Buffer.from("80a1", "hex") });
  const crl = await signed(ca, {
    revoked: [{ serial: "80a1", revokedAt: now, reason: "key-compromise" }],
  });
  const server = createServer({
    cert: good.certPem,
    key: good.keyPem,
    ca: encodePem("CERTIFICATE", ca.der),
    crl: encodePem("X509 CRL", crl),
    requestCert: true,
    rejectUnauthorized: false,
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  t.teardown(() => server.close());
  const port = (server.address() as { port: number }).port;
  const verdict = async (leaf: typeof good): Promise<string> => {
    const seen = new Promise<string>((resolve) =>
      server.once("secureConnection", (socket) => {
        resolve(socket.authorized ? "authorized" : String(socket.authorizationError));
        socket.destroy();
      }),
    );
    const client = connect({
      host: "127.0.0.1",
      port,
      cert: leaf.certPem,
      key: leaf.keyPem,
      rejectUnauthorized: false,
    });
    client.on("error", () => undefined);
    return seen;
  };
  t.equal(await verdict(good), "authorized");
  t.equal(await verdict(bad), "CERT_REVOKED");
});

t.test("what is no list is refused, and nothing else is thrown", async (t) => {
  const ca = await TestCa.create();
  const der = await signed(ca, {
    revoked: [{ serial: "80a1", revokedAt: now, reason: "superseded" }],
  });
  for (const bytes of damaged(der)) {
    try {
      parseCrl(bytes);
    } catch (thrown) {
      t.equal(errorFrom(thrown).kind, "invalid");
    }
  }
  const algorithm = encodeSignatureAlgorithm("ec-p256");
  const name = ca.certificate.subject;
  const keyId = encodeAuthorityKeyId(new Uint8Array(20));
  const number = encodeExtension(OID.crlNumber, false, integer(1));
  const from = time(now);
  const to = time(now + 60);
  const whole = (...fields: Uint8Array[]): Uint8Array =>
    seq(seq(...fields), algorithm, bitString(new Uint8Array(1)));
  const extensions = (...each: Uint8Array[]): Uint8Array => context(0, seq(...each));
  t.ok(parseCrl(whole(integer(1), algorithm, name, from, to, extensions(keyId, number))));
  const hostile: Record<string, Uint8Array> = {
    "of version 1": whole(algorithm, name, from, to),
    "of version 3": whole(integer(2), algorithm, name, from, to, extensions(number)),
    "without extensions": whole(integer(1), algorithm, name, from, to),
    "without a number": whole(integer(1), algorithm, name, from, to, extensions(keyId)),
    "without a next update": whole(integer(1), algorithm, name, from, extensions(number)),
    "with two algorithms": whole(
      integer(1),
      encodeSignatureAlgorithm("ec-p384"),
      name,
      from,
      to,
      extensions(number),
    ),
    // An issuing distribution point: a list that is not complete.
    "with a critical extension": whole(
      integer(1),
      algorithm,
      name,
      from,
      to,
      extensions(number, encodeExtension("2.5.29.28", true, seq())),
    ),
    "with a number that is huge": whole(
      integer(1),
      algorithm,
      name,
      from,
      to,
      extensions(encodeExtension(OID.crlNumber, false, integer(new Uint8Array(20).fill(0x7f)))),
    ),
    "with something behind it": whole(
      integer(1),
      algorithm,
      name,
      from,
      to,
      extensions(number),
      integer(1),
    ),
    "too long": new Uint8Array((4 << 20) + 1),
    empty: new Uint8Array(),
  };
  for (const [what, bytes] of Object.entries(hostile)) {
    t.throws(() => parseCrl(bytes), { kind: "invalid", message: /./ }, what);
  }
});
