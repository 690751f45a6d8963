/**
 * A PKCS #11 module, called by its own C interface through koffi: 64-bit Linux, where CK_ULONG has eight bytes and
 * structures are not packed. Each call runs on a thread of libuv's pool, never on the event loop.
 */
import { createRequire } from "node:module";
import { AssayError, errorFrom, fail } from "../../../base/errors.ts";
import { CKF, CKR, answerName } from "./constants.ts";

/** A call that the module answered with something other than success. */
export class Pkcs11Error extends AssayError {
  readonly rv: number;

  constructor(name: FunctionName, rv: number) {
    super("unavailable", `${name} failed: ${answerName(rv)}`);
    this.rv = rv;
  }
}

export type Attribute = readonly [type: number, value: Buffer | boolean | number];

/** A CK_ATTRIBUTE array, and the values that its addresses lead to. */
class Template {
  readonly bytes: Buffer;
  readonly values: readonly Buffer[];

  constructor(bytes: Buffer, values: readonly Buffer[]) {
    this.bytes = bytes;
    this.values = values;
  }

  get count(): number {
    return this.values.length;
  }
}

export class Cryptoki {
  readonly #koffi: Koffi;
  readonly #functions: ReadonlyMap<FunctionName, ForeignFunction>;

  private constructor(koffi: Koffi, functions: ReadonlyMap<FunctionName, ForeignFunction>) {
    this.#koffi = koffi;
    this.#functions = functions;
  }

  /** @throws precondition when the file is no module for this machine */
  static load(path: string): Cryptoki {
    if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) {
      throw fail("unsupported", "pkcs11 works on 64-bit Linux only; use another key manager");
    }
    try {
      const koffi = createRequire(import.meta.url)("koffi") as Koffi;
      const library = koffi.load(path);
      // koffi unloads a library with its object, whatever was decoded from it: modules stay for good.
      LOADED.add(library);
      const getList = library.func("ulong C_GetFunctionList(void *list)");
      const out = Buffer.alloc(8);
      const rv = getList(out);
      if (rv !== CKR.ok) throw new Pkcs11Error("C_GetFunctionList", rv);
      const list = out.readBigUInt64LE();
      if (list === 0n) throw fail("precondition", "it has no list of functions");
      const functions = new Map<FunctionName, ForeignFunction>();
      for (const [name, { at, takes }] of Object.entries(FUNCTIONS)) {
        // CK_VERSION stands before the pointers, padded to one.
        const address = koffi.decode(list, 8 * (1 + at), "void *");
        if (address === null) throw fail("precondition", `it has no ${name}`);
        const proto = koffi.proto("ulong", [...takes]);
        functions.set(name as FunctionName, koffi.decode(address, proto) as ForeignFunction);
      }
      return new Cryptoki(koffi, functions);
    } catch (thrown) {
      const { message } = errorFrom(thrown);
      const why = thrown instanceof Error ? thrown.message : message;
      throw fail("precondition", `pkcs11 module ${path} cannot be loaded: ${why}`, {
        cause: thrown,
      });
    }
  }

  /** @throws Pkcs11Error when the module says anything but CKR_OK */
  async call(name: FunctionName, ...args: readonly unknown[]): Promise<void> {
    const rv = await this.answer(name, ...args);
    if (rv !== CKR.ok) throw new Pkcs11Error(name, rv);
  }

  /** What the module answers. */
  answer(name: FunctionName, ...args: readonly unknown[]): Promise<number> {
    const called = this.#functions.get(name);
    if (called === undefined) throw new TypeError(`${name} is not a function of the module`);
    const passed = args.map((argument) =>
      argument instanceof Template ? argument.bytes : argument,
    );
    return new Promise((resolve, reject) => {
      // The module reads and writes these buffers, and those that templates point to, until it answers.
      const held = new Set<unknown>(args);
      called.async(...passed, (error: Error | null, rv: number | bigint) => {
        held.clear();
        if (error === null) resolve(Number(rv));
        else reject(fail("internal", `${name} could not be called`, { cause: error }));
      });
    });
  }

  /** May be called again; the module is told that it is called from several threads. */
  async initialize(): Promise<void> {
    const args = Buffer.alloc(48);
    args.writeBigUInt64LE(BigInt(CKF.osLocking), 32);
    const rv = await this.answer("C_Initialize", args);
    if (rv !== CKR.ok && rv !== CKR.cryptokiAlreadyInitialized) {
      throw new Pkcs11Error("C_Initialize", rv);
    }
  }

  template(attributes: readonly Attribute[]): Template {
    const values = attributes.map(([, value]) => bytesOf(value));
    const bytes = Buffer.alloc(24 * attributes.length);
    attributes.forEach(([type], i) => {
      const value = values[i] ?? Buffer.alloc(0);
      bytes.writeBigUInt64LE(BigInt(type), 24 * i);
      bytes.writeBigUInt64LE(value.length === 0 ? 0n : this.#koffi.address(value), 24 * i + 8);
      bytes.writeBigUInt64LE(BigInt(value.length), 24 * i + 16);
    });
    return new Template(bytes, values);
  }

  /** A CK_MECHANISM without a parameter. */
  mechanism(type: number): Buffer {
    const bytes = Buffer.alloc(24);
    bytes.writeBigUInt64LE(BigInt(type));
    return bytes;
  }

  /** One attribute of an object. @throws Pkcs11Error, internal for one that is longer than any key's */
  async attribute(session: bigint, object: bigint, type: number): Promise<Buffer> {
    const sized = this.template([[type, Buffer.alloc(0)]]);
    await this.call("C_GetAttributeValue", session, object, sized, sized.count);
    const length = Number(sized.bytes.readBigUInt64LE(16));
    if (length > MAX_ATTRIBUTE) throw fail("internal", "an attribute of a key is too long");
    if (length === 0) return Buffer.alloc(0);
    const filled = this.template([[type, Buffer.alloc(length)]]);
    await this.call("C_GetAttributeValue", session, object, filled, filled.count);
    const [value = Buffer.alloc(0)] = filled.values;
    return value.subarray(0, Number(filled.bytes.readBigUInt64LE(16)));
  }

  /** Handles of the objects that have all these attributes. */
  async find(session: bigint, attributes: readonly Attribute[]): Promise<readonly bigint[]> {
    const wanted = this.template(attributes);
    await this.call("C_FindObjectsInit", session, wanted, wanted.count);
    const found: bigint[] = [];
    try {
      for (;;) {
        const page = Buffer.alloc(8 * PAGE);
        const count = Buffer.alloc(8);
        await this.call("C_FindObjects", session, page, PAGE, count);
        const some = Number(count.readBigUInt64LE());
        for (let i = 0; i < Math.min(some, PAGE); i++) found.push(page.readBigUInt64LE(8 * i));
        if (some === 0) return found;
        if (found.length > MAX_OBJECTS) {
          throw fail("limited", `the token holds more than ${MAX_OBJECTS} keys`);
        }
      }
    } finally {
      await this.answer("C_FindObjectsFinal", session);
    }
  }
}

