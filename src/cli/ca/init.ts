import { hostname } from "node:os";
import { resolve } from "node:path";
import { DEFAULT_TRUST_DOMAIN, LISTEN_ADDRESS } from "../../config/sections/common-settings.ts";
import { KEY_TYPES } from "../../keys/contract.ts";
import { fingerprintOf } from "../../provision/http-exchange.ts";
import { identityNames } from "../../provision/names.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import type { Command } from "../program/command.ts";
import { isoTime } from "../text/facts.ts";
import { UsageError, orUsage } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { adoptedRoot } from "./adopted-root.ts";
import { type NewCa, initCaFolder } from "./ca-folder.ts";

export const command: Command = {
  name: "ca init",
  operand: "dir",
  options: [
    { name: "dir", value: "DIR", help: "folder that is to hold all of it", required: true },
    {
      name: "from",
      value: "OLD",
      help: "take over the CA of this folder, cacert.pem and cakey.pem, as Pollendina and others have them",
    },
    {
      name: "trust-domain",
      value: "TD",
      help: "name of the trust domain",
      fallback: DEFAULT_TRUST_DOMAIN,
    },
    {
      name: "key-type",
      value: "TYPE",
      help: "key of the CA",
      choices: KEY_TYPES,
      fallback: "ec-p384",
    },
    {
      name: "ttl",
      value: "DURATION",
      help: "life of the CA (default 3650d); with --from its name and key get a new certificate, none without it",
    },
    {
      name: "host",
      value: "NAME",
      help: "name by which clients reach the server",
      many: true,
      fallback: "localhost and this machine's",
    },
    {
      name: "listen",
      value: "HOST:PORT",
      help: "where the front end 'provision' listens",
      fallback: "0.0.0.0:33004",
    },
    OUTPUT_OPTION,
  ],
  examples: [
    "assay ca init ./ca --host ca.example.org",
    "assay ca init /srv/ca --key-type rsa-4096 --ttl 1825d",
    "assay ca init ./ca --from ./pollendina",
  ],
  notes: [
    "Makes cacert.pem, cakey.pem (not encrypted: whoever has the folder has the CA) and server.yaml, the configuration of",
    "'assay server --data-dir DIR', which keeps everything else there, too. Edit it, and start the server again.",
    "With --from the certificate stays as it is, so that whoever trusts it goes on, and the key is copied; OLD is not changed.",
  ],
  async run({ options, output }) {
    const dir = resolve(options.required("dir"));
    const hosts = options.list("host");
    const from = options.text("from");
    if (from !== undefined && options.given("key-type") !== undefined) {
      throw new UsageError("--key-type has no meaning with --from, which keeps the key");
    }
    const ttlSeconds = options.life("ttl");
    const wanted: NewCa = {
      trustDomain: orUsage(() =>
        TrustDomain.parse(options.text("trust-domain") ?? DEFAULT_TRUST_DOMAIN),
      ),
      keyType: KEY_TYPES.find((known) => known === options.text("key-type")) ?? "ec-p384",
      ttlSeconds: ttlSeconds ?? TEN_YEARS,
      hosts:
        hosts.length === 0
          ? usualHosts()
          : orUsage(() => identityNames("x", hosts).dnsNames.slice(1)),
      listen: listenAddress(options.text("listen")),
    };
    const anew = ttlSeconds === undefined ? {} : { ttlSeconds };
    const der = await (from === undefined
      ? initCaFolder(dir, wanted)
      : initCaFolder(dir, wanted, () => adoptedRoot({ from: resolve(from), ...anew })));
    const { notAfter } = parseCertificate(der);
    const fingerprint = fingerprintOf(der);
    const facts = { dir, fingerprint, expiresAt: isoTime(notAfter) };
    output.data(facts, () => [
      from === undefined
        ? `made a CA in ${dir}, until ${isoTime(notAfter)}`
        : `took over the CA of ${from} into ${dir}, until ${isoTime(notAfter)}`,
      `fingerprint ${fingerprint}`,
      `serve it with 'assay server --data-dir ${dir}'`,
    ]);
    return undefined;
  },
};

/** What a server that makes its own folder makes. */
export function usualCa(trustDomain: string): NewCa {
  return {
    trustDomain: TrustDomain.parse(trustDomain),
    keyType: "ec-p384",
    ttlSeconds: TEN_YEARS,
    hosts: usualHosts(),
    listen: USUAL_LISTEN,
  };
}

function usualHosts(): readonly string[] {
  const own = hostname().toLowerCase();
  return /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(own) && own !== "localhost"
    ? ["localhost", own]
    : ["localhost"];
}

function listenAddress(text = USUAL_LISTEN): string {
  if (new RegExp(LISTEN_ADDRESS.pattern ?? "", "u").test(text)) return text;
  throw new UsageError(`--listen: '${text}' ${LISTEN_ADDRESS.rule ?? ""}`);
}

const USUAL_LISTEN = "0.0.0.0:33004";
const TEN_YEARS = 3650 * 86_400;
