import { fail } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { type CertificateRequest, parseCsr, verifyCsr } from "../../x509/csr.ts";
import { type IntermediateParams, signIntermediate } from "../../x509/intermediate.ts";
import { NO_URIS } from "../../x509/name-constraints.ts";
import { commonNameOf, formatName } from "../../x509/names.ts";
import { decodePem, encodePem } from "../../x509/pem.ts";
import type { Command } from "../program/command.ts";
import { isoTime } from "../text/facts.ts";
import { UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { readNamedFile } from "../files/named-file.ts";
import { PASSPHRASE_OPTION, readPassphrase } from "./passphrase.ts";
import { DIR_OPTION, keepSigned, openRoot, readRoot } from "./safe.ts";

export const command: Command = {
  name: "ca root sign",
  operand: "csr",
  options: [
    {
      name: "csr",
      value: "FILE",
      help: "request of 'assay authority x509 csr' (PEM); - is standard input",
      required: true,
    },
    DIR_OPTION,
    PASSPHRASE_OPTION,
    { name: "ttl", value: "DURATION", help: "life of the authority", fallback: "365d" },
    {
      name: "path-length",
      value: "N",
      help: "levels of authorities allowed below it, for servers nested below that one",
      fallback: "0",
    },
    {
      name: "no-name-constraints",
      help: "let a set's authority, too, name URIs, for verifiers that do not know name constraints",
    },
    OUTPUT_OPTION,
  ],
  examples: ["assay ca root sign server.csr --dir /media/safe > server.pem"],
  notes: [
    "Prints the authority's certificate and the root, as 'assay authority x509 import' takes them. Only requests for the",
    "root's own trust domain are signed; a copy of each certificate stays in the folder signed/. An authority of a set",
    "gets name constraints that rule out URIs: whoever has its key can make no SPIFFE ID that verifies.",
  ],
  async run({ options, output, signal }) {
    const dir = options.required("dir");
    const ttlSeconds = options.life("ttl") ?? YEAR;
    const pathLen = pathLength(options.text("path-length") ?? "0");
    const csr = await readRequest(options.required("csr"));
    // What is wrong is said before somebody types.
    const names = namesOf(csr, await readRoot(dir));
    const root = await openRoot(dir, await readPassphrase({ options, signal }));
    const isConstrained = names.uri === undefined && !options.flag("no-name-constraints");
    const serial = systemRandom.bytes(16);
    const now = Math.floor(Date.now() / 1000);
    const der = await signIntermediate(
      {
        issuer: root.certificate,
        publicKey: csr.publicKey,
        ...names,
        ...(isConstrained ? { nameConstraints: NO_URIS } : {}),
        serial,
        now,
        ttlSeconds,
        pathLen,
      },
      root.signer,
    );
    const certificate = parseCertificate(der);
    await keepSigned(dir, certificate);
    if (certificate.notAfter < now + ttlSeconds) {
      output.note("assay: the root ends earlier than asked for, and with it what it signs");
    }
    const expiresAt = isoTime(certificate.notAfter);
    const pem = [der, root.certificate.raw].map((each) => encodePem("CERTIFICATE", each));
    output.note(
      `assay: signed ${certificate.subjectKeyId ?? ""} until ${expiresAt}, as '${formatName(certificate.subject)}'`,
    );
    output.data({ id: certificate.subjectKeyId, expiresAt, certificates: pem }, () => [
      pem.join("").trimEnd(),
    ]);
    return undefined;
  },
};

/**
 * What the authority is named: as the trust domain's own, or, where the request has no SPIFFE ID, as one of a set
 * beside it, which signs none.
 */
function namesOf(
  csr: CertificateRequest,
  root: Certificate,
): Pick<IntermediateParams, "subject" | "uri"> {
  const [uri = ""] = root.uris;
  const organization = uri.slice("spiffe://".length);
  if (csr.uris.length === 1 && csr.uris[0] === uri) {
    const subject = [
      { type: "C", value: "US" },
      { type: "O", value: "SPIFFE" },
    ] as const;
    return { subject, uri };
  }
  const commonName = commonNameOf(csr.subject);
  if (
    csr.uris.length === 0 &&
    commonName?.startsWith(`${organization} `.slice(0, MAX_NAME)) === true
  ) {
    return {
      subject: [
        { type: "O", value: organization.slice(0, MAX_NAME) },
        { type: "CN", value: commonName.slice(0, MAX_NAME) },
      ],
    };
  }
  throw fail(
    "invalid",
    `the request is not for ${uri}, whose root this is; 'assay authority x509 csr' of a server of that trust domain makes one`,
  );
}

async function readRequest(file: string): Promise<CertificateRequest> {
  const block = decodePem(readNamedFile(file, "csr")).find(({ label }) =>
    label.endsWith("CERTIFICATE REQUEST"),
  );
  if (block === undefined) throw fail("invalid", `--csr: ${file} holds no request (PEM)`);
  const csr = parseCsr(block.der);
  await verifyCsr(csr);
  return csr;
}

function pathLength(text: string): number {
  if (/^\d$/.test(text)) return Number(text);
  throw new UsageError("--path-length is not a number from 0 to 9");
}

/** RFC 5280 appendix A.1. */
const MAX_NAME = 64;
const YEAR = 365 * 86_400;
