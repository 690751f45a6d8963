import { fail } from "../../../base/errors.ts";

/**
 * Decodes a Huffman-coded HPACK string (RFC 7541 §5.2) into one character per byte.
 * Throws `invalid` for a coded EOS, for padding of eight bits or more and for padding that is not all ones.
 */
export function decodeHuffman(coded: Uint8Array): string {
  const end = coded.length * 8;
  const bytes = coded.length * 2 > SCRATCH.length ? Buffer.alloc(coded.length * 2) : SCRATCH;
  let count = 0;
  let at = 0;
  while (at < end) {
    const short = SHORT[eightBits(coded, at)] ?? 0;
    const length = short >> 8;
    if (short !== 0 && length <= end - at) {
      bytes[count++] = short & 0xff;
      at += length;
      continue;
    }
    const long = short === 0 ? longCode(coded, at) : undefined;
    if (long === undefined) {
      checkPadding(coded, at);
      break;
    }
    if (long.symbol === EOS) throw fail("invalid", "a coded string holds the end symbol");
    bytes[count++] = long.symbol;
    at += long.length;
  }
  return bytes.toString("latin1", 0, count);
}

/** From the bit `at` on; ones behind the end. */
function eightBits(coded: Uint8Array, at: number): number {
  const byte = at >> 3;
  return ((((coded[byte] ?? 0xff) << 8) | (coded[byte + 1] ?? 0xff)) >> (8 - (at & 7))) & 0xff;
}

/** A code of more than eight bits, bit by bit; undefined when the string ends within it. */
function longCode(
  coded: Uint8Array,
  from: number,
): { readonly symbol: number; readonly length: number } | undefined {
  let code = 0;
  for (let at = from, length = 1; at < coded.length * 8; at++, length++) {
    code = (code << 1) | (((coded[at >> 3] ?? 0) >> (7 - (at & 7))) & 1);
    const index = code - (FIRST_CODE[length] ?? 0);
    if (index < (COUNT[length] ?? 0)) {
      return { symbol: SYMBOLS[(FIRST_INDEX[length] ?? 0) + index] ?? EOS, length };
    }
  }
  return undefined;
}

function checkPadding(coded: Uint8Array, at: number): void {
  const bits = coded.length * 8 - at;
  const ones = (1 << bits) - 1;
  if (bits <= 7 && ((coded.at(-1) ?? 0) & ones) === ones) return;
  throw fail("invalid", "a coded string is padded with up to seven ones");
}

const EOS = 256;
/** The shortest code has five bits. */
const SCRATCH = Buffer.alloc(8192);

/** Bits of each byte's code, then of EOS; the codes follow, since the code is canonical (RFC 7541 appendix B). */
export const CODE_LENGTHS: readonly number[] = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
  28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5,
  6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6,
  7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23,
  23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22,
  22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22,
  23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27,
  27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25,
  24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/** Symbols in the order of their codes; per length the first code, its place in SYMBOLS and how many there are. */
const SYMBOLS = CODE_LENGTHS.map((_, symbol) => symbol).sort(
  (a, b) => (CODE_LENGTHS[a] ?? 0) - (CODE_LENGTHS[b] ?? 0) || a - b,
);
const COUNT: number[] = Array(31).fill(0);
for (const length of CODE_LENGTHS) COUNT[length] = (COUNT[length] ?? 0) + 1;
const FIRST_CODE: number[] = [];
const FIRST_INDEX: number[] = [];
for (let length = 0, code = 0, index = 0; length <= 30; length++) {
  FIRST_CODE.push(code);
  FIRST_INDEX.push(index);
  code = (code + (COUNT[length] ?? 0)) << 1;
  index += COUNT[length] ?? 0;
}

/** By the next eight bits: length and symbol of a code that is no longer; 0 where it is. */
const SHORT = new Uint16Array(256);
for (const [index, symbol] of SYMBOLS.entries()) {
  const length = CODE_LENGTHS[symbol] ?? 0;
  if (length > 8) break;
  const code = (FIRST_CODE[length] ?? 0) + index - (FIRST_INDEX[length] ?? 0);
  const first = code << (8 - length);
  SHORT.fill((length << 8) | symbol, first, first + (1 << (8 - length)));
}
