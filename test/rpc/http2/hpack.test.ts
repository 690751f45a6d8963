import fc from "fast-check";
import t from "tap";
import { errorFrom } from "../../../src/base/errors.ts";
import { decodeHeaderBlock, encodeHeaderBlock } from "../../../src/rpc/http2/hpack/header-block.ts";
import { HpackCursor } from "../../../src/rpc/http2/hpack/cursor.ts";
import { HpackTable } from "../../../src/rpc/http2/hpack/table.ts";
import { decodeHuffman } from "../../../src/rpc/http2/hpack/huffman.ts";
import { Encoder, type Header, INCREMENTAL, huffman, integer, string } from "./raw-client.ts";

const BOUNDS = { maxBytes: 32 * 1024, maxFields: 100 };

/** The kind of error that `run` throws. */
function kindOf(run: () => unknown): string | undefined {
  try {
    run();
  } catch (error) {
    return errorFrom(error).kind;
  }
  return undefined;
}

t.test("integers", (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 24 }), fc.integer({ min: 1, max: 8 }), (n, bits) => {
      return new HpackCursor(integer(n, bits, 0)).integer(bits) === n;
    }),
    { seed: 1, numRuns: 500 },
  );
  for (const [name, bytes] of [
    ["cut off", Buffer.of(0x7f)],
    ["without an end", Buffer.alloc(40, 0xff)],
    ["zeros without an end", Buffer.from([0x7f, ...Array(40).fill(0x80), 0])],
    ["above the bound", integer(2 ** 31, 7, 0)],
  ] as const) {
    t.equal(
      kindOf(() => new HpackCursor(bytes).integer(7)),
      "invalid",
      name,
    );
  }
  t.end();
});

t.test("strings and Huffman code", (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, coded) => {
      const text = Buffer.from(bytes).toString("latin1");
      return new HpackCursor(string(text, coded)).string() === text;
    }),
    { seed: 1, numRuns: 500 },
  );
  t.equal(decodeHuffman(huffman("www.example.com")), "www.example.com");
  t.equal(huffman("www.example.com").toString("hex"), "f1e3c2e5f23a6ba0ab90f4ff", "RFC 7541 C.4.1");
  const bad: [string, Buffer][] = [
    ["padding of eight ones", Buffer.from([...huffman("w0"), 0xff])],
    ["padding with a zero", Buffer.of(0b00000_000)],
    ["the end symbol", Buffer.from([0xff, 0xff, 0xff, 0xff])],
    ["cut within a code", Buffer.from([0xff, 0xfe])],
  ];
  for (const [name, bytes] of bad) {
    t.equal(
      kindOf(() => decodeHuffman(bytes)),
      "invalid",
      name,
    );
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const kinds = [
        kindOf(() => new HpackCursor(bytes).string()),
        kindOf(() => decodeHeaderBlock(bytes, new HpackTable(), BOUNDS)),
      ];
      return kinds.every((kind) => kind === undefined || kind === "invalid");
    }),
    { seed: 1, numRuns: 3000 },
  );
  t.end();
});

t.test("headers above the bounds are decoded for the table, and kept by nobody", (t) => {
  const encoder = new Encoder();
  const big: Header = ["x", "v".repeat(3000)];
  const table = new HpackTable();
  const block = Buffer.concat([encoder.encode(big, INCREMENTAL), Buffer.alloc(16_000, 0x80 | 62)]);
  t.equal(decodeHeaderBlock(block, table, BOUNDS), undefined, "too large");
  t.same(decodeHeaderBlock(Buffer.of(0x80 | 62), table, BOUNDS), big, "the table has the entry");
  t.equal(decodeHeaderBlock(Buffer.alloc(101, 0x82), table, BOUNDS), undefined, "too many");
  t.equal(decodeHeaderBlock(Buffer.alloc(100, 0x82), table, BOUNDS)?.length, 200);
  t.end();
});

t.test("what we encode, we decode, and no table is touched", (t) => {
  const field = fc.oneof(
    fc.tuple(
      fc.constantFrom(":status", "content-type", "via", "x"),
      fc.constantFrom("200", "204", "", "a"),
    ),
    fc.tuple(fc.stringMatching(/^[a-z-]{1,20}$/), fc.stringMatching(/^[ -~]{0,300}$/)),
  );
  fc.assert(
    fc.property(fc.array(field, { maxLength: 10 }), (fields) => {
      const table = new HpackTable();
      const decoded = decodeHeaderBlock(encodeHeaderBlock(fields.flat()), table, BOUNDS);
      t.same(decoded, fields.flat());
      return kindOf(() => table.entry(62)) === "invalid";
    }),
    { seed: 1, numRuns: 300 },
  );
  t.equal(Buffer.from(encodeHeaderBlock([":status", "200"])).toString("hex"), "88");
  t.end();
});

t.test("the dynamic table forgets what it must", (t) => {
  const entry = (n: number): { name: string; value: string } => ({
    name: "n",
    value: "v".repeat(n - 33),
  });
  const table = new HpackTable();
  table.insert(entry(1000));
  table.insert(entry(3096));
  t.same(table.entry(63), entry(1000), "4,096 bytes fit");
  table.insert(entry(33));
  t.equal(
    kindOf(() => table.entry(64)),
    "invalid",
    "one more drives the oldest out",
  );
  t.same(table.entry(63), entry(3096));
  table.resize(3128);
  t.equal(
    kindOf(() => table.entry(63)),
    "invalid",
  );
  t.same(table.entry(62), entry(33));
  table.insert(entry(3129));
  t.equal(
    kindOf(() => table.entry(62)),
    "invalid",
    "too large an entry empties the table",
  );
  t.equal(
    kindOf(() => table.entry(0)),
    "invalid",
  );
  t.end();
});
