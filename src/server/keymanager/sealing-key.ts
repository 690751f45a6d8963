import { createHmac } from "node:crypto";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { toBase64 } from "../../base/bytes.ts";
import { type AssayError, fail, hasCode } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { ensurePrivateFolder, replaceFile } from "../../base/durable-file.ts";

/** The key-encryption key of a disk key manager: 32 bytes, never logged, never part of an error. */
export interface SealingKey {
  readonly bytes: Uint8Array;
  /** Where it came from, for messages: a path, or the words for a key given as text. */
  readonly source: string;
  /**
   * 16 hex digits that tell one sealing key from another without saying anything about it (an HMAC of a constant):
   * they stand in the sealed file, so that a wrong key is told apart from a damaged file.
   */
  readonly fingerprint: string;
}

export interface LoadSealingKeyParams {
  /** Path of a file with the key (a systemd credential is such a path). */
  readonly keyFile: string;
  /** The key itself (from the environment); goes before the file. */
  readonly keyText?: string;
  /** Path of the file with sealed keys when it exists already: then no new sealing key is made. */
  readonly sealedFile?: string;
  readonly random: Random;
}

/**
 * Takes the sealing key from the text or from the file; makes the file (mode 0600, durable) when it is missing and
 * nothing is sealed yet.
 * @throws precondition when the file is missing but sealed keys exist, or cannot be read; invalid when it is no key
 */
export async function loadSealingKey(params: LoadSealingKeyParams): Promise<SealingKey> {
  const { keyFile, keyText, sealedFile } = params;
  if (keyText !== undefined) return sealingKey(parseKeyText(keyText, KEY_TEXT), KEY_TEXT);
  const text = await readKeyFile(keyFile);
  if (text !== undefined) {
    const source = `key file ${keyFile}`;
    return sealingKey(parseKeyText(text, source), source);
  }
  if (sealedFile !== undefined) {
    throw fail(
      "precondition",
      `key file ${keyFile} is missing but ${sealedFile} holds keys sealed with it; restore it from a backup`,
    );
  }
  return makeKeyFile(keyFile, params.random);
}

function sealingKey(bytes: Uint8Array, source: string): SealingKey {
  const mac = createHmac("sha256", bytes).update("assay sealing key fingerprint 1").digest("hex");
  return { bytes, source, fingerprint: mac.slice(0, 16) };
}

function parseKeyText(text: string, source: string): Uint8Array {
  const trimmed = text.trim();
  if (HEX_KEY.test(trimmed)) return Buffer.from(trimmed, "hex");
  if (BASE64_KEY.test(trimmed)) {
    const bytes = Buffer.from(trimmed, "base64");
    if (bytes.length === KEY_LENGTH) return bytes;
  }
  throw fail(
    "invalid",
    `${source} does not hold a sealing key; it must be 32 bytes as base64 or hex, as \`openssl rand -base64 32\` prints`,
  );
}

async function readKeyFile(path: string): Promise<string | undefined> {
  try {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      // A key is 64 characters at most; whatever is larger was named by mistake and is not read into memory.
      if (size > MAX_KEY_FILE) return "";
      return await handle.readFile("latin1");
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return undefined;
    throw unreadable(path, thrown);
  }
}

async function makeKeyFile(path: string, random: Random): Promise<SealingKey> {
  const bytes = Uint8Array.from(random.bytes(KEY_LENGTH));
  try {
    await ensurePrivateFolder(dirname(path));
    // Whole or not at all: half a key file would stop the next start.
    await replaceFile(path, `${toBase64(bytes)}\n`);
    return sealingKey(bytes, `key file ${path}`);
  } catch (thrown) {
    throw fail("precondition", `key file ${path} cannot be made; check its folder's permissions`, {
      cause: thrown,
    });
  }
}

function unreadable(path: string, cause: unknown): AssayError {
  return fail("precondition", `key file ${path} cannot be read; check its owner and permissions`, {
    cause,
  });
}

const KEY_TEXT = "the key given as text";
const KEY_LENGTH = 32;
const MAX_KEY_FILE = 4096;
const HEX_KEY = /^[0-9a-fA-F]{64}$/;
const BASE64_KEY = /^[A-Za-z0-9+/_-]{43}=?$/;
