/** The CA that another program served so far, from a folder such as Pollendina's: its certificate, and its key. */
import { join } from "node:path";
import { bytesEqual } from "../../base/bytes.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { readTextFile } from "../../base/text-file.ts";
import type { Signer } from "../../keys/contract.ts";
import { pkcs8FromPem } from "../../keys/pem-key.ts";
import { signerFromPkcs8 } from "../../keys/software-signer.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { decodeCertificates } from "../../x509/pem.ts";
import { signCa } from "../../x509/sign.ts";
import { checkSigned } from "../../x509/signature-algorithm.ts";
import { subjectKeyId } from "../../x509/subject-key-id.ts";
import { isoTime } from "../text/facts.ts";
import type { MadeRoot } from "./make-root.ts";

export interface AdoptedRootParams {
  /** Folder with `cacert.pem` and `cakey.pem`; nothing else in it is read. */
  readonly from: string;
  /** The name and the key get a new certificate with this life; absent: the one that there is stays. */
  readonly ttlSeconds?: number;
}

/**
 * The certificate is taken over byte for byte, so that whoever trusts it goes on; or the CA certifies itself anew, and
 * what it has signed is verified by either certificate.
 * @throws precondition, with the next step, when it is none that authorities can be signed by
 */
export async function adoptedRoot({ from, ttlSeconds }: AdoptedRootParams): Promise<MadeRoot> {
  const certFile = join(from, "cacert.pem");
  const keyFile = join(from, "cakey.pem");
  const certificate = await readCertificate(certFile);
  const pkcs8 = await readKey(keyFile);
  const signer = signerOf(pkcs8, keyFile);
  if (!bytesEqual(signer.publicKey, certificate.publicKey)) {
    throw fail(
      "precondition",
      `${keyFile} is not the key of ${certFile}; both have to be those of one CA`,
    );
  }
  const problem = await rootProblem(certificate);
  if (problem !== undefined) throw fail("precondition", `${certFile} ${problem}`);
  const now = Math.floor(Date.now() / 1000);
  if (ttlSeconds === undefined) {
    const step = "--ttl has the CA certify its name and key anew";
    if (certificate.notAfter <= now) {
      throw fail("precondition", `${certFile} ended on ${isoTime(certificate.notAfter)}; ${step}`);
    }
    if (certificate.basicConstraints?.pathLen === 0) {
      throw fail("precondition", `${certFile} allows no authority below it; ${step}, without that`);
    }
    return { certificate: certificate.raw, pkcs8 };
  }
  const { subject, publicKey, subjectKeyId: keyId } = certificate;
  const own = Buffer.from(subjectKeyId(publicKey)).toString("hex");
  // Else what it has signed names a key that no new certificate of ours would have.
  if (keyId !== undefined && keyId !== own) {
    throw fail(
      "precondition",
      `${certFile} has a key identifier that does not follow from its key (RFC 5280 §4.2.1.2, method 1); leave --ttl out`,
    );
  }
  const anew = await signCa(
    {
      serial: systemRandom.bytes(16),
      issuer: subject,
      subject,
      notBefore: Math.min(certificate.notBefore, now - BACKDATE_SECONDS),
      notAfter: now + ttlSeconds,
      publicKey,
    },
    signer,
  );
  return { certificate: anew, pkcs8 };
}

async function rootProblem(certificate: Certificate): Promise<string | undefined> {
  const { issuer, subject, basicConstraints, keyUsage, publicKey } = certificate;
  if (basicConstraints?.ca !== true || keyUsage?.has("keyCertSign") === false) {
    return "is no CA's certificate; --from takes a root that may sign certificates";
  }
  const isSelfSigned =
    bytesEqual(issuer, subject) &&
    (await checkSigned({
      algorithm: certificate.signatureAlgorithm,
      publicKey,
      data: certificate.tbs,
      signature: certificate.signature,
    }));
  if (isSelfSigned) return undefined;
  return "did not sign itself (with SHA-256 or better); name it in upstreamAuthority.disk of a server's file, with its root as bundleFile";
}

async function readCertificate(file: string): Promise<Certificate> {
  const text = await readPart(file);
  try {
    const [der, ...others] = decodeCertificates(text);
    if (der !== undefined && others.length === 0) return parseCertificate(der);
  } catch (cause) {
    throw fail("precondition", `${file}: ${errorFrom(cause).message}`, { cause });
  }
  throw fail("precondition", `${file} does not hold one certificate (PEM)`);
}

/** @throws precondition, with the file */
function signerOf(pkcs8: Uint8Array, file: string): Signer {
  try {
    return signerFromPkcs8(pkcs8);
  } catch (cause) {
    throw fail("precondition", `${file}: ${errorFrom(cause).message}`, { cause });
  }
}

/** @throws precondition, with what --from takes */
async function readPart(file: string): Promise<string> {
  try {
    return await readTextFile(file);
  } catch (cause) {
    const step = "--from names a folder with cacert.pem and cakey.pem";
    throw fail("precondition", `${errorFrom(cause).message}; ${step}`, { cause });
  }
}

async function readKey(file: string): Promise<Uint8Array> {
  const text = await readPart(file);
  try {
    return pkcs8FromPem(text);
  } catch (cause) {
    const { message } = errorFrom(cause);
    const step = "'openssl pkey -in OLD -out NEW' writes one that is not encrypted";
    throw fail("precondition", `${file}: ${message}; ${step}`, { cause });
  }
}

const BACKDATE_SECONDS = 10;
