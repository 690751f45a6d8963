/**
 * The format of keys at rest, version 1: a JSON object
 *
 *   { "version": 1, "sealedWith": <fingerprint of the sealing key>,
 *     "keys": { <name>: { "type": <KeyType>, "nonce": <base64, 12 bytes>, "sealed": <base64> } } }
 *
 * `sealed` is AES-256-GCM (NIST SP 800-38D) over the PKCS #8 key, tag behind it, with a fresh nonce for each writing
 * of a key and name and type as additional data: a sealed key cannot be moved to another name or type.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { concatBytes, toBase64 } from "../../base/bytes.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import { isObject } from "../../base/is-object.ts";
import type { Random } from "../../base/random.ts";
import { ALL_KEY_TYPES, type KeyType } from "../../keys/contract.ts";
import { KEY_NAME } from "./key-name.ts";
import type { SealingKey } from "./sealing-key.ts";

export interface SealedKey {
  readonly type: KeyType;
  readonly nonce: string;
  readonly sealed: string;
}

export interface SealedFile {
  readonly sealedWith: string;
  readonly keys: ReadonlyMap<string, SealedKey>;
}

export function encodeSealedFile(file: SealedFile): string {
  const keys = Object.fromEntries(file.keys);
  return `${JSON.stringify({ version: VERSION, sealedWith: file.sealedWith, keys }, undefined, 1)}\n`;
}

/** @throws precondition, naming the file and the way out */
export function parseSealedFile(text: string, path: string): SealedFile {
  const file = parseObject(text, path);
  const version = file["version"];
  if (typeof version !== "number" || !Number.isInteger(version) || version < 1) {
    throw damaged(path, "has no format version");
  }
  if (version > VERSION) {
    throw fail(
      "precondition",
      `${path} has format version ${version} and this program reads up to ${VERSION}; run a newer version of assay`,
    );
  }
  const { sealedWith, keys } = file;
  if (typeof sealedWith !== "string" || !isObject(keys)) throw damaged(path, "lacks a member");
  return {
    sealedWith,
    keys: new Map(
      Object.entries(keys).map(([name, key]) => [name, checkSealedKey(name, key, path)]),
    ),
  };
}

export interface SealParams {
  readonly name: string;
  readonly type: KeyType;
  readonly pkcs8: Uint8Array;
  readonly sealingKey: SealingKey;
  readonly random: Random;
}

export function sealKey(params: SealParams): SealedKey {
  const { name, type, pkcs8, sealingKey, random } = params;
  const nonce = random.bytes(NONCE_LENGTH);
  const cipher = createCipheriv("aes-256-gcm", sealingKey.bytes, nonce);
  cipher.setAAD(additionalData(name, type));
  const sealed = concatBytes([cipher.update(pkcs8), cipher.final(), cipher.getAuthTag()]);
  return { type, nonce: toBase64(nonce), sealed: toBase64(sealed) };
}

/** @returns the PKCS #8 key, or undefined when the sealing key is another one or a byte was changed */
export function openSealedKey(
  name: string,
  key: SealedKey,
  sealingKey: SealingKey,
): Uint8Array | undefined {
  const nonce = Buffer.from(key.nonce, "base64");
  const sealed = Buffer.from(key.sealed, "base64");
  if (nonce.length !== NONCE_LENGTH || sealed.length <= TAG_LENGTH) return undefined;
  const split = sealed.length - TAG_LENGTH;
  const options = { authTagLength: TAG_LENGTH };
  const decipher = createDecipheriv("aes-256-gcm", sealingKey.bytes, nonce, options);
  decipher.setAAD(additionalData(name, key.type));
  decipher.setAuthTag(sealed.subarray(split));
  try {
    return concatBytes([decipher.update(sealed.subarray(0, split)), decipher.final()]);
  } catch {
    // OpenSSL says only that the tag does not fit; the caller knows which file that was.
    return undefined;
  }
}

export function damaged(path: string, why: string): AssayError {
  return fail(
    "precondition",
    `${path} is damaged (it ${why}); restore it from a backup, or move it away to start with new authorities`,
  );
}

function additionalData(name: string, type: KeyType): Buffer {
  return Buffer.from(`assay key ${VERSION}\0${name}\0${type}`);
}

function parseObject(text: string, path: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's message would quote the content.
    throw damaged(path, "is not whole JSON");
  }
  if (!isObject(value)) throw damaged(path, "is not a JSON object");
  return value;
}

function checkSealedKey(name: string, value: unknown, path: string): SealedKey {
  if (!KEY_NAME.test(name) || !isObject(value)) throw damaged(path, "holds a malformed key");
  const { type, nonce, sealed } = value;
  const keyType = ALL_KEY_TYPES.find((known) => known === type);
  if (keyType === undefined || typeof nonce !== "string" || typeof sealed !== "string") {
    throw damaged(path, `holds a malformed key '${name}'`);
  }
  return { type: keyType, nonce, sealed };
}

const VERSION = 1;
const NONCE_LENGTH = 12;
const TAG_LENGTH = 16;
