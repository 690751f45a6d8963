import { createHash } from "node:crypto";
import type { Clock } from "../../../base/clock.ts";
import { errorFrom, fail } from "../../../base/errors.ts";
import type { MadeCredential } from "../../../tpm/make-credential.ts";
import { type PublicArea, hasAttributes, parsePublicArea } from "../../../tpm/public-area.ts";
import { parseTpmSignature, schemeOf } from "../../../tpm/signature.ts";
import {
  type EndorsementTemplate,
  attestationKeyTemplate,
  endorsementTemplates,
  storageRootTemplate,
} from "../../../tpm/templates.ts";
import { Tpm } from "../../../tpm/tpm.ts";
import { openTpm } from "../../../tpm/transport.ts";
import { parseCertificate } from "../../../x509/certificate.ts";
import { integer, readTlv, seq } from "../../../x509/der.ts";
import { isKeyOf } from "./certificate-key.ts";
import type { TpmDevidEvidence } from "./payload.ts";

export interface DevidSessionOptions {
  readonly device: string;
  readonly devidKey: PublicArea;
  /** TPM2B_PRIVATE's content. */
  readonly devidPrivate: Uint8Array;
  readonly devidPassword: string;
  readonly ownerPassword: string;
  readonly endorsementPassword: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface Loaded {
  readonly devid: number;
  readonly attestation: number;
  readonly endorsement: number;
  readonly template: EndorsementTemplate;
  readonly evidence: Omit<TpmDevidEvidence, "devidChain">;
}

/** A TPM with the three keys of one proof in it, as many as the smallest has room for. */
export class DevidSession implements AsyncDisposable {
  readonly #tpm: Tpm;
  readonly #loaded: Loaded;
  readonly #options: DevidSessionOptions;

  private constructor(tpm: Tpm, loaded: Loaded, options: DevidSessionOptions) {
    this.#tpm = tpm;
    this.#loaded = loaded;
    this.#options = options;
  }

  /** @throws precondition when this TPM does not hold the key, or has no endorsement certificate; unavailable */
  static async open(options: DevidSessionOptions): Promise<DevidSession> {
    const { devidKey, signal } = options;
    if (!hasAttributes(devidKey, "sign") || hasAttributes(devidKey, "restricted")) {
      throw fail("precondition", "the devid key is not one that signs what it is given");
    }
    const tpm = new Tpm(await openTpm(options.device, signal), options.clock, signal);
    try {
      return new DevidSession(tpm, await load(tpm, options), options);
    } catch (error) {
      await tpm[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** All that is shown but the certificate chain. */
  get evidence(): Omit<TpmDevidEvidence, "devidChain"> {
    return this.#loaded.evidence;
  }

  /** With the device's key. @returns RSA: as it is. ECDSA: DER. */
  async sign(nonce: Uint8Array): Promise<Uint8Array> {
    const { devidKey, devidPassword } = this.#options;
    const scheme = schemeOf(devidKey);
    const digest = createHash(scheme.hash).update(nonce).digest();
    const raw = await this.#tpm.sign(this.#loaded.devid, devidPassword, digest, scheme);
    const { kind, bytes } = parseTpmSignature(raw, devidKey, "tpm signature");
    if (kind !== "ecdsa") return bytes;
    const half = bytes.length / 2;
    return seq(integer(bytes.subarray(0, half)), integer(bytes.subarray(half)));
  }

  /** The content of a credential for the attestation key and the endorsement key. */
  async activate(made: MadeCredential): Promise<Uint8Array> {
    const { attestation, endorsement, template } = this.#loaded;
    const authorization = template.needsPolicy
      ? { session: await this.#tpm.endorsementPolicy(this.#options.endorsementPassword) }
      : { password: "" };
    return this.#tpm.activateCredential(attestation, { handle: endorsement, authorization }, made);
  }

  /** Takes the keys out of the TPM and closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tpm[Symbol.asyncDispose]();
  }
}

async function load(tpm: Tpm, options: DevidSessionOptions): Promise<Loaded> {
  const { devidKey, devidPassword, ownerPassword, endorsementPassword } = options;
  const { template, certificate } = await endorsementCertificate(tpm, ownerPassword);
  const root = (type: PublicArea["key"]["type"]) =>
    tpm.createPrimary("owner", storageRootTemplate(type), ownerPassword);

  const devidRoot = await root(devidKey.key.type);
  const created = { privateBlob: options.devidPrivate, publicArea: devidKey.raw };
  const devid = await tpm.load(devidRoot.handle, created, "devid key");
  await tpm.flush(devidRoot.handle);

  const attestationRoot = await root("rsa");
  const attestationKey = await tpm.create(attestationRoot.handle, attestationKeyTemplate());
  const attestation = await tpm.load(attestationRoot.handle, attestationKey, "attestation key");
  await tpm.flush(attestationRoot.handle);

  const endorsement = await tpm.createPrimary(
    "endorsement",
    template.template,
    endorsementPassword,
  );
  if (!fits(certificate, endorsement.publicArea)) {
    throw fail(
      "precondition",
      `the tpm's endorsement certificate (${template.name}) is not for the key that its template makes`,
    );
  }
  const { statement, signature } = await tpm.certify(
    { handle: devid, password: devidPassword },
    attestation,
  );
  return {
    devid,
    attestation,
    endorsement: endorsement.handle,
    template,
    evidence: {
      devidKey: devidKey.raw,
      endorsementCertificate: certificate,
      endorsementKey: endorsement.publicArea,
      attestationKey: attestationKey.publicArea,
      statement,
      signature,
    },
  };
}

/** The first there is. */
async function endorsementCertificate(
  tpm: Tpm,
  ownerPassword: string,
): Promise<{ readonly template: EndorsementTemplate; readonly certificate: Uint8Array }> {
  const templates = endorsementTemplates();
  for (const template of templates) {
    const bytes = await tpm.readIndex(template.certificateIndex, ownerPassword);
    // Some TPMs fill the index up behind the certificate.
    if (bytes !== undefined) return { template, certificate: withoutTail(bytes) };
  }
  const names = templates.map(({ name }) => name).join(", ");
  throw fail("precondition", `the tpm has no endorsement certificate (${names})`);
}

function withoutTail(bytes: Uint8Array): Uint8Array {
  try {
    return readTlv(bytes, 0, "endorsement certificate").raw;
  } catch (cause) {
    throw fail("precondition", `the tpm's ${errorFrom(cause).message}`, { cause });
  }
}

function fits(certificate: Uint8Array, publicArea: Uint8Array): boolean {
  try {
    const area = parsePublicArea(publicArea, "endorsement key");
    return isKeyOf(parseCertificate(certificate), area);
  } catch (cause) {
    throw fail("precondition", `the tpm's ${errorFrom(cause).message}`, { cause });
  }
}
