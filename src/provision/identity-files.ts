import { join } from "node:path";
import type { Random } from "../base/random.ts";
import { FileGenerations } from "../delivery/file-generations.ts";
import type { Certificate } from "../x509/certificate.ts";
import { encryptPkcs8 } from "../x509/encrypted-key.ts";
import { decodePem, encodeCertificates, encodePem } from "../x509/pem.ts";

/** What the files are called. */
export interface IdentityFileNames {
  readonly key: string;
  readonly certificate: string;
  readonly authorities: string;
}

export interface IdentityFilesOptions {
  /** Lies in memory, see `memoryFolder`. */
  readonly dir: string;
  readonly names: IdentityFileNames;
  /** Owner of the files; this process's user when absent. */
  readonly uid?: number;
  readonly gid?: number;
  /** Encrypts the key's file, for a place that is no memory. */
  readonly passphrase?: string;
  readonly random: Random;
}

/** Key, chain and authorities as files that change all at once (src/delivery/file-generations.ts). */
export class IdentityFiles implements Disposable {
  readonly #generations: FileGenerations;
  readonly #options: IdentityFilesOptions;

  constructor(options: IdentityFilesOptions) {
    this.#options = options;
    this.#generations = new FileGenerations({ ...options, fileMode: 0o644, keyMode: 0o600 });
  }

  get paths(): IdentityFileNames {
    const { dir, names } = this.#options;
    return {
      key: join(dir, names.key),
      certificate: join(dir, names.certificate),
      authorities: join(dir, names.authorities),
    };
  }

  /** Before a token is spent. @throws denied, conflict, invalid with the next step */
  check(): void {
    this.#generations.check();
  }

  /** @throws as `check`, and unavailable without space; then those of before stay */
  async write(identity: {
    readonly keyPem: string;
    readonly chain: readonly Certificate[];
    readonly roots: readonly Certificate[];
  }): Promise<void> {
    const { names } = this.#options;
    const keyPem = await this.#sealed(identity.keyPem);
    await this.#generations.write([
      { name: names.key, content: Buffer.from(keyPem), isSecret: true },
      { name: names.certificate, content: pemOf(identity.chain), isSecret: false },
      { name: names.authorities, content: pemOf(identity.roots), isSecret: false },
    ]);
  }

  async #sealed(keyPem: string): Promise<string> {
    const { passphrase, random } = this.#options;
    const [block] = decodePem(keyPem);
    if (passphrase === undefined || block === undefined) return keyPem;
    return encodePem("ENCRYPTED PRIVATE KEY", await encryptPkcs8(block.der, passphrase, random));
  }

  [Symbol.dispose](): void {
    this.#generations[Symbol.dispose]();
  }
}

/** Leaf first. */
export function pemOf(certificates: readonly Certificate[]): Buffer {
  return Buffer.from(encodeCertificates(certificates.map(({ raw }) => raw)));
}
