import { bytesEqual } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import { type ProofKey, proofKeyFromPem } from "../../../keys/possession.ts";
import { parseCertificate } from "../../../x509/certificate.ts";
import { requireCertificates } from "../../../x509/pem.ts";
import type { NodeAttestorAgent, NodeProof } from "../../contract.ts";
import { readFileAs } from "../read-file-as.ts";
import {
  MAX_INTERMEDIATES,
  NONCE_BYTES,
  X509POP_TYPE,
  encodeAnswer,
  encodeChain,
  parseChallenge,
  signedBytes,
} from "./payload.ts";

export interface X509PopAgentOptions {
  /** PEM: the leaf, then intermediates if the file holds them. */
  readonly certFile: string;
  /** PEM, the leaf's private key. */
  readonly keyFile: string;
  /** PEM, further intermediates. */
  readonly chainFile?: string;
  readonly random: Random;
}

/**
 * Proves with a certificate that the host has from elsewhere and its key. The files are read at each proof, because
 * whoever made them renews them.
 */
export function x509popAttestor(options: X509PopAgentOptions): NodeAttestorAgent {
  return {
    type: X509POP_TYPE,
    repeatable: true,
    async prove() {
      const { certFile, keyFile, chainFile } = options;
      const chain = [
        ...(await readChain(certFile)),
        ...(chainFile === undefined ? [] : await readChain(chainFile)),
      ];
      if (chain.length > 1 + MAX_INTERMEDIATES) {
        throw fail(
          "precondition",
          `${certFile} comes with more than ${MAX_INTERMEDIATES} intermediates, which servers refuse`,
        );
      }
      const key = await readFileAs(keyFile, MAX_FILE_BYTES, proofKeyFromPem);
      const [leaf] = chain;
      if (leaf === undefined || !bytesEqual(parseCertificate(leaf).publicKey, key.publicKey)) {
        throw fail(
          "precondition",
          `the key in ${keyFile} is not that of the certificate ${certFile}`,
        );
      }
      return proof(chain, key, options.random);
    },
  };
}

function proof(chain: readonly Uint8Array[], key: ProofKey, random: Random): NodeProof {
  let isAnswered = false;
  return {
    type: X509POP_TYPE,
    payload: encodeChain(chain),
    async respond(challenge) {
      // One proof, one signature: a server that asks again wants something else than to know this node.
      if (isAnswered) throw fail("precondition", "the server challenged one proof twice");
      isAnswered = true;
      const { family, halfBytes } = key;
      const serverNonce = parseChallenge(family, challenge);
      const nonce = random.bytes(NONCE_BYTES);
      const signature = await key.sign(signedBytes(serverNonce, nonce));
      if (family === "rsa") return encodeAnswer({ family, nonce, signature });
      const r = withoutZeros(signature.subarray(0, halfBytes));
      const s = withoutZeros(signature.subarray(halfBytes));
      return encodeAnswer({ family, nonce, r, s });
    },
  };
}

function readChain(file: string): Promise<Uint8Array[]> {
  return readFileAs(file, MAX_FILE_BYTES, (text) =>
    requireCertificates(text).map((der) => parseCertificate(der).raw),
  );
}

/** As a number is written: no leading zero bytes. */
function withoutZeros(half: Uint8Array): Uint8Array {
  let start = 0;
  while (start < half.length - 1 && half[start] === 0) start += 1;
  return half.subarray(start);
}

const MAX_FILE_BYTES = 256 * 1024;
