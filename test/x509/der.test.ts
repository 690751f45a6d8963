import fc from "fast-check";
import t from "tap";
import { isKind } from "../../src/base/errors.ts";
import * as der from "../../src/x509/der.ts";
import { distinguishedName, formatName } from "../../src/x509/names.ts";
import { decodePem, encodePem } from "../../src/x509/pem.ts";

const hex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");
const asHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const only = (text: string): der.Tlv => der.readTlv(hex(text));

/** What hostile input leads to, and nothing else. */
const INVALID = { name: "AssayError", kind: "invalid" };

t.test("elements that are not canonical are refused, each for its reason", (t) => {
  const hostile: readonly (readonly [string, string, RegExp])[] = [
    ["nothing", "", /cut short/],
    ["a tag alone", "30", /cut short/],
    ["content missing", "300201", /cut short/],
    ["length bytes missing", "308201", /cut short/],
    ["indefinite length", "30800000", /indefinite/],
    ["long form below 128", "30817f", /not minimal/],
    ["long form with a leading zero", "30820080", /not minimal/],
    ["long form of four bytes", "308400000001", /16 MiB/],
    ["length of 127 bytes", "30ff01", /16 MiB/],
    ["reserved 0xff length", "30ff", /16 MiB/],
    ["high tag number", "1f0100", /tag above 30/],
    ["high context tag", "bf8001 00", /tag above 30/],
  ];
  for (const [name, bytes, message] of hostile) {
    t.throws(() => der.readTlv(hex(bytes)), { kind: "invalid", message }, name);
  }
  t.throws(() => der.openDer(hex("3000 00"), 0x30, "it"), { message: /it has trailing bytes/ });
  t.throws(() => der.openDer(hex("3100"), 0x30, "it"), { message: /tag 49 where tag 48/ });
  t.throws(() => new der.DerCursor(hex(""), "it").read(2), { message: /the end where tag 2/ });
  t.end();
});

t.test("nesting is bounded", (t) => {
  let nested = der.seq();
  for (let i = 0; i < 40; i++) nested = der.seq(nested);
  let cursor = new der.DerCursor(nested, "it");
  t.throws(
    () => {
      for (;;) cursor = cursor.enter(0x30);
    },
    { kind: "invalid", message: /nested too deeply/ },
  );
  t.end();
});

t.test("values that are not canonical are refused", (t) => {
  const hostile: readonly (readonly [string, () => unknown, RegExp])[] = [
    ["empty integer", () => der.unsignedOf(only("0200"), "it"), /empty integer/],
    ["negative integer", () => der.unsignedOf(only("020180"), "it"), /negative/],
    ["negative, long", () => der.unsignedOf(only("0202ff7f"), "it"), /negative/],
    ["padded integer", () => der.unsignedOf(only("0202007f"), "it"), /not minimal/],
    ["integer of 2^31", () => der.smallUnsignedOf(only("02050080000000"), "it"), /too large/],
    ["integer of 2^40", () => der.smallUnsignedOf(only("0206010000000000"), "it"), /too large/],
    ["boolean 01", () => der.booleanOf(only("010101"), "it"), /boolean/],
    ["boolean empty", () => der.booleanOf(only("0100"), "it"), /boolean/],
    ["boolean of two bytes", () => der.booleanOf(only("0102ffff"), "it"), /boolean/],
    ["bit string empty", () => der.octetsOfBitString(only("0300"), "it"), /unused bits/],
    ["bit string unused", () => der.octetsOfBitString(only("03020180"), "it"), /unused bits/],
    ["bits: unused 8", () => der.namedBitsOf(only("03020880"), "it"), /not a bit string/],
    ["bits: none but unused", () => der.namedBitsOf(only("030107"), "it"), /not a bit string/],
    [
      "bits: unused bit set",
      () => der.namedBitsOf(only("03020781"), "it"),
      /unused bits that are set/,
    ],
    ["oid empty", () => der.oidOf(only("0600"), "it"), /not an object/],
    ["oid cut short", () => der.oidOf(only("06022a86"), "it"), /not an object/],
    ["oid padded arc", () => der.oidOf(only("06032a8001"), "it"), /not minimal/],
    ["oid padded first arc", () => der.oidOf(only("0602802a"), "it"), /not minimal/],
    ["oid huge arc", () => der.oidOf(only(`060a2a${"ff".repeat(8)}7f`), "it"), /too large/],
    ["oid of 65 bytes", () => der.oidOf(only(`0641${"2a".repeat(65)}`), "it"), /not an object/],
    ["nul in a name", () => der.ia5Of(hex("6100"), "it"), /not printable/],
    ["umlaut in a name", () => der.ia5Of(hex("c3a4"), "it"), /not printable/],
    ["delete in a name", () => der.ia5Of(hex("7f"), "it"), /not printable/],
  ];
  for (const [name, read, message] of hostile) {
    t.throws(read, { kind: "invalid", message }, name);
  }
  t.same(der.namedBitsOf(only("030100"), "it"), [], "no bits at all");
  t.same(der.namedBitsOf(only("030205a0"), "it"), [0, 2]);
  t.same(der.namedBitsOf(only("03020080"), "it"), [0], "zero bits at the end");
  t.same(der.namedBitsOf(only("0303078000"), "it"), [0], "a zero byte at the end");
  t.same(der.namedBitsOf(only("0303070080"), "it"), [8]);
  t.end();
});

