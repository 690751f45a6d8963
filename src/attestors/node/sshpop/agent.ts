import { type KeyObject, createPublicKey } from "node:crypto";
import { bytesEqual } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import type { NodeAttestorAgent } from "../../contract.ts";
import { readFileAs } from "../read-file-as.ts";
import { parseSshCertificate } from "./certificate.ts";
import {
  NONCE_BYTES,
  SSHPOP_TYPE,
  encodeAnswer,
  encodeCertificate,
  parseChallenge,
  signedBytes,
} from "./payload.ts";
import { parseSshPrivateKey, signSsh } from "../../../keys/ssh/private-key.ts";

export interface SshPopAgentOptions {
  readonly hostKeyFile: string;
  /** One line, as in `ssh_host_ed25519_key-cert.pub`. */
  readonly hostCertFile: string;
  readonly random: Random;
}

/** Proves with the host certificate of this host's sshd and its key. The files are read at each proof. */
export function sshpopAttestor(options: SshPopAgentOptions): NodeAttestorAgent {
  const { hostKeyFile, hostCertFile, random } = options;
  return {
    type: SSHPOP_TYPE,
    repeatable: true,
    async prove() {
      const certificate = await readFileAs(hostCertFile, MAX_FILE_BYTES, readCertificate);
      const key = await readFileAs(hostKeyFile, MAX_FILE_BYTES, parseSshPrivateKey);
      if (!bytesEqual(spkiOf(createPublicKey(key.key)), spkiOf(certificate.key.key))) {
        throw fail(
          "precondition",
          `the key in ${hostKeyFile} is not that of the certificate ${hostCertFile}`,
        );
      }
      let isAnswered = false;
      return {
        type: SSHPOP_TYPE,
        payload: encodeCertificate(certificate.raw),
        async respond(challenge) {
          // One proof, one signature: a server that asks again wants something else than to know this node.
          if (isAnswered) throw fail("precondition", "the server challenged one proof twice");
          isAnswered = true;
          const nonce = random.bytes(NONCE_BYTES);
          const signature = await signSsh(key, signedBytes(parseChallenge(challenge), nonce));
          return encodeAnswer({ nonce, signature });
        },
      };
    },
  };
}

function readCertificate(text: string): ReturnType<typeof parseSshCertificate> {
  const [, body = ""] = text.trim().split(/\s+/, 2);
  return parseSshCertificate(Buffer.from(body, "base64"));
}

/** Compared as bytes: node's `equals` of keys of two types leaves an error behind that the next parser trips over. */
function spkiOf(key: KeyObject): Uint8Array {
  return key.export({ format: "der", type: "spki" });
}

const MAX_FILE_BYTES = 64 * 1024;
