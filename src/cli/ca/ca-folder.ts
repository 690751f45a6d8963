/** A folder that is a whole CA: its certificate and key, the server's configuration, and what the server keeps. */
import { chmodSync, existsSync, readdirSync, statSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../base/errors.ts";
import { SERVER_FILE } from "../../config/server/data-folder.ts";
import { makePrivateFolder } from "../../config/folders.ts";
import type { KeyType } from "../../keys/contract.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { encodePem } from "../../x509/pem.ts";
import { type MadeRoot, makeRoot } from "./make-root.ts";

export interface NewCa {
  readonly trustDomain: TrustDomain;
  readonly keyType: KeyType;
  readonly ttlSeconds: number;
  /** DNS names of the listener. */
  readonly hosts: readonly string[];
  /** HOST:PORT */
  readonly listen: string;
}

/** True when the folder holds nothing of a CA or a server. */
export function isFreshFolder(dir: string): boolean {
  return OURS.every((name) => !existsSync(join(dir, name)));
}

/**
 * Makes the folder where it is missing, and the CA in it, a new one unless told otherwise.
 * @returns the CA's certificate, DER
 * @throws exists when there is one, or a server's state; precondition when the folder holds what others read
 */
export async function initCaFolder(
  dir: string,
  wanted: NewCa,
  rootOf: (wanted: NewCa) => Promise<MadeRoot> = makeRoot,
): Promise<Uint8Array> {
  const found = OURS.find((name) => existsSync(join(dir, name)));
  if (found !== undefined) {
    throw fail(
      "exists",
      `${join(dir, found)} is there already; a CA is never overwritten: take another folder`,
    );
  }
  // Before anything is made: it may be refused.
  const { certificate, pkcs8 } = await rootOf(wanted);
  makePrivateFolder(dir, "--dir");
  closeToOthers(dir);
  await writeNew(join(dir, KEY), encodePem("PRIVATE KEY", pkcs8), 0o400);
  await writeNew(join(dir, CERTIFICATE), encodePem("CERTIFICATE", certificate), 0o444);
  // Last: with it the folder is a CA's.
  await writeNew(join(dir, SERVER_FILE), configuration(wanted), 0o644);
  return certificate;
}

/** An empty folder is closed; one that holds something is not, since that could be what others live by. */
function closeToOthers(dir: string): void {
  if ((statSync(dir).mode & 0o077) === 0) return;
  if (readdirSync(dir).length === 0) chmodSync(dir, 0o700);
  else {
    throw fail(
      "precondition",
      `${dir} is open to others and not empty; take an empty folder, or run 'chmod go-rwx ${dir}'`,
    );
  }
}

function configuration({ trustDomain, hosts, listen }: NewCa): string {
  const ca = `disk: { certFile: ${CERTIFICATE}, keyFile: ${KEY} }`;
  return `# Configuration of 'assay server --data-dir' on this folder; it counts from the next start on. Paths are below this
# folder, so that it can be moved as a whole. Every key: doc/configuration.md
trustDomain: ${trustDomain.name}

# Where agents connect, if there are any.
listen: 127.0.0.1:8081

# Authorities below the CA, made and replaced by the server: one for SVIDs, one for certificates of tokens.
caTtl: 365d
upstreamAuthority: { ${ca} }
authoritySets:
  services:
    keyType: ec-p256
    caTtl: 365d
    profiles: [peer]
    upstreamAuthority: { ${ca} }

# Certificates for one-time tokens: doc/provision.md
frontends:
  provision:
    listen: ${listen}
    hosts: [${hosts.join(", ")}]
    set: services
    # Life of a certificate, and the longest that may be authorized.
    life: 24h
    maxLife: 90d
    # How long a token counts.
    tokenLife: 1h
`;
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  const file = await open(path, "wx", mode);
  try {
    await file.chmod(mode);
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

const KEY = "cakey.pem";
const CERTIFICATE = "cacert.pem";
/** With the database and the keys of a server that has been here. */
const OURS = [KEY, CERTIFICATE, SERVER_FILE, "datastore.db", "keys"];
