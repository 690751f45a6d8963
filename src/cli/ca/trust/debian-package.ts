import { createHash } from "node:crypto";
import { gzipSync } from "node:zlib";
import { encodePem } from "../../../x509/pem.ts";
import { type ArchivedFile, ar, tar } from "./archives.ts";
import type { ExportedTrust } from "./exported-trust.ts";

/**
 * A package that has a Debian system trust the roots, and no more than they: they lie where `update-ca-certificates`
 * looks, and that is run when the package comes and when it goes.
 */
export function debianPackage({ trustDomain, set, roots, at }: ExportedTrust): Uint8Array {
  const name = packageName(trustDomain, set);
  const files: ArchivedFile[] = [
    ...FOLDERS.map((path) => ({ path, bytes: new Uint8Array(), mode: 0o755 })),
    ...roots.map((der) => ({
      path: `./usr/local/share/ca-certificates/${name.slice(0, MAX_FILE)}-${fingerprint(der)}.crt`,
      bytes: Buffer.from(encodePem("CERTIFICATE", der)),
      mode: 0o644,
    })),
  ];
  const control = [
    `Package: ${name}`,
    `Version: ${versionOf(at)}`,
    "Architecture: all",
    "Maintainer: whoever exported it <root@localhost>",
    "Depends: ca-certificates",
    "Section: misc",
    "Priority: optional",
    `Description: root certificates of ${trustDomain}${set === "" ? "" : `, ${set}`}`,
    " Trusted by all programs of this system that use its certificate store.",
    "",
  ].join("\n");
  const parts: ArchivedFile[] = [
    { path: "./", bytes: new Uint8Array(), mode: 0o755 },
    { path: "./control", bytes: Buffer.from(control), mode: 0o644 },
    { path: "./md5sums", bytes: Buffer.from(sums(files)), mode: 0o644 },
    { path: "./postinst", bytes: Buffer.from(script("")), mode: 0o755 },
    { path: "./postrm", bytes: Buffer.from(script(" --fresh")), mode: 0o755 },
  ];
  const members = [
    { name: "debian-binary", bytes: Buffer.from("2.0\n") },
    { name: "control.tar.gz", bytes: gzipSync(tar(parts, at)) },
    { name: "data.tar.gz", bytes: gzipSync(tar(files, at)) },
  ];
  return ar(members, at);
}

/** Debian policy §5.6.1: lower-case letters, digits, plus, minus and dots, two at least. */
function packageName(trustDomain: string, set: string): string {
  const name = set === "" ? trustDomain : `${trustDomain}-${set}`;
  return `${name.replaceAll(/[^a-z0-9.-]+/g, "-")}-roots`.replace(/^[^a-z0-9]+/, "");
}

/** Later exports replace earlier ones. */
function versionOf(at: number): string {
  const text = new Date(at * 1000).toISOString();
  return `1.${text.slice(0, 19).replaceAll(/\D/g, "")}`;
}

function fingerprint(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex").slice(0, 8);
}

function sums(files: readonly ArchivedFile[]): string {
  return files
    .filter(({ path }) => !path.endsWith("/"))
    .map(
      ({ path, bytes }) => `${createHash("md5").update(bytes).digest("hex")}  ${path.slice(2)}\n`,
    )
    .join("");
}

/**
 * A container's image may be without it, which is no reason to fail. With DPKG_ROOT another system's files are
 * installed, and this one's store is none of the package's business.
 */
function script(option: string): string {
  return `#!/bin/sh
set -e
if [ -z "\${DPKG_ROOT:-}" ] && command -v update-ca-certificates >/dev/null; then
  update-ca-certificates${option}
fi
`;
}

const FOLDERS = [
  "./",
  "./usr/",
  "./usr/local/",
  "./usr/local/share/",
  "./usr/local/share/ca-certificates/",
];
/** A tar header has room for 99 bytes of path. */
const MAX_FILE = 50;
