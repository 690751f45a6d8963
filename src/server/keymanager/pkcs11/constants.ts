/** Numbers of PKCS #11 v2.40 (OASIS, base specification and current mechanisms), as many as are used here. */
export const CKF = { osLocking: 0x2, rwSession: 0x2, serialSession: 0x4 } as const;

export const CKU_USER = 1;

export const CKO = { publicKey: 2, privateKey: 3 } as const;

export const CKA = {
  class: 0x0,
  token: 0x1,
  private: 0x2,
  label: 0x3,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  sign: 0x108,
  verify: 0x10a,
  modulus: 0x120,
  modulusBits: 0x121,
  publicExponent: 0x122,
  extractable: 0x162,
  ecParams: 0x180,
  ecPoint: 0x181,
} as const;

export const CKM = {
  rsaKeyPairGen: 0x0,
  rsaPkcs: 0x1,
  ecKeyPairGen: 0x1040,
  ecdsa: 0x1041,
} as const;

/** Answers that are told apart; `ok` is success. */
export const CKR = {
  ok: 0x0,
  keyHandleInvalid: 0x60,
  objectHandleInvalid: 0x82,
  pinIncorrect: 0xa0,
  pinInvalid: 0xa1,
  pinExpired: 0xa3,
  pinLocked: 0xa4,
  sessionClosed: 0xb0,
  sessionHandleInvalid: 0xb3,
  userAlreadyLoggedIn: 0x100,
  userNotLoggedIn: 0x101,
  cryptokiNotInitialized: 0x190,
  cryptokiAlreadyInitialized: 0x191,
  bufferTooSmall: 0x150,
} as const;

/** Names for messages; any other is shown as its number. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [0x2, "host memory"],
  [0x5, "general error"],
  [0x6, "function failed"],
  [0x30, "device error"],
  [0x31, "device memory"],
  [0x32, "device removed"],
  [0x54, "function not supported"],
  [0x60, "key handle invalid"],
  [0x63, "key type inconsistent"],
  [0x70, "mechanism invalid"],
  [0x82, "object handle invalid"],
  [0xa0, "PIN incorrect"],
  [0xa1, "PIN invalid"],
  [0xa3, "PIN expired"],
  [0xa4, "PIN locked"],
  [0xb0, "session closed"],
  [0xb1, "too many sessions"],
  [0xb3, "session handle invalid"],
  [0xe0, "token not present"],
  [0xe1, "token not recognized"],
  [0x101, "user not logged in"],
  [0x102, "PIN not set up"],
]);

/** `PIN incorrect (0xa0)`. */
export function answerName(rv: number): string {
  const code = `0x${rv.toString(16)}`;
  const name = NAMES.get(rv);
  return name === undefined ? `answer ${code}` : `${name} (${code})`;
}

/** The token has to be opened and logged into anew, or a key looked for again. */
export const STALE: ReadonlySet<number> = new Set([
  CKR.keyHandleInvalid,
  CKR.objectHandleInvalid,
  CKR.sessionClosed,
  CKR.sessionHandleInvalid,
  CKR.userNotLoggedIn,
  0x30,
  0x32,
  0xe0,
]);

/** After these nothing is tried again: tokens lock themselves after a few wrong PINs. */
export const WRONG_PIN: ReadonlySet<number> = new Set([
  CKR.pinIncorrect,
  CKR.pinInvalid,
  CKR.pinExpired,
  CKR.pinLocked,
]);
