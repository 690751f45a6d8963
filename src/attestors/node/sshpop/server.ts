import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import type { Random } from "../../../base/random.ts";
import type { NodeAttestorServer } from "../../contract.ts";
import type { AgentPathTemplate } from "../agent-path.ts";
import {
  type SshCertificate,
  certificateFingerprint,
  certificateTwin,
  checkHostCertificate,
  parseSshCertificate,
} from "./certificate.ts";
import {
  NONCE_BYTES,
  SSHPOP_TYPE,
  encodeChallenge,
  parseAnswer,
  parseCertificateMessage,
  signedBytes,
} from "./payload.ts";
import { checkSshSignature, parsePublicKey } from "../../../keys/ssh/public-key.ts";

export interface SshPopServerOptions {
  /** Public keys of host certificate authorities, in SSH's encoding. */
  readonly authorities: readonly Uint8Array[];
  /** The first principal must be in this domain, which the name of the host then leaves out. */
  readonly canonicalDomain?: string;
  /** Of `Fingerprint`, `Hostname`, `KeyId` and `Serial`. */
  readonly agentPath: AgentPathTemplate;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * The server's half of `sshpop`: whoever holds the key of a host certificate of one of the authorities may become the
 * one agent that the certificate names, as often as it likes.
 */
export function sshpopServer(options: SshPopServerOptions): NodeAttestorServer {
  return {
    type: SSHPOP_TYPE,
    async admit(payload, challenge) {
      const certificate = parseSshCertificate(parseCertificateMessage(payload));
      await checkHostCertificate(certificate, options.authorities, epochSeconds(options.clock));
      // Before the challenge: nobody signs for a name that will not be given.
      const hostname = hostnameOf(certificate, options.canonicalDomain);
      const pathFor = (raw: Uint8Array): string =>
        `/spire/agent/${SSHPOP_TYPE}/${options.agentPath.render((field) => valueOf(field, { ...certificate, raw }, hostname))}`;
      const agentPath = pathFor(certificate.raw);
      const twin = certificateTwin(certificate);
      const nonce = options.random.bytes(NONCE_BYTES);
      const answer = parseAnswer(await challenge(encodeChallenge(nonce)));
      const data = signedBytes(nonce, answer.nonce);
      // SPIRE's agents sign with SHA-1 where the key is RSA. What is signed is a digest of a random number of ours,
      // so that nobody can prepare a collision.
      const rules = { allowSha1: true };
      if (!(await checkSshSignature(certificate.key, data, answer.signature, rules))) {
        throw fail("denied", "sshpop answer is not signed with the certificate's key");
      }
      return {
        agentPath,
        selectors: [],
        canReattest: true,
        ...(twin === undefined ? {} : { twinPath: pathFor(twin) }),
      };
    },
  };
}

/** One line of an `authorized_keys` file or of `ssh_host_ca.pub`. @throws invalid */
export function parseAuthorityLine(line: string): Uint8Array {
  const [type, body = ""] = line.trim().split(/\s+/, 2);
  const blob = new Uint8Array(Buffer.from(body, "base64"));
  if (blob.length === 0 || parsePublicKey(blob).type !== type) {
    throw fail("invalid", "ssh authority is not a line of key type and base64");
  }
  return blob;
}

function valueOf(field: string, certificate: SshCertificate, hostname: string): string | undefined {
  switch (field) {
    case "Fingerprint":
      return certificateFingerprint(certificate);
    case "Hostname":
      return hostname;
    case "KeyId":
      return certificate.keyId;
    case "Serial":
      return certificate.serial.toString();
    default:
      return undefined;
  }
}

function hostnameOf({ principals: [name = ""] }: SshCertificate, domain?: string): string {
  if (domain === undefined) return name;
  if (name.endsWith(`.${domain}`)) return name.slice(0, -domain.length - 1);
  throw fail("denied", `ssh certificate names a host outside of ${domain}`);
}
