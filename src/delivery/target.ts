import { fail } from "../base/errors.ts";
import type { Pick } from "./view.ts";

/**
 * `pem`: chain, key and bundle, each a file. `haproxy`: chain and key in one file, and the bundle. `pkcs12`: key store
 * and trust store. `jwt`: no X.509 at all.
 */
export type Format = "pem" | "haproxy" | "pkcs12" | "jwt";

/** How key stores are encrypted: `aes256` with PBKDF2, or `3des` for importers that know nothing newer. */
export type StoreCipher = "aes256" | "3des";

export interface TokenFile {
  readonly file: string;
  readonly audience: readonly string[];
}

/** How a process is told of new files. */
export interface Tell {
  /** A line for the shell; runs after each change, and its failure is retried. */
  readonly run?: string;
  readonly runTimeoutMs: number;
  /** A PID, or a file that holds one, which is read anew each time. */
  readonly signal?: number | string;
  readonly signalName: NodeJS.Signals;
}

/** What one folder is to hold. */
export interface Target {
  readonly dir: string;
  readonly format: Format;
  readonly pick: Pick;
  readonly names: FileNames;
  /** Owner of the files; the user of this process where absent. */
  readonly uid?: number;
  readonly gid?: number;
  /** Of files without secrets. */
  readonly fileMode: number;
  /** Of keys, key stores and tokens. */
  readonly keyMode: number;
  /** Foreign roots join those of the own domain in the bundle. */
  readonly includeFederated: boolean;
  readonly omitExpired: boolean;
  readonly jwtBundle: boolean;
  /** Revocation lists, while there are any. */
  readonly crl: boolean;
  readonly tokens: readonly TokenFile[];
  readonly password?: string;
  readonly storeCipher: StoreCipher;
  readonly tell: Tell;
}

export interface FileNames {
  readonly svid: string;
  readonly key: string;
  readonly bundle: string;
  readonly jwtBundle: string;
  readonly crl: string;
}

/** As `assay fetch x509 --write` calls them. */
export function defaultNames(format: Format): FileNames {
  const isStore = format === "pkcs12";
  return {
    svid: isStore ? "keystore.p12" : format === "haproxy" ? "haproxy.pem" : "svid.pem",
    key: "key.pem",
    bundle: isStore ? "truststore.p12" : "bundle.pem",
    jwtBundle: "jwt-bundle.json",
    crl: "crl.pem",
  };
}

/** Whether the target holds anything of an X.509-SVID. */
export function holdsX509(target: Target): boolean {
  return target.format !== "jwt";
}

/** @throws invalid when two of the target's files would have one name, or it would hold nothing */
export function checkTarget(target: Target): void {
  const { format, names, tokens, jwtBundle, crl, password } = target;
  const all = [
    ...(format === "jwt" ? [] : [names.svid, names.bundle]),
    ...(format === "pem" ? [names.key] : []),
    ...(jwtBundle ? [names.jwtBundle] : []),
    ...(crl ? [names.crl] : []),
    ...tokens.map(({ file }) => file),
  ];
  if (all.length === 0) {
    throw fail(
      "invalid",
      "format jwt holds nothing without a JWT-SVID or the JWT bundle; ask for one",
    );
  }
  for (const name of all) {
    if (RESERVED.has(name)) throw fail("invalid", `no file may be called '${name}' here`);
  }
  const twice = all.find((name, index) => all.indexOf(name) !== index);
  if (twice !== undefined) throw fail("invalid", `two files are called '${twice}'; rename one`);
  if (format === "jwt" && crl) {
    throw fail("invalid", "revocation lists go with X.509-SVIDs, which the format jwt has not");
  }
  if (format === "pkcs12" && password === undefined) {
    throw fail(
      "invalid",
      "a key store needs a password: --password-file (passwordFile in the file of targets), or ASSAY_PKCS12_PASSWORD",
    );
  }
}

/** The link to the newest generation, and the folder of foreign bundles. */
export const CURRENT = "current";
export const FEDERATED = "federated";
const RESERVED: ReadonlySet<string> = new Set([CURRENT, FEDERATED]);
