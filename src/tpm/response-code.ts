/** What a TPM answers instead of doing what it was told: TPM_RC (TCG TPM 2.0 Library, Part 2 §6.6). */
import { type AssayError, type ErrorKind, fail } from "../base/errors.ts";

/** An error that says what the TPM was to do, and why it did not. */
export function tpmError(doing: string, code: number): AssayError {
  const base = baseOf(code);
  const [words, kind] = MEANINGS.get(base) ?? ["it gives no known reason", "precondition"];
  return fail(kind, `tpm could not ${doing}: ${words} (response code ${hex(code)})`);
}

/** True for an answer after which the same command may be sent again. */
export function isToBeRepeated(code: number): boolean {
  return REPEATED.has(code);
}

/** True when the TPM has nothing under a handle or index that was named. */
export function isAbsent(code: number): boolean {
  return baseOf(code) === RC.handle;
}

/** Without the number of the handle, session or parameter that it is about. */
function baseOf(code: number): number {
  return (code & FORMAT_ONE) === 0 ? code : code & 0xbf;
}

function hex(code: number): string {
  return `0x${code.toString(16).padStart(3, "0")}`;
}

/** Set for codes that name a handle, a session or a parameter. */
const FORMAT_ONE = 0x80;
const RC = { handle: 0x8b } as const;

const MEANINGS: ReadonlyMap<number, readonly [string, ErrorKind]> = new Map([
  [0x100, ["it was not started", "unavailable"]],
  [0x101, ["it is in failure mode", "unavailable"]],
  [0x120, ["the command is switched off", "precondition"]],
  [0x12f, ["a password is not what this needs", "precondition"]],
  [0x149, ["the place in its memory may not be read so", "precondition"]],
  [0x14a, ["nothing was ever written there", "precondition"]],
  [0x82, ["attributes do not fit", "precondition"]],
  [0x84, ["a value does not fit", "precondition"]],
  [0x85, ["the hierarchy is switched off", "precondition"]],
  [RC.handle, ["there is nothing under that handle", "precondition"]],
  [0x8e, ["the password is wrong", "precondition"]],
  [0x92, ["the scheme does not fit", "precondition"]],
  [0x95, ["a part has a wrong size", "precondition"]],
  [0x9c, ["the key is of another kind", "precondition"]],
  [0x9d, ["the policy does not allow it", "precondition"]],
  [0x9f, ["it was made by another tpm or was changed", "precondition"]],
  [0xa2, ["the password is wrong", "precondition"]],
  [0x902, ["it has no room for another key; use its resource manager, /dev/tpmrm0", "unavailable"]],
  [0x903, ["it has no room for another session", "unavailable"]],
  [0x904, ["it has no room", "unavailable"]],
  [0x908, ["it is busy", "unavailable"]],
  [0x90a, ["it is testing itself", "unavailable"]],
  [0x920, ["its memory is asked too often", "unavailable"]],
  [0x921, ["it is locked after too many wrong passwords", "unavailable"]],
  [0x922, ["it is busy", "unavailable"]],
  [0x923, ["its memory is not at hand", "unavailable"]],
] as const);

/** TPM_RC_YIELDED, TPM_RC_TESTING, TPM_RC_NV_RATE, TPM_RC_RETRY. */
const REPEATED: ReadonlySet<number> = new Set([0x908, 0x90a, 0x920, 0x922]);
