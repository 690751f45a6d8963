/** Keys that a TPM makes anew from its seeds each time, and how a key that attests looks. */
import { ATTRIBUTE } from "./constants.ts";
import { type PublicArea, encodePublicArea } from "./public-area.ts";

/** An endorsement key as manufacturers make it, and where its certificate is. */
export interface EndorsementTemplate {
  /** For messages. */
  readonly name: string;
  /** Index in the TPM's non-volatile memory. */
  readonly certificateIndex: number;
  readonly template: Uint8Array;
  /** Its use needs a policy session with the endorsement hierarchy's authorization; else an empty password does. */
  readonly needsPolicy: boolean;
}

/** The storage key of the owner hierarchy under which a key of that type is kept (H-1 and H-2, TCG EK Credential Profile annex B). */
export function storageRootTemplate(type: PublicArea["key"]["type"]): Uint8Array {
  return encodePublicArea({
    nameAlg: "sha256",
    attributes:
      IN_THIS_TPM |
      ATTRIBUTE.restricted |
      ATTRIBUTE.decrypt |
      ATTRIBUTE.userWithAuth |
      ATTRIBUTE.noDictionaryAttackProtection,
    authPolicy: NONE,
    symmetricBits: 128,
    key:
      type === "rsa"
        ? { type, bits: 2048, modulus: NONE }
        : { type, curve: "P-256", x: NONE, y: NONE },
  });
}

/** A key that signs nothing but what its TPM itself has written. RSA, as SPIRE's servers want it. */
export function attestationKeyTemplate(): Uint8Array {
  return encodePublicArea({
    nameAlg: "sha256",
    attributes: IN_THIS_TPM | ATTRIBUTE.userWithAuth | ATTRIBUTE.restricted | ATTRIBUTE.sign,
    authPolicy: NONE,
    scheme: { kind: "rsassa", hash: "sha256" },
    key: { type: "rsa", bits: 2048, modulus: NONE },
  });
}

/** Templates L-1, L-2 and H-3 of the TCG EK Credential Profile (2.6, annex B), in the order in which they are tried. */
export function endorsementTemplates(): readonly EndorsementTemplate[] {
  const storage =
    IN_THIS_TPM | ATTRIBUTE.adminWithPolicy | ATTRIBUTE.restricted | ATTRIBUTE.decrypt;
  return [
    {
      name: "rsa 2048",
      certificateIndex: 0x01c0_0002,
      template: encodePublicArea({
        nameAlg: "sha256",
        attributes: storage,
        authPolicy: POLICY_A,
        symmetricBits: 128,
        key: { type: "rsa", bits: 2048, modulus: new Uint8Array(256) },
      }),
      needsPolicy: true,
    },
    {
      name: "ecc p-256",
      certificateIndex: 0x01c0_000a,
      template: encodePublicArea({
        nameAlg: "sha256",
        attributes: storage,
        authPolicy: POLICY_A,
        symmetricBits: 128,
        key: { type: "ecc", curve: "P-256", x: new Uint8Array(32), y: new Uint8Array(32) },
      }),
      needsPolicy: true,
    },
    {
      name: "ecc p-384",
      certificateIndex: 0x01c0_0016,
      template: encodePublicArea({
        nameAlg: "sha384",
        attributes: storage | ATTRIBUTE.userWithAuth,
        authPolicy: POLICY_B_SHA384,
        symmetricBits: 256,
        key: { type: "ecc", curve: "P-384", x: NONE, y: NONE },
      }),
      needsPolicy: false,
    },
  ];
}

/** Made in the TPM and never to leave it. */
const IN_THIS_TPM = ATTRIBUTE.fixedTpm | ATTRIBUTE.fixedParent | ATTRIBUTE.sensitiveDataOrigin;
const NONE = new Uint8Array();
/** PolicySecret of the endorsement hierarchy, in SHA-256. */
const POLICY_A = new Uint8Array(
  Buffer.from("837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa", "hex"),
);
/** The same, or what an index of non-volatile memory says, in SHA-384. */
const POLICY_B_SHA384 = new Uint8Array(
  Buffer.from(
    "b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12",
    "hex",
  ),
);
