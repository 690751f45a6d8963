import { type Clock, sleep } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import { fail } from "../base/errors.ts";
import {
  type Authorization,
  type TpmCommand,
  type TpmResponse,
  encodeCommand,
  parseResponse,
  readBody,
} from "./command.ts";
import { ALG, COMMAND, HANDLE, NV_ATTRIBUTE, POLICY_SESSION, TAG } from "./constants.ts";
import { isAbsent, isToBeRepeated, tpmError } from "./response-code.ts";
import type { TpmScheme } from "./public-area.ts";
import type { TpmTransport } from "./transport.ts";
import { TpmReader, sized, u16, u32, u8 } from "./wire.ts";

export interface LoadedKey {
  readonly handle: number;
  /** TPMT_PUBLIC. */
  readonly publicArea: Uint8Array;
}

export interface CreatedKey {
  /** TPM2B_PRIVATE's content: it can be loaded in this TPM only, below the same parent. */
  readonly privateBlob: Uint8Array;
  /** TPMT_PUBLIC. */
  readonly publicArea: Uint8Array;
}

/**
 * The commands of a TPM 2.0 that are used here (TCG TPM 2.0 Library, Part 3), one after another. Passwords and keys'
 * authorizations go to it as they are: whoever can listen between this process and the TPM has them.
 */
export class Tpm implements AsyncDisposable {
  readonly #transport: TpmTransport;
  readonly #clock: Clock;
  readonly #signal: AbortSignal;
  /** Handles of what was loaded and has to be taken out again. */
  readonly #loaded = new Set<number>();

