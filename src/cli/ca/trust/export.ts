import { createHash } from "node:crypto";
import { fail } from "../../../base/errors.ts";
import type { GetX509RootsResponse__Output } from "../../../rpc/gen/assay/authority/v1/GetX509RootsResponse.ts";
import { parseCertificate } from "../../../x509/certificate.ts";
import { formatName } from "../../../x509/names.ts";
import { SETS_SERVICE, SET_OPTION, setOf } from "../../authority/sets.ts";
import type { Command, CommandContext } from "../../program/command.ts";
import { isoTime } from "../../text/facts.ts";
import { UsageError } from "../../program/grammar.ts";
import { OUTPUT_OPTION } from "../../program/options.ts";
import { readNamedFile } from "../../files/named-file.ts";
import { checkWritable, replaceFile } from "../../files/replace-file.ts";
import { SERVER_SOCKET_OPTION, connectServer } from "../../connection/rpc-clients.ts";
import { readRoot } from "../safe.ts";
import type { ExportedTrust } from "./exported-trust.ts";
import { TEXT_FORMATS, TRUST_FORMATS, renderTrust } from "./formats.ts";

export const command: Command = {
  name: "ca trust export",
  options: [
    SET_OPTION,
    {
      name: "dir",
      value: "SAFE",
      help: "folder of an offline root, in place of a running server; needs no passphrase",
    },
    {
      name: "format",
      value: "FORMAT",
      help: "pkcs12 for Java and others, mobileconfig for macOS and iOS, deb for Debian and images made of it",
      choices: TRUST_FORMATS,
      fallback: "pem",
    },
    {
      name: "out",
      value: "FILE",
      help: "where it is written; needed for pkcs12 and deb",
      fallback: "standard output",
    },
    {
      name: "password-file",
      value: "FILE",
      help: "with pkcs12: the store's password, which protects nothing secret",
      fallback: "changeit",
    },
    SERVER_SOCKET_OPTION,
    OUTPUT_OPTION,
  ],
  examples: [
    "assay ca trust export --set web > web-roots.pem",
    "assay ca trust export --set web --format deb --out web-roots.deb",
    "assay ca trust export --dir /media/safe --format mobileconfig --out roots.mobileconfig",
  ],
  notes: [
    "What those have to trust who verify certificates of the set: its roots, the next one too. Nothing secret is in it, and",
    "whoever can change it on its way decides what is trusted: compare the fingerprints that are printed.",
  ],
  async run(context) {
    const { options, output } = context;
    const format = TRUST_FORMATS.find((known) => known === options.text("format")) ?? "pem";
    const file = options.text("out");
    if (file === undefined && !TEXT_FORMATS.has(format)) {
      throw new UsageError(`--out is missing: ${format} is no text for standard output`);
    }
    if (file === undefined && output.format === "json") {
      throw new UsageError("--out is missing: with --output json what is written is told");
    }
    const passwordFile = options.text("password-file");
    if (passwordFile !== undefined && format !== "pkcs12") {
      throw new UsageError("--password-file has a meaning with --format pkcs12 only");
    }
    const password =
      passwordFile === undefined
        ? USUAL_PASSWORD
        : readNamedFile(passwordFile, "password-file").replace(/\r?\n$/, "");
    const trust = await trustOf(context);
    const bytes = await renderTrust(trust, format, password);
    for (const der of trust.roots) {
      const { subject, notAfter } = parseCertificate(der);
      output.note(`assay: ${formatName(subject)}, until ${isoTime(notAfter)}, ${sha256(der)}`);
    }
    if (file === undefined) {
      output.line(Buffer.from(bytes).toString("utf8").trimEnd());
      return undefined;
    }
    await checkWritable(file, "--out");
    await replaceFile(file, bytes, 0o644);
    output.data({ file, format, roots: trust.roots.map(sha256) }, () => [`${file} is written`]);
    return undefined;
  },
};

async function trustOf(context: CommandContext): Promise<ExportedTrust> {
  const { options } = context;
  const dir = options.text("dir");
  const set = setOf("x509", options);
  const at = Math.floor(Date.now() / 1000);
  if (dir !== undefined) {
    if (set !== "") throw new UsageError("--dir and --set exclude each other");
    const root = await readRoot(dir);
    const trustDomain = root.uris[0]?.slice("spiffe://".length) ?? "root";
    return { trustDomain, set, roots: [root.raw], at };
  }
  using server = await connectServer(context);
  const { trust_domain: trustDomain, roots } = await server.call<GetX509RootsResponse__Output>(
    SETS_SERVICE,
    "GetX509Roots",
    { set },
  );
  if (roots.length > 0) return { trustDomain, set, roots, at };
  throw fail(
    "precondition",
    `there is no root yet: the first one comes with 'assay authority x509 import${set === "" ? "" : ` --set ${set}`}'`,
  );
}

function sha256(der: Uint8Array): string {
  return `SHA-256 ${createHash("sha256").update(der).digest("hex")}`;
}

/** Java's own, which everybody knows. */
const USUAL_PASSWORD = "changeit";
