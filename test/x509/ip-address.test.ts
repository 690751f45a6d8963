import { isIP } from "node:net";
import fc from "fast-check";
import t from "tap";
import { generateKey } from "../../src/keys/software-signer.ts";
import { createCsr, parseCsr } from "../../src/x509/csr.ts";
import { context, contextPrimitive, oid, seq, set } from "../../src/x509/der.ts";
import { encodeBasicConstraints, encodeExtension } from "../../src/x509/extension-encoding.ts";
import { ipBytes, ipText } from "../../src/x509/ip-address.ts";
import { OID } from "../../src/x509/oids.ts";
import { changeFields } from "../server/issuance/tbs.ts";

t.test("addresses and their one text", (t) => {
  const cases: readonly [string, string][] = [
    ["192.0.2.1", "192.0.2.1"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8::1", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["fe80:0:0:0:0:0:0:0", "fe80::"],
    ["::ffff:192.0.2.1", "::ffff:c000:201"],
  ];
  for (const [given, text] of cases) t.equal(ipText(ipBytes(given)), text, given);
  for (const bad of [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "256.1.1.1",
    "::1%eth0",
    "[::1]",
    "1.2.3.4:80",
    "x",
    ":::",
    "1".repeat(100),
  ])
    t.throws(() => ipBytes(bad), { kind: "invalid", message: /is not one/ }, bad);
  t.equal(ipText(new Uint8Array(5)), undefined);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const text = ipText(bytes) ?? "";
      return isIP(text) === 6 && Buffer.from(ipBytes(text)).equals(Buffer.from(bytes));
    }),
  );
  t.end();
});

t.test("what requests ask for", async (t) => {
  const { signer } = await generateKey("ec-p256");
  const csr = await createCsr({
    uris: [],
    dnsNames: ["a.example.org"],
    ipAddresses: ["10.0.0.1", "2001:db8::1"],
    signer,
  });
  t.match(parseCsr(csr), {
    dnsNames: ["a.example.org"],
    ipAddresses: ["10.0.0.1", "2001:db8::1"],
    otherAltNames: 0,
    asksForCa: false,
  });
  const names = seq(
    contextPrimitive(1, Buffer.from("a@example.org")),
    contextPrimitive(7, new Uint8Array(3)),
  );
  const odd = [
    encodeExtension(OID.subjectAltName, false, names),
    encodeBasicConstraints({ ca: true }),
  ];
  const attributes = context(0, seq(oid(OID.extensionRequest), set(seq(...odd))));
  const other = changeFields(csr, ([info = new Uint8Array(), ...rest]) => [
    changeFields(info, (fields) => [...fields.slice(0, -1), attributes]),
    ...rest,
  ]);
  t.match(parseCsr(other), { ipAddresses: [], otherAltNames: 2, asksForCa: true });
});