  /** @param signal ends every wait, as two minutes do for each command; the TPM cannot be used after either */
  constructor(transport: TpmTransport, clock: Clock, signal: AbortSignal) {
    this.#transport = transport;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** TPM2_CreatePrimary (§24.1): the key that the hierarchy's seed and the template make. */
  async createPrimary(
    hierarchy: "owner" | "endorsement",
    template: Uint8Array,
    password: string,
  ): Promise<LoadedKey> {
    const doing = `make a key of the ${hierarchy} hierarchy`;
    const response = await this.#run(doing, {
      code: COMMAND.createPrimary,
      handles: [HANDLE[hierarchy]],
      authorizations: [{ password }],
      parameters: [sized(sized(), sized()), sized(template), sized(), u32(0)],
    });
    const { handles, parameters } = readBody(response, 1);
    const handle = this.#taken(handles[0]);
    return { handle, publicArea: parameters.sized(MAX_PUBLIC_BYTES) };
  }

  /** TPM2_Create (§12.1): a new key below a loaded one, not loaded. */
  async create(parent: number, template: Uint8Array, password = ""): Promise<CreatedKey> {
    const auth = new TextEncoder().encode(password);
    const response = await this.#run("make a key", {
      code: COMMAND.create,
      handles: [parent],
      authorizations: [EMPTY_PASSWORD],
      parameters: [sized(sized(auth), sized()), sized(template), sized(), u32(0)],
    });
    const { parameters } = readBody(response, 0);
    const privateBlob = parameters.sized(MAX_PRIVATE_BYTES);
    return { privateBlob, publicArea: parameters.sized(MAX_PUBLIC_BYTES) };
  }

  /** TPM2_Load (§12.2). @param what for messages: `devid key` */
  async load(parent: number, key: CreatedKey, what: string): Promise<number> {
    const response = await this.#run(`load the ${what}`, {
      code: COMMAND.load,
      handles: [parent],
      authorizations: [EMPTY_PASSWORD],
      parameters: [sized(key.privateBlob), sized(key.publicArea)],
    });
    return this.#taken(readBody(response, 1).handles[0]);
  }

  /** TPM2_Sign (§20.2) with a key that signs what it is given. @returns TPMT_SIGNATURE */
  async sign(
    key: number,
    password: string,
    digest: Uint8Array,
    { kind, hash }: TpmScheme,
  ): Promise<Uint8Array> {
    const response = await this.#run("sign", {
      code: COMMAND.sign,
      handles: [key],
      authorizations: [{ password }],
      parameters: [
        sized(digest),
        u16(ALG[kind]),
        u16(ALG[hash]),
        // No ticket: the digest was made elsewhere.
        u16(TAG.hashCheck),
        u32(HANDLE.null),
        sized(),
      ],
    });
    return readBody(response, 0).parameters.rest();
  }

  /** TPM2_Certify (§18.2): what `signer` says of `key`. */
  async certify(
    key: { readonly handle: number; readonly password: string },
    signer: number,
  ): Promise<{ readonly statement: Uint8Array; readonly signature: Uint8Array }> {
    const response = await this.#run("certify a key", {
      code: COMMAND.certify,
      handles: [key.handle, signer],
      authorizations: [{ password: key.password }, EMPTY_PASSWORD],
      parameters: [sized(), u16(ALG.null)],
    });
    const { parameters } = readBody(response, 0);
    const statement = parameters.sized(MAX_ATTEST_BYTES);
    return { statement, signature: parameters.rest() };
  }

  /** TPM2_ActivateCredential (§12.5): the content of a credential that was made for both keys. */
  async activateCredential(
    key: number,
    endorsement: { readonly handle: number; readonly authorization: Authorization },
    made: { readonly credential: Uint8Array; readonly secret: Uint8Array },
  ): Promise<Uint8Array> {
    const response = await this.#run("open the server's credential", {
      code: COMMAND.activateCredential,
      handles: [key, endorsement.handle],
      authorizations: [EMPTY_PASSWORD, endorsement.authorization],
      parameters: [sized(made.credential), sized(made.secret)],
    });
    if ("session" in endorsement.authorization) {
      this.#loaded.delete(endorsement.authorization.session);
    }
    return readBody(response, 0).parameters.sized(MAX_DIGEST_BYTES);
  }

  /** A policy session in which the endorsement hierarchy's password was given (§11.1, §23.4). */
  async endorsementPolicy(password: string): Promise<number> {
    const started = await this.#run("start a session", {
      code: COMMAND.startAuthSession,
      handles: [HANDLE.null, HANDLE.null],
      parameters: [
        sized(new Uint8Array(16)),
        sized(),
        u8(POLICY_SESSION),
        u16(ALG.null),
        u16(ALG.sha256),
      ],
    });
    const session = this.#taken(readBody(started, 1).handles[0]);
    await this.#run("take the endorsement hierarchy's password", {
      code: COMMAND.policySecret,
      handles: [HANDLE.endorsement, session],
      authorizations: [{ password }],
      parameters: [sized(), sized(), sized(), u32(0)],
    });
    return session;
  }

  /**
   * TPM2_NV_ReadPublic and TPM2_NV_Read (§31.6, §31.13): all of an index that anyone, or the owner, may read.
   * @returns undefined when there is no such index
   */
  async readIndex(index: number, ownerPassword: string): Promise<Uint8Array | undefined> {
    const found = await this.#send({ code: COMMAND.nvReadPublic, handles: [index] });
    if (isAbsent(found.code)) return undefined;
    if (found.code !== 0) throw tpmError("look at its memory", found.code);
    const area = new TpmReader(readBody(found, 0).parameters.sized(MAX_PUBLIC_BYTES), "tpm index");
    area.take(4 + 2);
    const attributes = area.u32();
    area.sized(MAX_DIGEST_BYTES);
    const size = area.u16();
    if (size > MAX_INDEX_BYTES) throw area.malformed(`is larger than ${MAX_INDEX_BYTES} bytes`);
    const byItself = (attributes & NV_ATTRIBUTE.authRead) !== 0;
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; ) {
      const length = Math.min(READ_BYTES, size - at);
      const response = await this.#run("read its memory", {
        code: COMMAND.nvRead,
        handles: [byItself ? index : HANDLE.owner, index],
        authorizations: [byItself ? EMPTY_PASSWORD : { password: ownerPassword }],
        parameters: [u16(length), u16(at)],
      });
      const part = readBody(response, 0).parameters.sized(length);
      if (part.length === 0) throw fail("unavailable", "tpm read nothing of its memory");
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  /** TPM2_FlushContext (§28.4). */
  async flush(handle: number): Promise<void> {
    this.#loaded.delete(handle);
    await this.#run("take out a key", { code: COMMAND.flushContext, parameters: [u32(handle)] });
  }

  /** Takes out what is left and closes the way to the TPM. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const handle of [...this.#loaded].reverse()) await this.flush(handle);
    } catch {
      // A resource manager takes out everything when the device is closed; without it nothing else helps either.
    } finally {
      await this.#transport[Symbol.asyncDispose]();
    }
  }

  async #run(doing: string, command: TpmCommand): Promise<TpmResponse> {
    const response = await this.#send(command);
    if (response.code !== 0) throw tpmError(doing, response.code);
    return response;
  }

  /** Again where the TPM asks for it. */
  async #send(command: TpmCommand): Promise<TpmResponse> {
    const bytes = encodeCommand(command);
    for (let attempt = 1; ; attempt += 1) {
      const response = parseResponse(await this.#exchange(bytes));
      if (!isToBeRepeated(response.code) || attempt === MAX_ATTEMPTS) return response;
      await sleep(this.#clock, REPEAT_AFTER_MS, this.#signal);
    }
  }

  #exchange(command: Uint8Array): Promise<Uint8Array> {
    return withDeadline(
      {
        clock: this.#clock,
        deadlineMs: COMMAND_DEADLINE_MS,
        signal: this.#signal,
        who: "the tpm",
      },
      (signal) => this.#transport.exchange(command, signal),
    );
  }

  #taken(handle: number | undefined): number {
    if (handle === undefined) throw fail("unavailable", "tpm response has no handle");
    this.#loaded.add(handle);
    return handle;
  }
}

const EMPTY_PASSWORD: Authorization = { password: "" };
const MAX_PUBLIC_BYTES = 1024;
const MAX_PRIVATE_BYTES = 2048;
const MAX_ATTEST_BYTES = 1024;
const MAX_DIGEST_BYTES = 64;
/** Certificates are shorter by far. */
const MAX_INDEX_BYTES = 16 * 1024;
/** Every TPM for PCs gives as much at a time (TPM_PT_NV_BUFFER_MAX). */
const READ_BYTES = 512;
/** Slow ones take half a minute to make an RSA key. */
const COMMAND_DEADLINE_MS = 120_000;
const MAX_ATTEMPTS = 20;
const REPEAT_AFTER_MS = 100;