function bytesOf(value: Buffer | boolean | number): Buffer {
  if (Buffer.isBuffer(value)) return value;
  if (typeof value === "boolean") return Buffer.of(value ? 1 : 0);
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** By their place in CK_FUNCTION_LIST. */
const FUNCTIONS = {
  C_Initialize: { at: 0, takes: ["void *"] },
  C_Finalize: { at: 1, takes: ["void *"] },
  C_GetFunctionList: { at: 3, takes: ["void *"] },
  C_GetSlotList: { at: 4, takes: ["uint8", "void *", "void *"] },
  C_GetTokenInfo: { at: 6, takes: ["ulong", "void *"] },
  C_OpenSession: { at: 12, takes: ["ulong", "ulong", "void *", "void *", "void *"] },
  C_CloseSession: { at: 13, takes: ["ulong"] },
  C_Login: { at: 18, takes: ["ulong", "ulong", "void *", "ulong"] },
  C_DestroyObject: { at: 22, takes: ["ulong", "ulong"] },
  C_GetAttributeValue: { at: 24, takes: ["ulong", "ulong", "void *", "ulong"] },
  C_FindObjectsInit: { at: 26, takes: ["ulong", "void *", "ulong"] },
  C_FindObjects: { at: 27, takes: ["ulong", "void *", "ulong", "void *"] },
  C_FindObjectsFinal: { at: 28, takes: ["ulong"] },
  C_SignInit: { at: 42, takes: ["ulong", "void *", "ulong"] },
  C_Sign: { at: 43, takes: ["ulong", "void *", "ulong", "void *", "void *"] },
  C_GenerateKeyPair: {
    at: 59,
    takes: ["ulong", "void *", "void *", "ulong", "void *", "ulong", "void *", "void *"],
  },
} as const;

export type FunctionName = keyof typeof FUNCTIONS;

/** The part of koffi that is used here. */
interface Koffi {
  load(path: string): { func(prototype: string): (...args: unknown[]) => number };
  proto(result: string, parameters: readonly string[]): unknown;
  decode(pointer: unknown, type: unknown): unknown;
  decode(pointer: unknown, offset: number, type: unknown): unknown;
  address(value: Buffer): bigint;
}

interface ForeignFunction {
  async(...args: unknown[]): void;
}

const LOADED = new Set<object>();
const PAGE = 64;
/** Far above any number of authorities; a token may hold others' keys, too. */
const MAX_OBJECTS = 10_000;
/** An RSA-4096 modulus has 512 bytes. */
const MAX_ATTRIBUTE = 8192;
