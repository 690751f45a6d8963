/** A second root, which signs the one of a rig: chains to it are offered as alternates (RFC 8555 §7.4.2). */
import { execFile } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Rig } from "./rig.ts";

const exec = promisify(execFile);
/** Its common name, as clients prefer it. */
export const CROSS_ROOT = "another root";

/** @returns the second root's PEM file */
export async function importCrossRoot(rig: Rig): Promise<string> {
  const path = (name: string): string => join(rig.dir, name);
  const [key, other] = [path("other.key"), path("other.pem")];
  const openssl = (...args: string[]): Promise<unknown> => exec("openssl", args);
  const algorithm = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
  const subject = ["-subj", `/CN=${CROSS_ROOT}`, "-days", "3000", ...usage];
  await openssl("req", "-x509", ...algorithm, "-nodes", "-keyout", key, ...subject, "-out", other);
  writeFileSync(path("extensions"), EXTENSIONS);
  const signer = ["-CA", other, "-CAkey", key, "-set_serial", "7", "-days", "2000"];
  const extensions = ["-clrext", "-extfile", path("extensions")];
  await openssl("x509", "-in", rig.root, ...signer, ...extensions, "-out", path("cross.pem"));
  const certificates = ["cross.pem", "other.pem"].map((name) => readFileSync(path(name), "utf8"));
  writeFileSync(path("both.pem"), certificates.join(""));
  await rig.assay("authority", "x509", "import", path("both.pem"), "--set", "web");
  return other;
}

const EXTENSIONS = `
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`;
