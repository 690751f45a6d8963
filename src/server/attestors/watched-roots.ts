import { readFileSync, statSync } from "node:fs";
import { errorFrom, fail } from "../../base/errors.ts";
import type { Logger } from "../../observe/logger.ts";
import { type Certificate, parseCertificate } from "../../x509/certificate.ts";
import { requireCertificates } from "../../x509/pem.ts";

/** Authorities in a PEM file that its owner may replace at any time. */
export class WatchedRoots {
  readonly #what: string;
  readonly #file: string;
  readonly #logger: Logger;
  #mark = "";
  #roots: readonly Certificate[] = [];

  /**
   * @param what for messages: `x509pop authorities`
   * @throws precondition when the file is not there or not what it should be
   */
  constructor(what: string, file: string, logger: Logger) {
    this.#what = what;
    this.#file = file;
    this.#logger = logger;
    this.#read(this.#look());
  }

  /** As the file has them now; as it had them before, when it cannot be read or makes no sense. */
  current(): readonly Certificate[] {
    try {
      const mark = this.#look();
      if (mark !== this.#mark) {
        this.#read(mark);
        this.#logger.info("authorities read anew", { path: this.#file, count: this.#roots.length });
      }
    } catch (error) {
      this.#logger.warn("changed authorities were not taken over; those of before count", {
        error,
      });
    }
    return this.#roots;
  }

  #look(): string {
    try {
      const { mtimeNs, ctimeNs, size, ino } = statSync(this.#file, { bigint: true });
      if (size > MAX_BYTES) throw fail("invalid", `it is larger than ${MAX_BYTES} bytes`);
      return [mtimeNs, ctimeNs, size, ino].join(" ");
    } catch (cause) {
      throw unreadable(this.#what, this.#file, cause);
    }
  }

  #read(mark: string): void {
    try {
      this.#roots = requireCertificates(readFileSync(this.#file, "utf8")).map(parseCertificate);
      this.#mark = mark;
    } catch (cause) {
      throw unreadable(this.#what, this.#file, cause);
    }
  }
}

function unreadable(what: string, file: string, cause: unknown): Error {
  const { syscall, code } = cause as NodeJS.ErrnoException;
  const why = syscall === undefined ? errorFrom(cause).message : `it cannot be read (${code})`;
  return fail("precondition", `${what} ${file}: ${why}`, { cause });
}

const MAX_BYTES = 1024 * 1024;
