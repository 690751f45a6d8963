import { systemRandom } from "../../base/random.ts";
import { KEY_TYPES } from "../../keys/contract.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { encryptPkcs8 } from "../../x509/encrypted-key.ts";
import type { Command } from "../program/command.ts";
import { isoTime } from "../text/facts.ts";
import { orUsage } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { makeRoot } from "./make-root.ts";
import { PASSPHRASE_OPTION, readPassphrase } from "./passphrase.ts";
import { DIR_OPTION, keepSigned, requireEmpty, saveRoot } from "./safe.ts";

export const command: Command = {
  name: "ca root create",
  options: [
    DIR_OPTION,
    {
      name: "trust-domain",
      value: "NAME",
      help: "the trust domain whose authorities it will sign",
      required: true,
    },
    PASSPHRASE_OPTION,
    {
      name: "key-type",
      value: "TYPE",
      help: "key of the root",
      choices: KEY_TYPES,
      fallback: "ec-p384",
    },
    { name: "ttl", value: "DURATION", help: "life of the root", fallback: "3650d" },
    OUTPUT_OPTION,
  ],
  examples: ["assay ca root create --dir /media/safe --trust-domain example.org"],
  notes: [
    "Run it on a machine that is kept apart: this command and 'ca root sign' need no server and no network. The key is",
    "written encrypted (PBES2, PBKDF2 with a million rounds, AES-256) and nowhere else; openssl reads it, too.",
  ],
  async run({ options, output, signal }) {
    const dir = options.required("dir");
    const trustDomain = orUsage(() => TrustDomain.parse(options.required("trust-domain")));
    const ttlSeconds = options.life("ttl") ?? TEN_YEARS;
    const keyType = KEY_TYPES.find((known) => known === options.text("key-type")) ?? "ec-p384";
    requireEmpty(dir);
    const passphrase = await readPassphrase({ options, signal }, { isNew: true });
    const { certificate, pkcs8 } = await makeRoot({ trustDomain, keyType, ttlSeconds });
    const encryptedKey = await encryptPkcs8(pkcs8, passphrase, systemRandom);
    await saveRoot(dir, { certificate, encryptedKey });
    const root = parseCertificate(certificate);
    await keepSigned(dir, root);
    const expiresAt = isoTime(root.notAfter);
    output.data({ id: root.subjectKeyId, expiresAt, dir }, () => [
      `root ${root.subjectKeyId ?? ""} of ${trustDomain.name} is in ${dir}, until ${expiresAt}`,
    ]);
    return undefined;
  },
};

const TEN_YEARS = 3650 * 86_400;
