/** Numbers of TPM 2.0 (TCG TPM 2.0 Library, Part 2: Structures), those that are used here. */

/** TPM_ALG_ID (Part 2 §6.3). */
export const ALG = {
  rsa: 0x0001,
  aes: 0x0006,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
  null: 0x0010,
  rsassa: 0x0014,
  rsaes: 0x0015,
  rsapss: 0x0016,
  oaep: 0x0017,
  ecdsa: 0x0018,
  ecc: 0x0023,
  cfb: 0x0043,
} as const;

/** TPM_CC, the commands that are sent (Part 2 §6.5.2). */
export const COMMAND = {
  createPrimary: 0x0131,
  activateCredential: 0x0147,
  certify: 0x0148,
  nvRead: 0x014e,
  policySecret: 0x0151,
  create: 0x0153,
  load: 0x0157,
  sign: 0x015d,
  flushContext: 0x0165,
  nvReadPublic: 0x0169,
  startAuthSession: 0x0176,
} as const;

/** TPM_ST (Part 2 §6.9). */
export const TAG = {
  noSessions: 0x8001,
  sessions: 0x8002,
  attestCertify: 0x8017,
  hashCheck: 0x8024,
} as const;

/** Permanent handles (Part 2 §7.4). */
export const HANDLE = {
  owner: 0x4000_0001,
  null: 0x4000_0007,
  /** TPM_RS_PW: authorization by password. */
  password: 0x4000_0009,
  endorsement: 0x4000_000b,
} as const;

/** TPMA_OBJECT (Part 2 §8.3). */
export const ATTRIBUTE = {
  fixedTpm: 1 << 1,
  fixedParent: 1 << 4,
  sensitiveDataOrigin: 1 << 5,
  userWithAuth: 1 << 6,
  adminWithPolicy: 1 << 7,
  noDictionaryAttackProtection: 1 << 10,
  restricted: 1 << 16,
  decrypt: 1 << 17,
  sign: 1 << 18,
} as const;

/** TPMA_NV (Part 2 §13.4). */
export const NV_ATTRIBUTE = { ownerRead: 1 << 17, authRead: 1 << 18 } as const;

/** TPM_GENERATED_VALUE (Part 2 §6.2): "\xffTCG", in front of what only a TPM writes. */
export const GENERATED = 0xff54_4347;

/** TPM_SE_POLICY (Part 2 §6.11). */
export const POLICY_SESSION = 0x01;
