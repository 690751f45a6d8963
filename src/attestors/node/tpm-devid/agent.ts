import { readFile, stat } from "node:fs/promises";
import type { Clock } from "../../../base/clock.ts";
import { AssayError, errorFrom, fail } from "../../../base/errors.ts";
import { readTextFile } from "../../../base/text-file.ts";
import { type PublicArea, parsePublicFile, withoutLength } from "../../../tpm/public-area.ts";
import { parseCertificate } from "../../../x509/certificate.ts";
import { requireCertificates } from "../../../x509/pem.ts";
import type { NodeAttestorAgent, NodeProof } from "../../contract.ts";
import { isKeyOf } from "./certificate-key.ts";
import { DevidSession } from "./devid-session.ts";
import {
  MAX_INTERMEDIATES,
  TPM_DEVID_TYPE,
  encodeAnswer,
  encodeEvidence,
  parseChallenge,
} from "./payload.ts";

export interface TpmDevidAgentOptions {
  /** `openTpm`'s. */
  readonly device: string;
  /** PEM: the device's certificate, then intermediates. */
  readonly certFile: string;
  /** The key as its TPM wrapped it, and its public area: TPM2B_PRIVATE and TPM2B_PUBLIC, or what they hold. */
  readonly privateFile: string;
  readonly publicFile: string;
  /** Files with passwords; absent: empty ones. */
  readonly devidPasswordFile?: string;
  readonly ownerPasswordFile?: string;
  readonly endorsementPasswordFile?: string;
  readonly clock: Clock;
}

/**
 * Proves with a device certificate whose key is in this host's TPM. The files are read, and the TPM opened, at each proof;
 * it is closed when the server has answered.
 */
export function tpmDevidAttestor(options: TpmDevidAgentOptions): NodeAttestorAgent {
  return {
    type: TPM_DEVID_TYPE,
    repeatable: true,
    async prove(signal) {
      const { device, clock } = options;
      const devidChain = await readChain(options.certFile);
      const devidKey = await readKey(options.publicFile);
      const [leaf] = devidChain;
      if (leaf === undefined || !isKeyOf(parseCertificate(leaf), devidKey)) {
        throw fail(
          "precondition",
          `the key in ${options.publicFile} is not that of the certificate ${options.certFile}`,
        );
      }
      const session = await DevidSession.open({
        device,
        clock,
        devidKey,
        devidPrivate: await readPrivate(options.privateFile),
        devidPassword: await readPassword(options.devidPasswordFile),
        ownerPassword: await readPassword(options.ownerPasswordFile),
        endorsementPassword: await readPassword(options.endorsementPasswordFile),
        signal,
      });
      return proof(session, devidChain);
    },
  };
}

function proof(session: DevidSession, devidChain: readonly Uint8Array[]): NodeProof {
  let isAnswered = false;
  return {
    type: TPM_DEVID_TYPE,
    payload: encodeEvidence({ devidChain, ...session.evidence }),
    async respond(challenge) {
      // One proof, one signature: a server that asks again wants something else than to know this node.
      if (isAnswered) throw fail("precondition", "the server challenged one proof twice");
      isAnswered = true;
      const { nonce, ...made } = parseChallenge(challenge);
      const signature = await session.sign(nonce);
      return encodeAnswer({ signature, content: await session.activate(made) });
    },
    close: () => session[Symbol.asyncDispose](),
  };
}

async function readChain(file: string): Promise<readonly Uint8Array[]> {
  const text = await readTextFile(file);
  try {
    const chain = requireCertificates(text).map((der) => parseCertificate(der).raw);
    if (chain.length <= 1 + MAX_INTERMEDIATES) return chain;
    throw fail("invalid", `there are more than ${MAX_INTERMEDIATES} intermediates in it`);
  } catch (cause) {
    throw fail("precondition", `${file}: ${errorFrom(cause).message}`, { cause });
  }
}

async function readKey(file: string): Promise<PublicArea> {
  const bytes = await readBlob(file);
  try {
    return parsePublicFile(bytes, "devid key");
  } catch (cause) {
    throw fail("precondition", `${file}: ${errorFrom(cause).message}`, { cause });
  }
}

async function readPrivate(file: string): Promise<Uint8Array> {
  return withoutLength(await readBlob(file));
}

async function readBlob(file: string): Promise<Uint8Array> {
  try {
    if ((await stat(file)).size > MAX_BLOB_BYTES) {
      throw fail("precondition", `${file} is larger than ${MAX_BLOB_BYTES} bytes`);
    }
    return new Uint8Array(await readFile(file));
  } catch (cause) {
    if (cause instanceof AssayError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw fail("precondition", `${file} cannot be read (${code})`, { cause });
  }
}

/** Without the line's end. */
async function readPassword(file: string | undefined): Promise<string> {
  return file === undefined ? "" : (await readTextFile(file)).replace(/\r?\n$/, "");
}

const MAX_BLOB_BYTES = 4096;
