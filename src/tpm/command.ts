/** Commands and responses as bytes (TCG TPM 2.0 Library, Part 1 §18). */
import { concatBytes } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import { HANDLE, TAG } from "./constants.ts";
import { TpmReader, sized, u16, u32, u8 } from "./wire.ts";

/** What allows the use of one handle of a command: a password, or a session that has it allowed. */
export type Authorization =
  | { readonly password: string }
  /** Ends with the command when that succeeds. */
  | { readonly session: number };

export interface TpmCommand {
  /** Of `COMMAND`. */
  readonly code: number;
  readonly handles?: readonly number[];
  /** For as many of the handles, from the first on. */
  readonly authorizations?: readonly Authorization[];
  readonly parameters?: readonly Uint8Array[];
}

/** @throws invalid when a password is too long */
export function encodeCommand(command: TpmCommand): Uint8Array {
  const { code, handles = [], authorizations = [], parameters = [] } = command;
  const area = concatBytes(authorizations.map(encodeAuthorization));
  const body = concatBytes([
    ...handles.map(u32),
    ...(authorizations.length === 0 ? [] : [u32(area.length), area]),
    ...parameters,
  ]);
  const tag = authorizations.length === 0 ? TAG.noSessions : TAG.sessions;
  return concatBytes([u16(tag), u32(HEADER_BYTES + body.length), u32(code), body]);
}

export interface TpmResponse {
  readonly code: number;
  /** Behind the header: handles, then parameters. */
  readonly body: Uint8Array;
  readonly hasSessions: boolean;
}

/** @throws unavailable when it is none */
export function parseResponse(response: Uint8Array): TpmResponse {
  try {
    const reader = new TpmReader(response, "tpm response");
    const tag = reader.u16();
    const size = reader.u32();
    if (size !== response.length) throw reader.malformed("has another length than it says");
    const code = reader.u32();
    // A command's failure is told without sessions and without anything else.
    const body = reader.take(size - HEADER_BYTES);
    return { code, body, hasSessions: tag === TAG.sessions };
  } catch (cause) {
    throw fail("unavailable", "tpm gave a response that is none", { cause });
  }
}

/**
 * Handles and parameters, apart.
 * @param handles how many the response has
 * @throws invalid
 */
export function readBody(
  { body, hasSessions }: TpmResponse,
  handles: number,
): { readonly handles: readonly number[]; readonly parameters: TpmReader } {
  const reader = new TpmReader(body, "tpm response");
  const read = Array.from({ length: handles }, () => reader.u32());
  // What authorized the command is answered behind the parameters, and passwords are answered with nothing.
  const length = hasSessions ? reader.u32() : body.length - reader.at;
  return { handles: read, parameters: new TpmReader(reader.take(length), "tpm response") };
}

function encodeAuthorization(authorization: Authorization): Uint8Array {
  if ("session" in authorization) {
    return concatBytes([u32(authorization.session), sized(), u8(0), sized()]);
  }
  const password = new TextEncoder().encode(authorization.password);
  if (password.length > MAX_PASSWORD_BYTES) {
    throw fail("invalid", `tpm password is longer than ${MAX_PASSWORD_BYTES} bytes`);
  }
  return concatBytes([u32(HANDLE.password), sized(), u8(CONTINUE_SESSION), sized(password)]);
}

const HEADER_BYTES = 10;
/** TPMA_SESSION.continueSession (Part 2 §8.4). */
const CONTINUE_SESSION = 1;
/** That of the longest digest. */
const MAX_PASSWORD_BYTES = 64;