t.test("times follow the rule of 2050", (t) => {
  const utc = (text: string): der.Tlv => der.readTlv(der.element(0x17, Buffer.from(text)));
  const general = (text: string): der.Tlv => der.readTlv(der.element(0x18, Buffer.from(text)));
  const seconds = (iso: string): number => Date.parse(iso) / 1000;
  const good: readonly (readonly [der.Tlv, string])[] = [
    [utc("500101000000Z"), "1950-01-01T00:00:00Z"],
    [utc("491231235959Z"), "2049-12-31T23:59:59Z"],
    [utc("000229120000Z"), "2000-02-29T12:00:00Z"],
    [general("20500101000000Z"), "2050-01-01T00:00:00Z"],
    [general("19491231235959Z"), "1949-12-31T23:59:59Z"],
    [general("99991231235959Z"), "9999-12-31T23:59:59Z"],
    [general("00000101000000Z"), "0000-01-01T00:00:00Z"],
  ];
  for (const [tlv, iso] of good) {
    t.equal(der.timeOf(tlv, "time"), seconds(iso), iso);
    t.equal(asHex(der.time(seconds(iso))), asHex(tlv.raw), `${iso} back`);
  }
  const hostile: readonly (readonly [string, der.Tlv])[] = [
    ["no seconds", utc("2601010000Z")],
    ["no zone", utc("260101000000")],
    ["zone offset", utc("260101000000+0100")],
    ["fraction", general("20500101000000.5Z")],
    ["month 13", utc("261301000000Z")],
    ["month 0", utc("260001000000Z")],
    ["30 February", utc("260230000000Z")],
    ["29 February of no leap year", utc("260229000000Z")],
    ["hour 24", utc("260101240000Z")],
    ["second 60", utc("260101000060Z")],
    ["letters", utc("26010100000xZ")],
    ["another type", der.readTlv(der.printableString("260101000000Z"))],
    ["empty", utc("")],
  ];
  for (const [name, tlv] of hostile) {
    t.throws(() => der.timeOf(tlv, "time"), INVALID, name);
  }
  const early = der.timeOf(general("20491231235959Z"), "time");
  t.equal(early, seconds("2049-12-31T23:59:59Z"), "read, though never written");
  t.equal(der.time(early)[0], der.TAG.utcTime);
  for (const bad of [Number.NaN, 0.5, Infinity, seconds("9999-12-31T23:59:59Z") + 1]) {
    t.throws(() => der.time(bad), TypeError, String(bad));
  }
  t.end();
});

t.test("what is written is read back the same", (t) => {
  const options = { seed: 1, numRuns: 500 };
  fc.assert(
    fc.property(fc.nat(0x7fff_ffff), (value) => {
      const tlv = der.readTlv(der.integer(value));
      return der.smallUnsignedOf(tlv, "it") === value;
    }),
    options,
  );
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 160n }), (value) => {
      const digits = value.toString(16);
      const bytes = hex(digits.length % 2 === 0 ? digits : `0${digits}`);
      const back = der.unsignedOf(der.readTlv(der.integer(bytes)), "it");
      return BigInt(`0x${asHex(back)}`) === value;
    }),
    options,
  );
  const arcs = fc.tuple(
    fc.nat(2),
    fc.nat(39),
    fc.array(fc.nat(Number.MAX_SAFE_INTEGER), { maxLength: 6 }),
  );
  fc.assert(
    fc.property(arcs, ([first, second, rest]) => {
      const dotted = [first, second, ...rest].join(".");
      return der.oidOf(der.readTlv(der.oid(dotted)), "it") === dotted;
    }),
    options,
  );
  // The second has the sum by which the first, a well-known one, is looked up.
  for (const dotted of ["2.5.4.10", "2.5.3.41"]) {
    t.equal(der.oidOf(der.readTlv(der.oid(dotted)), "it"), dotted);
  }
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(20), { maxLength: 9 }), (bits) => {
      const back = der.namedBitsOf(der.readTlv(der.namedBits(bits)), "it");
      return back.join() === [...bits].sort((a, b) => a - b).join();
    }),
    options,
  );
  fc.assert(
    fc.property(fc.integer({ min: -62_167_219_200, max: 253_402_300_799 }), (at) => {
      return der.timeOf(der.readTlv(der.time(at)), "it") === at;
    }),
    options,
  );
  for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536, 200_000]) {
    const tlv = der.readTlv(der.octetString(new Uint8Array(length)));
    t.equal(tlv.content.length, length);
  }
  t.same(
    asHex(der.set(hex("0202"), hex("0101"), hex("0103"))),
    "3106010101030202",
    "set of: sorted",
  );
  t.throws(() => der.oid("1.x"), TypeError);
  t.throws(() => der.integer(-1), TypeError);
  t.end();
});

