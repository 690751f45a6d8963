/** Keys in the transit secrets engine of OpenBao or HashiCorp Vault: made there, never exportable. */
import { createPublicKey } from "node:crypto";
import { errorFrom, fail } from "../../base/errors.ts";
import {
  type KeyType,
  type Signer,
  type TokenKeyType,
  isExperimental,
} from "../../keys/contract.ts";
import { keyTypeOfSpki } from "../../keys/public-key.ts";
import { signingHash } from "../../keys/software-signer.ts";
import {
  type VaultAnswer,
  VaultClient,
  type VaultClientOptions,
} from "../../vault/vault-client.ts";
import { checkSignature } from "./check-signature.ts";
import type { KeyManager } from "./contract.ts";
import { checkKeyName } from "./key-name.ts";

export interface VaultKeyManagerOptions extends VaultClientOptions {
  /** Path of the engine. */
  readonly mount: string;
  /** Stands in the names of all keys, so that servers can share an engine. Lower case. */
  readonly namespace: string;
}

/** @throws precondition when the engine cannot be used */
export async function openVaultKeyManager(options: VaultKeyManagerOptions): Promise<KeyManager> {
  const client = await VaultClient.open(options);
  const manager = new VaultKeyManager(client, options);
  try {
    await manager.list();
    return manager;
  } catch (cause) {
    await manager[Symbol.asyncDispose]();
    const why = errorFrom(cause).message;
    throw fail("precondition", `vault transit engine '${options.mount}': ${why}`, { cause });
  }
}

class VaultKeyManager implements KeyManager {
  readonly #client: VaultClient;
  readonly #mount: string;
  readonly #prefix: string;

  constructor(client: VaultClient, { mount, namespace }: VaultKeyManagerOptions) {
    this.#client = client;
    this.#mount = mount;
    // A trust domain has no upper case: no other one's names begin alike.
    this.#prefix = `assay-${namespace}-K-`;
  }

  problem(): string | undefined {
    return this.#client.problem;
  }

  async generate(name: string, keyType: KeyType): Promise<Signer> {
    checkKeyName(name);
    if (isExperimental(keyType)) {
      throw fail("unsupported", `the key manager vault makes no keys of type ${keyType}`);
    }
    // Vault leaves a key that is there as it is.
    await this.delete(name);
    const settings = {
      type: VAULT_TYPES[keyType],
      exportable: false,
      allow_plaintext_backup: false,
    };
    await this.#client.request("POST", this.#path("keys", name), settings);
    const signer = await this.get(name);
    if (signer?.keyType !== keyType) {
      throw fail("internal", `vault made no key of type ${keyType} under the name '${name}'`);
    }
    await checkSignature(signer);
    return signer;
  }

  async get(name: string): Promise<Signer | undefined> {
    const answer = await this.#client.request("GET", this.#path("keys", name));
    if (answer === undefined) return undefined;
    const { version, publicKey } = readKey(answer);
    const keyType = keyTypeOfSpki(publicKey);
    const hash = keyType === undefined ? undefined : signingHash(keyType);
    if (keyType === undefined || hash === undefined) {
      throw fail("invalid", `vault's key '${name}' is of another type`);
    }
    const path = this.#path("sign", name);
    return {
      keyType,
      publicKey,
      sign: async (data) => {
        const signed = await this.#client
          .request("POST", `${path}/${HASHES[hash]}`, {
            input: Buffer.from(data).toString("base64"),
            // Whoever rotates it in Vault makes another key, which no certificate is of.
            key_version: version,
            ...(keyType.startsWith("ec-")
              ? { marshaling_algorithm: "asn1" }
              : { signature_algorithm: "pkcs1v15" }),
          })
          .catch((thrown: unknown) => {
            const { message } = errorFrom(thrown);
            throw fail("unavailable", `vault did not sign with key '${name}': ${message}`, {
              cause: thrown,
            });
          });
        if (signed === undefined) throw fail("unavailable", `vault has no key '${name}' any more`);
        return readSignature(signed, version);
      },
    };
  }

  async list(): Promise<readonly string[]> {
    const answer = await this.#client.request("LIST", `${this.#mount}/keys`);
    const { keys = [] } = (answer?.["data"] ?? {}) as { readonly keys?: readonly unknown[] };
    return keys
      .map(String)
      .filter((key) => key.startsWith(this.#prefix))
      .map((key) => key.slice(this.#prefix.length))
      .sort();
  }

  async delete(name: string): Promise<boolean> {
    const path = this.#path("keys", name);
    if ((await this.#client.request("GET", path)) === undefined) return false;
    await this.#client.request("POST", `${path}/config`, { deletion_allowed: true });
    await this.#client.request("DELETE", path);
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }

  #path(kind: "keys" | "sign", name: string): string {
    return `${this.#mount}/${kind}/${encodeURIComponent(this.#prefix + name)}`;
  }
}

/** The newest version and its public key. @throws unavailable for an answer of another form */
function readKey({ data }: VaultAnswer): {
  readonly version: number;
  readonly publicKey: Uint8Array;
} {
  const { latest_version: version, keys } = (data ?? {}) as {
    readonly latest_version?: unknown;
    readonly keys?: Readonly<Record<string, { readonly public_key?: unknown } | undefined>>;
  };
  const pem = keys?.[String(version)]?.public_key;
  if (typeof version !== "number" || typeof pem !== "string") {
    throw fail("unavailable", "vault told no public key; is it a key that signs?");
  }
  try {
    const spki = createPublicKey(pem).export({ format: "der", type: "spki" });
    return { version, publicKey: new Uint8Array(spki) };
  } catch (cause) {
    throw fail("unavailable", "vault's public key cannot be read", { cause });
  }
}

/** `vault:v1:BASE64`. */
function readSignature({ data }: VaultAnswer, version: number): Uint8Array {
  const { signature } = (data ?? {}) as { readonly signature?: unknown };
  const prefix = `vault:v${version}:`;
  if (typeof signature === "string" && signature.startsWith(prefix)) {
    return new Uint8Array(Buffer.from(signature.slice(prefix.length), "base64"));
  }
  throw fail("unavailable", "vault answered with no signature of the key's version");
}

const VAULT_TYPES: Readonly<Record<TokenKeyType, string>> = {
  "ec-p256": "ecdsa-p256",
  "ec-p384": "ecdsa-p384",
  "rsa-2048": "rsa-2048",
  "rsa-3072": "rsa-3072",
  "rsa-4096": "rsa-4096",
};
const HASHES = { sha256: "sha2-256", sha384: "sha2-384", sha512: "sha2-512" } as const;
