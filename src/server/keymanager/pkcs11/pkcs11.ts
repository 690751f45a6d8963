import { readFile } from "node:fs/promises";
import { orAborted } from "../../../base/abort.ts";
import type { Clock } from "../../../base/clock.ts";
import { withDeadline } from "../../../base/deadline.ts";
import { errorFrom, fail } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import { Serial } from "../../../base/serial.ts";
import { ecdsaDerFromRaw } from "../../../keys/ecdsa-signature.ts";
import type { KeyType, Signer } from "../../../keys/contract.ts";
import { keyTypeOfSpki } from "../../../keys/public-key.ts";
import { checkSignature } from "../check-signature.ts";
import type { KeyManager } from "../contract.ts";
import { checkKeyName } from "../key-name.ts";
import { CKA, CKM, CKO } from "./constants.ts";
import { Cryptoki } from "./cryptoki.ts";
import { digestToSign, ecSpki, rsaSpki, tokenKeyKind } from "./public-key.ts";
import { Sessions } from "./sessions.ts";

export interface Pkcs11Options {
  /** Path of the module, a shared library. */
  readonly module: string;
  /** Label of the token. */
  readonly token: string;
  /** File with the user's PIN; a line break at its end is no part of it. */
  readonly pinFile?: string;
  /** The PIN itself; goes before the file. */
  readonly pin?: string;
  /** Stands in the labels of all keys, so that servers can share a token. */
  readonly namespace: string;
  /** For one signature; making a key may take twelve times as long. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Keys in a hardware security module, or whatever speaks PKCS #11: made in it, never extractable, found again by their
 * labels `assay/NAMESPACE/NAME`. The sessions room has the rules of its calls.
 * @throws precondition when the module, the token or the PIN is wrong
 */
export async function openPkcs11KeyManager(options: Pkcs11Options): Promise<KeyManager> {
  const { module, token, clock, timeoutMs } = options;
  const pin = await readPin(options);
  const cryptoki = Cryptoki.load(module);
  const limits = { clock, deadlineMs: timeoutMs * GENERATE_FACTOR, who: `pkcs11 module ${module}` };
  await withDeadline(limits, (signal) => orAborted(cryptoki.initialize(), signal));
  const sessions = new Sessions({ cryptoki, token, pin, clock, timeoutMs });
  const manager = new Pkcs11KeyManager(cryptoki, sessions, options);
  try {
    await manager.list();
    return manager;
  } catch (cause) {
    await manager[Symbol.asyncDispose]();
    throw fail("precondition", errorFrom(cause).message, { cause });
  }
}

class Pkcs11KeyManager implements KeyManager {
  readonly #cryptoki: Cryptoki;
  readonly #sessions: Sessions;
  readonly #options: Pkcs11Options;
  readonly #prefix: string;
  /** Keys come and go one at a time: SoftHSM fails now and then when several threads make them. */
  readonly #changes = new Serial();

  constructor(cryptoki: Cryptoki, sessions: Sessions, options: Pkcs11Options) {
    this.#cryptoki = cryptoki;
    this.#sessions = sessions;
    this.#options = options;
    this.#prefix = `assay/${options.namespace}/`;
  }

  problem(): string | undefined {
    return this.#sessions.problem;
  }

  async generate(name: string, keyType: KeyType): Promise<Signer> {
    checkKeyName(name);
    const id = Buffer.from(this.#options.random.bytes(16));
    const made = await this.#changes.run(() =>
      this.#sessions.run(
        (session) => this.#make(session, name, keyType, id),
        this.#options.timeoutMs * GENERATE_FACTOR,
      ),
    );
    const signer = this.#signer(name, id, made);
    try {
      if (signer.keyType !== keyType) {
        throw fail("internal", `the token made a key of type ${signer.keyType}, not ${keyType}`);
      }
      await checkSignature(signer);
    } catch (thrown) {
      await this.#destroy(name, (other) => other.equals(id)).catch(() => undefined);
      throw thrown;
    }
    await this.#destroy(name, (other) => !other.equals(id));
    return signer;
  }