t.test("arbitrary bytes either are one element or are refused", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        const tlv = der.readTlv(bytes);
        return asHex(der.element(tlv.tag, tlv.content)) === asHex(tlv.raw);
      } catch (thrown) {
        return isKind(thrown, "invalid");
      }
    }),
    { seed: 1, numRuns: 2000 },
  );
  t.end();
});

t.test("names", (t) => {
  const name = distinguishedName([
    { type: "C", value: "US" },
    { type: "O", value: "SPIFFE" },
    { type: "serialNumber", value: "4711" },
  ]);
  t.equal(formatName(name), "C=US, O=SPIFFE, serialNumber=4711");
  t.equal(formatName(der.seq()), "");
  t.equal(formatName(distinguishedName([{ type: "CN", value: "Zoë, O=x" }])), "CN=Zoë\\, O\\=x");
  t.equal(
    formatName(distinguishedName([{ type: "CN", value: "a\n\u202eb" }])),
    "CN=a\\u000a\\u202eb",
  );
  const odd = der.seq(
    der.set(
      der.seq(der.oid("2.5.4.3"), der.bitString(hex("aa"))),
      der.seq(der.oid("1.2.3"), der.utf8String("x")),
    ),
  );
  t.match(formatName(odd), /CN=#00aa/);
  t.match(formatName(odd), /1\.2\.3=x/);
  const refused: readonly (readonly [string, Parameters<typeof distinguishedName>[0]])[] = [
    ["three-letter country", [{ type: "C", value: "USA" }]],
    ["empty value", [{ type: "O", value: "" }]],
    ["long value", [{ type: "CN", value: "x".repeat(256) }]],
    ["serial number with an underscore", [{ type: "serialNumber", value: "a_b" }]],
  ];
  for (const [what, attributes] of refused) {
    t.throws(() => distinguishedName(attributes), INVALID, what);
  }
  const broken: readonly (readonly [string, Uint8Array])[] = [
    ["empty rdn", hex("30023100")],
    ["attribute without value", der.seq(der.set(der.seq(der.oid("2.5.4.3"))))],
    [
      "attribute with two values",
      der.seq(der.set(der.seq(der.oid("2.5.4.3"), der.nullValue(), der.nullValue()))),
    ],
    [
      "33 parts",
      der.seq(
        ...Array.from({ length: 33 }, () =>
          der.set(der.seq(der.oid("2.5.4.3"), der.utf8String("x"))),
        ),
      ),
    ],
    ["no name", der.nullValue()],
  ];
  for (const [what, bytes] of broken) {
    t.throws(() => formatName(bytes), INVALID, what);
  }
  t.end();
});

t.test("pem", (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { maxLength: 4 }),
      (all) => {
        const text = all.map((each) => encodePem("CERTIFICATE", each)).join("# between\n");
        const back = decodePem(text.replaceAll("\n", "\r\n"));
        return back.map(({ der: each }) => asHex(each)).join() === all.map(asHex).join();
      },
    ),
    { seed: 1, numRuns: 100 },
  );
  t.same(decodePem("nothing here"), []);
  const begin = "-----BEGIN A-----";
  const end = "-----END A-----";
  const hostile: readonly (readonly [string, string, RegExp])[] = [
    ["not closed", `${begin}\nAAAA`, /not closed/],
    ["begun twice", `${begin}\n${begin}\n${end}`, /not closed/],
    ["other end", `${begin}\nAAAA\n-----END B-----`, /did not begin/],
    ["end alone", end, /did not begin/],
    ["empty", `${begin}\n${end}`, /not base64/],
    ["noise inside", `${begin}\nA!AA\n${end}`, /not base64/],
    ["base64url", `${begin}\n-_-_\n${end}`, /not base64/],
    ["bad padding", `${begin}\nAAA\n${end}`, /not base64/],
    ["headers", `${begin}\nProc-Type: 4,ENCRYPTED\n\nAAAA\n${end}`, /not base64/],
    ["3 MB", `${begin}\n${"A".repeat(3_000_000)}\n${end}`, /longer than/],
  ];
  for (const [name, text, message] of hostile) {
    t.throws(() => decodePem(text), { kind: "invalid", message }, name);
  }
  t.end();
});
