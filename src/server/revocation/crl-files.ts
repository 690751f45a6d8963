import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile } from "../../base/durable-file.ts";
import { errorFrom, fail } from "../../base/errors.ts";
import { makeFolder } from "../../base/make-folder.ts";
import { Serial } from "../../base/serial.ts";
import type { Logger } from "../../observe/logger.ts";
import type { Revocations } from "./revocations.ts";

/**
 * Keeps each authority's list as a file `AUTHORITY.crl` (DER, mode 0644) in a folder, each replaced as a whole; files of
 * authorities that are gone are taken away. Trouble with the disk is logged and tried again with the next change.
 */
export class CrlFiles implements AsyncDisposable {
  readonly #folder: string;
  readonly #revocations: Pick<Revocations, "crls" | "onChange">;
  readonly #logger: Logger;
  readonly #writes = new Serial();
  /** By authority, the number of the list that was written. */
  readonly #written = new Map<string, number>();
  readonly #unsubscribe: () => void;

  private constructor(
    folder: string,
    revocations: Pick<Revocations, "crls" | "onChange">,
    logger: Logger,
  ) {
    this.#folder = folder;
    this.#revocations = revocations;
    this.#logger = logger;
    this.#unsubscribe = revocations.onChange(() => {
      this.#writes
        .run(() => this.#write())
        .catch((thrown: unknown) =>
          logger.error("revocation lists were not written", { folder, error: errorFrom(thrown) }),
        );
    });
  }

  /** @throws precondition when the folder cannot be used */
  static async open(
    folder: string,
    revocations: Pick<Revocations, "crls" | "onChange">,
    logger: Logger,
  ): Promise<CrlFiles> {
    const files = new CrlFiles(folder, revocations, logger);
    try {
      makeFolder(folder, 0o755);
      await files.#writes.run(() => files.#write());
      return files;
    } catch (cause) {
      await files[Symbol.asyncDispose]();
      const why = errorFrom(cause).message;
      throw fail("precondition", `revocation.folder ${folder} cannot be written: ${why}`, {
        cause,
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe();
    await this.#writes.idle();
  }

  async #write(): Promise<void> {
    const { crls } = this.#revocations;
    for (const { authorityId, number, der } of crls) {
      if (this.#written.get(authorityId) === number) continue;
      const path = join(this.#folder, `${authorityId}.crl`);
      // Public: whoever serves the folder may run as another user.
      await replaceFile(path, der, 0o644);
      this.#written.set(authorityId, number);
    }
    const kept = new Set(crls.map(({ authorityId }) => `${authorityId}.crl`));
    for (const name of await readdir(this.#folder)) {
      if (!FILE_NAME.test(name) || kept.has(name)) continue;
      await rm(join(this.#folder, name), { force: true });
      this.#written.delete(name.slice(0, -".crl".length));
      this.#logger.info("revocation list of an authority that is gone removed", { name });
    }
  }
}

const FILE_NAME = /^[0-9a-f]{40}\.crl$/;
