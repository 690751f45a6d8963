/** The two archives that a Debian package is made of: tar (POSIX ustar) inside ar. */

export interface ArchivedFile {
  /** Relative, with `./`, below 100 bytes; one that ends in a slash is a folder. */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
}

/** POSIX.1-1988 ustar, owned by root. @param at epoch seconds that all files are said to be of */
export function tar(files: readonly ArchivedFile[], at: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const { path, bytes, mode } of files) {
    parts.push(tarHeader(path, mode, bytes.length, at), bytes);
    parts.push(new Uint8Array((BLOCK - (bytes.length % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...parts, new Uint8Array(2 * BLOCK)]);
}

/** The common ar format, as deb(5) wants it. */
export function ar(
  members: readonly { readonly name: string; readonly bytes: Uint8Array }[],
  at: number,
): Uint8Array {
  const parts: Uint8Array[] = [Buffer.from("!<arch>\n")];
  for (const { name, bytes } of members) {
    const fields = [
      name.padEnd(16),
      String(at).padEnd(12),
      "0".padEnd(6),
      "0".padEnd(6),
      "100644".padEnd(8),
      String(bytes.length).padEnd(10),
    ];
    parts.push(Buffer.from(`${fields.join("")}\`\n`, "latin1"), bytes);
    if (bytes.length % 2 === 1) parts.push(Buffer.from("\n"));
  }
  return Buffer.concat(parts);
}

function tarHeader(path: string, mode: number, size: number, at: number): Uint8Array {
  if (Buffer.byteLength(path) > MAX_PATH)
    throw new TypeError(`a path in a tar is too long: ${path}`);
  const header = Buffer.alloc(BLOCK);
  header.write(path, 0, "utf8");
  header.write(octal(mode, 7), 100);
  header.write(octal(0, 7), 108);
  header.write(octal(0, 7), 116);
  header.write(octal(size, 11), 124);
  header.write(octal(at, 11), 136);
  // Of the sum over the header itself, eight blanks.
  header.write(" ".repeat(8), 148);
  header.write(path.endsWith("/") ? "5" : "0", 156);
  header.write("ustar\u000000", 257, "latin1");
  header.write("root", 265);
  header.write("root", 297);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${octal(sum, 6)}\u0000 `, 148, "latin1");
  return header;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}

const BLOCK = 512;
const MAX_PATH = 99;
