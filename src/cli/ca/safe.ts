/** The folder of an offline root: its certificate, its encrypted key, and a copy of everything that it signed. */
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { bytesEqual } from "../../base/bytes.ts";
import { errorFrom, fail, hasCode } from "../../base/errors.ts";
import { makeFolder } from "../../base/make-folder.ts";
import { readTextFile } from "../../base/text-file.ts";
import type { Signer } from "../../keys/contract.ts";
import { signerFromPem } from "../../keys/pem-key.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { decodePem, encodePem } from "../../x509/pem.ts";
import type { OptionSpec } from "../program/grammar.ts";

export const DIR_OPTION: OptionSpec = {
  name: "dir",
  value: "SAFE",
  help: "folder of the root: root.pem, root.key (encrypted) and signed/",
  required: true,
};

export interface Root {
  readonly certificate: Certificate;
  readonly signer: Signer;
}

/** @throws exists when there is a root already */
export function requireEmpty(dir: string): void {
  for (const name of [CERTIFICATE, KEY]) {
    if (!existsSync(join(dir, name))) continue;
    throw fail(
      "exists",
      `${join(dir, name)} is there already; a root is never overwritten: sign with it ('assay ca root sign'), or name another folder with --dir`,
    );
  }
}

/** Makes the folder where it is missing and writes the root into it, for its owner alone. */
export async function saveRoot(
  dir: string,
  {
    certificate,
    encryptedKey,
  }: { readonly certificate: Uint8Array; readonly encryptedKey: Uint8Array },
): Promise<void> {
  makeFolder(dir, 0o700);
  await writeNew(join(dir, KEY), encodePem("ENCRYPTED PRIVATE KEY", encryptedKey), 0o600);
  await writeNew(join(dir, CERTIFICATE), encodePem("CERTIFICATE", certificate), 0o644);
}

/** @throws precondition, invalid when the folder holds no root, or the passphrase is not its own */
export async function openRoot(dir: string, passphrase: string): Promise<Root> {
  const certificate = await readRoot(dir);
  const file = join(dir, KEY);
  let signer: Signer;
  try {
    signer = signerFromPem(await readTextFile(file), passphrase);
  } catch (cause) {
    const { message } = errorFrom(cause);
    const step = "give the passphrase that 'assay ca root create' was given";
    throw fail("precondition", `${file}: ${message}; ${step}`, { cause });
  }
  if (bytesEqual(signer.publicKey, certificate.publicKey)) return { certificate, signer };
  throw fail(
    "precondition",
    `${file} is not the key of ${join(dir, CERTIFICATE)}; put back the two files of one root`,
  );
}

/** @throws precondition, with the next step, when there is none */
export async function readRoot(dir: string): Promise<Certificate> {
  const file = join(dir, CERTIFICATE);
  if (!existsSync(file)) {
    throw fail(
      "not_found",
      `there is no root in ${dir}; 'assay ca root create --dir ${dir}' makes one`,
    );
  }
  const [block, ...others] = decodePem(await readTextFile(file));
  if (block?.label !== "CERTIFICATE" || others.length > 0) {
    throw fail(
      "precondition",
      `${file} does not hold one certificate; put back the one of signed/`,
    );
  }
  return parseCertificate(block.der);
}

/** Keeps a copy of what was signed. */
export async function keepSigned(dir: string, certificate: Certificate): Promise<void> {
  const folder = join(dir, SIGNED);
  makeFolder(folder, 0o700);
  const pem = encodePem("CERTIFICATE", certificate.raw);
  await writeNew(join(folder, `${certificate.serial}.pem`), pem, 0o644);
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  try {
    const file = await open(path, "wx", mode);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (hasCode(cause, "EEXIST")) throw fail("exists", `${path} is there already`, { cause });
    const { code = "unknown" } = cause as NodeJS.ErrnoException;
    throw fail(
      "denied",
      `${path} cannot be written (${code}); name a folder that this user may write to with --dir`,
      { cause },
    );
  }
}

const CERTIFICATE = "root.pem";
const KEY = "root.key";
const SIGNED = "signed";
