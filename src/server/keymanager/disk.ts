import { open } from "node:fs/promises";
import { join } from "node:path";
import { fail, hasCode } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { Serial } from "../../base/serial.ts";
import type { KeyType, Signer } from "../../keys/contract.ts";
import { generateKey, signerFromPkcs8 } from "../../keys/software-signer.ts";
import type { KeyManager } from "./contract.ts";
import { ensurePrivateFolder, replaceFile } from "../../base/durable-file.ts";
import { checkKeyName } from "./key-name.ts";
import {
  type SealedKey,
  damaged,
  encodeSealedFile,
  openSealedKey,
  parseSealedFile,
  sealKey,
} from "./sealed-keys.ts";
import { type SealingKey, loadSealingKey } from "./sealing-key.ts";

export interface DiskKeyManagerOptions {
  /** Folder that holds `keys.json`; made with mode 0700 when missing. One process at a time. */
  readonly dir: string;
  /** Path of the file with the sealing key: 32 bytes as base64 or hex; made (0600) when missing and nothing is sealed. */
  readonly keyFile: string;
  /** The sealing key itself, base64 or hex; the key file is then not looked at. */
  readonly keyText?: string;
  readonly random: Random;
}

/**
 * Keys in one file, sealed one by one (sealed-keys.ts), written anew as a whole and atomically for each change.
 * Everything is opened at the start: a wrong key or a damaged file is found before anything is signed.
 * @throws precondition or invalid, with the way out
 */
export async function openDiskKeyManager(options: DiskKeyManagerOptions): Promise<KeyManager> {
  const { dir, keyFile, keyText, random } = options;
  const path = join(dir, FILE_NAME);
  const text = await readSealedFile(path);
  const file = text === undefined ? undefined : parseSealedFile(text, path);
  const sealingKey = await loadSealingKey({
    keyFile,
    random,
    ...(keyText === undefined ? {} : { keyText }),
    ...(file === undefined || file.keys.size === 0 ? {} : { sealedFile: path }),
  });
  const sealed = file?.keys ?? new Map<string, SealedKey>();
  if (file !== undefined && sealed.size > 0 && file.sealedWith !== sealingKey.fingerprint) {
    throw fail(
      "precondition",
      `${path} was sealed with another key than ${sealingKey.source}; use the key it was sealed with`,
    );
  }
  const signers = new Map<string, Signer>();
  for (const [name, key] of sealed) signers.set(name, unseal(name, key, sealingKey, path));
  await ensurePrivateFolder(dir).catch((thrown: unknown) => {
    throw fail("precondition", `folder ${dir} cannot be made; check the permissions above it`, {
      cause: thrown,
    });
  });
  return new DiskKeyManager({ path, sealingKey, random, sealed, signers });
}

interface DiskState {
  readonly path: string;
  readonly sealingKey: SealingKey;
  readonly random: Random;
  readonly sealed: ReadonlyMap<string, SealedKey>;
  readonly signers: Map<string, Signer>;
}

class DiskKeyManager implements KeyManager {
  readonly #state: DiskState;
  #sealed: ReadonlyMap<string, SealedKey>;
  readonly #writes = new Serial();

  constructor(state: DiskState) {
    this.#state = state;
    this.#sealed = state.sealed;
  }

  async generate(name: string, keyType: KeyType): Promise<Signer> {
    checkKeyName(name);
    const { sealingKey, random, signers } = this.#state;
    const { signer, pkcs8 } = await generateKey(keyType);
    const key = sealKey({ name, type: keyType, pkcs8, sealingKey, random });
    pkcs8.fill(0);
    await this.#writes.run(async () => {
      await this.#save(new Map(this.#sealed).set(name, key));
      signers.set(name, signer);
    });
    return signer;
  }

  get(name: string): Promise<Signer | undefined> {
    return Promise.resolve(this.#state.signers.get(name));
  }

  list(): Promise<readonly string[]> {
    return Promise.resolve([...this.#state.signers.keys()].sort());
  }

  delete(name: string): Promise<boolean> {
    return this.#writes.run(async () => {
      if (!this.#sealed.has(name)) return false;
      const rest = new Map(this.#sealed);
      rest.delete(name);
      await this.#save(rest);
      return this.#state.signers.delete(name);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writes.idle();
    this.#state.signers.clear();
  }

  async #save(keys: ReadonlyMap<string, SealedKey>): Promise<void> {
    const { path, sealingKey } = this.#state;
    try {
      await replaceFile(path, encodeSealedFile({ sealedWith: sealingKey.fingerprint, keys }));
    } catch (thrown) {
      throw fail(
        "unavailable",
        `${path} cannot be written; check the disk's free space and rights`,
        {
          cause: thrown,
        },
      );
    }
    this.#sealed = keys;
  }
}

function unseal(name: string, key: SealedKey, sealingKey: SealingKey, path: string): Signer {
  const pkcs8 = openSealedKey(name, key, sealingKey);
  if (pkcs8 === undefined) throw damaged(path, `holds key '${name}' that does not open`);
  const signer = signerFromPkcs8(pkcs8);
  if (signer.keyType !== key.type) throw damaged(path, `holds key '${name}' of another type`);
  pkcs8.fill(0);
  return signer;
}

async function readSealedFile(path: string): Promise<string | undefined> {
  try {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      if (size > MAX_FILE_SIZE) throw damaged(path, `is larger than ${MAX_FILE_SIZE} bytes`);
      return await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  } catch (thrown) {
    if (hasCode(thrown, "ENOENT")) return undefined;
    if (thrown instanceof Error && "code" in thrown) {
      throw fail("precondition", `${path} cannot be read; check its owner and permissions`, {
        cause: thrown,
      });
    }
    throw thrown;
  }
}

const FILE_NAME = "keys.json";
/** Far above any real number of authorities (one key takes about 500 bytes, RSA-4096 3,500). */
const MAX_FILE_SIZE = 16 * 1024 * 1024;