  async get(name: string): Promise<Signer | undefined> {
    const found = await this.#sessions.run(async (session) => {
      const keys = await this.#cryptoki.find(session, this.#called(CKO.privateKey, name));
      // The newest one, should a crash have left two.
      for (const key of [...keys].reverse()) {
        const id = await this.#cryptoki.attribute(session, key, CKA.id);
        const publicKey = await this.#publicKey(session, name, id);
        if (publicKey !== undefined) return { id, publicKey };
      }
      return undefined;
    });
    return found === undefined ? undefined : this.#signer(name, found.id, found.publicKey);
  }

  async list(): Promise<readonly string[]> {
    const labels = await this.#sessions.run(async (session) => {
      const found = new Set<string>();
      const all = [
        [CKA.class, CKO.privateKey],
        [CKA.token, true],
      ] as const;
      for (const key of await this.#cryptoki.find(session, all)) {
        found.add((await this.#cryptoki.attribute(session, key, CKA.label)).toString("utf8"));
      }
      return found;
    }, this.#options.timeoutMs * GENERATE_FACTOR);
    const own = [...labels].filter((label) => label.startsWith(this.#prefix));
    return own.map((label) => label.slice(this.#prefix.length)).sort();
  }

  delete(name: string): Promise<boolean> {
    return this.#destroy(name, () => true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The module stays initialized: others in this process may use it.
    await this.#sessions[Symbol.asyncDispose]();
  }

  async #make(session: bigint, name: string, keyType: KeyType, id: Buffer): Promise<Uint8Array> {
    const cryptoki = this.#cryptoki;
    const kind = tokenKeyKind(keyType);
    const label = Buffer.from(this.#prefix + name);
    const common = [
      [CKA.token, true],
      [CKA.label, label],
      [CKA.id, id],
    ] as const;
    const publicKey = cryptoki.template([
      ...common,
      [CKA.verify, true],
      ...(kind.family === "ec"
        ? ([[CKA.ecParams, kind.params]] as const)
        : ([
            [CKA.modulusBits, kind.bits],
            [CKA.publicExponent, Buffer.of(1, 0, 1)],
          ] as const)),
    ]);
    const privateKey = cryptoki.template([
      ...common,
      [CKA.private, true],
      [CKA.sensitive, true],
      [CKA.extractable, false],
      [CKA.sign, true],
    ]);
    const handles = [Buffer.alloc(8), Buffer.alloc(8)] as const;
    const mechanism = kind.family === "ec" ? CKM.ecKeyPairGen : CKM.rsaKeyPairGen;
    await cryptoki.call(
      "C_GenerateKeyPair",
      session,
      cryptoki.mechanism(mechanism),
      publicKey,
      publicKey.count,
      privateKey,
      privateKey.count,
      ...handles,
    );
    return this.#spki(session, handles[0].readBigUInt64LE());
  }

  async #publicKey(session: bigint, name: string, id: Buffer): Promise<Uint8Array | undefined> {
    const wanted = [...this.#called(CKO.publicKey, name), [CKA.id, id] as const];
    const [object] = await this.#cryptoki.find(session, wanted);
    return object === undefined ? undefined : this.#spki(session, object);
  }

  async #spki(session: bigint, object: bigint): Promise<Uint8Array> {
    const read = (type: number): Promise<Buffer> => this.#cryptoki.attribute(session, object, type);
    const type = (await read(CKA.keyType)).readBigUInt64LE();
    if (type === CKK_EC) return ecSpki(await read(CKA.ecParams), await read(CKA.ecPoint));
    if (type === CKK_RSA) return rsaSpki(await read(CKA.modulus), await read(CKA.publicExponent));
    throw fail("invalid", "the token holds a key of a type that is not supported under this name");
  }

  #signer(name: string, id: Buffer, publicKey: Uint8Array): Signer {
    const keyType = keyTypeOfSpki(publicKey);
    if (keyType === undefined) throw fail("invalid", "the token's key is not supported");
    const isEc = keyType.startsWith("ec-");
    let handle: { readonly epoch: number; readonly key: bigint } | undefined;
    const sign = async (session: bigint, epoch: number, data: Uint8Array): Promise<Uint8Array> => {
      const cryptoki = this.#cryptoki;
      if (handle?.epoch !== epoch) {
        const wanted = [...this.#called(CKO.privateKey, name), [CKA.id, id] as const];
        const [key] = await cryptoki.find(session, wanted);
        if (key === undefined) throw fail("unavailable", `the token has no key '${name}' any more`);
        handle = { epoch, key };
      }
      const mechanism = cryptoki.mechanism(isEc ? CKM.ecdsa : CKM.rsaPkcs);
      await cryptoki.call("C_SignInit", session, mechanism, handle.key);
      const input = digestToSign(keyType, data);
      const signature = Buffer.alloc(MAX_SIGNATURE);
      const length = Buffer.alloc(8);
      length.writeBigUInt64LE(BigInt(MAX_SIGNATURE));
      await cryptoki.call("C_Sign", session, input, input.length, signature, length);
      const raw = new Uint8Array(signature.subarray(0, Number(length.readBigUInt64LE())));
      return isEc ? ecdsaDerFromRaw(raw) : raw;
    };
    return {
      keyType,
      publicKey,
      sign: (data) => this.#sessions.run((session, epoch) => sign(session, epoch, data)),
    };
  }

  /** @returns whether there was a private key among them */
  #destroy(name: string, isMeant: (id: Buffer) => boolean): Promise<boolean> {
    return this.#changes.run(() =>
      this.#sessions.run(async (session) => {
        const cryptoki = this.#cryptoki;
        let found = false;
        for (const kind of [CKO.privateKey, CKO.publicKey]) {
          for (const object of await cryptoki.find(session, this.#called(kind, name))) {
            if (!isMeant(await cryptoki.attribute(session, object, CKA.id))) continue;
            await cryptoki.call("C_DestroyObject", session, object);
            found ||= kind === CKO.privateKey;
          }
        }
        return found;
      }),
    );
  }

  #called(kind: number, name: string) {
    return [
      [CKA.class, kind],
      [CKA.token, true],
      [CKA.label, Buffer.from(this.#prefix + name)],
    ] as const;
  }
}

async function readPin({ pin, pinFile }: Pkcs11Options): Promise<Buffer> {
  if (pin !== undefined) return Buffer.from(pin);
  if (pinFile === undefined) throw fail("invalid", "pkcs11 needs the token's PIN, in a file");
  try {
    const text = await readFile(pinFile, "utf8");
    return Buffer.from(text.replace(/\r?\n$/, ""));
  } catch (cause) {
    throw fail("precondition", `PIN file ${pinFile} cannot be read; check its owner and rights`, {
      cause,
    });
  }
}

const CKK_RSA = 0n;
const CKK_EC = 3n;
/** RSA-4096 has 512 bytes. */
const MAX_SIGNATURE = 1024;
const GENERATE_FACTOR = 12;
