/** A certificate and its key in two PEM files that their owner may replace at any time. */
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { Clock } from "../base/clock.ts";
import { errorFrom, fail } from "../base/errors.ts";
import type { Logger } from "../observe/logger.ts";
import type { TlsIdentity } from "../base/tls-identity.ts";

export interface CertificateFilesOptions {
  readonly certificateFile: string;
  readonly keyFile: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Looks at the files when it is asked, at most once a second. The two are replaced one after the other: while they do
 * not fit, what was there before is shown.
 */
export class CertificateFiles {
  readonly #options: CertificateFilesOptions;
  #mark = "";
  #lookedAtMs: number;
  #held: TlsIdentity & { readonly endsAtMs: number };
  #problem: string | undefined;

  /** @throws precondition when the files are not there or not what they should be */
  constructor(options: CertificateFilesOptions) {
    this.#options = options;
    this.#lookedAtMs = options.clock.nowMs();
    const mark = this.#marks();
    this.#held = this.#read();
    this.#mark = mark;
  }

  current(): TlsIdentity {
    const now = this.#options.clock.nowMs();
    if (Math.abs(now - this.#lookedAtMs) >= LOOK_MS) {
      this.#lookedAtMs = now;
      this.#look();
    }
    return this.#held;
  }

  /** What is wrong with the files now, or with the certificate that is shown. */
  problem(): string | undefined {
    this.current();
    if (this.#problem !== undefined) return this.#problem;
    if (this.#held.endsAtMs > this.#options.clock.nowMs()) return undefined;
    return `the certificate in ${this.#options.certificateFile} has expired`;
  }

  #look(): void {
    const { logger, certificateFile } = this.#options;
    try {
      const mark = this.#marks();
      if (mark === this.#mark) return;
      this.#held = this.#read();
      this.#mark = mark;
      this.#problem = undefined;
      logger.info("certificate read anew", { path: certificateFile });
    } catch (thrown) {
      const error = errorFrom(thrown);
      // Once for each thing that is wrong, not once for each connection.
      if (error.message !== this.#problem) {
        logger.warn("a changed certificate was not taken over; the one of before is shown", {
          error,
        });
      }
      this.#problem = error.message;
    }
  }

  #marks(): string {
    const { certificateFile, keyFile } = this.#options;
    return [certificateFile, keyFile].map(markOf).join("|");
  }

  #read(): TlsIdentity & { readonly endsAtMs: number } {
    const { certificateFile, keyFile } = this.#options;
    const certPem = textOf(certificateFile);
    const keyPem = textOf(keyFile);
    let endsAtMs: number;
    try {
      endsAtMs = new X509Certificate(certPem).validToDate.getTime();
    } catch (cause) {
      throw fail("precondition", `${certificateFile}: there is no certificate (PEM) in it`, {
        cause,
      });
    }
    try {
      // OpenSSL is told of no key at all by an empty text.
      if (!KEY.test(keyPem)) throw new TypeError("there is no key in it");
      createSecureContext({ cert: certPem, key: keyPem });
    } catch {
      // OpenSSL's words may quote what it read.
      throw fail("precondition", `${keyFile}: is no key (PEM) of the one in ${certificateFile}`);
    }
    return { certPem, keyPem, endsAtMs };
  }
}

function markOf(file: string): string {
  try {
    const { mtimeNs, ctimeNs, size, ino } = statSync(file, { bigint: true });
    if (size > MAX_BYTES) {
      throw fail("precondition", `${file}: it is larger than ${MAX_BYTES} bytes`);
    }
    return [mtimeNs, ctimeNs, size, ino].join(" ");
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function unreadable(file: string, cause: unknown): Error {
  const { syscall, code } = cause as NodeJS.ErrnoException;
  if (syscall === undefined) return errorFrom(cause);
  return fail("precondition", `${file}: it cannot be read (${code})`, { cause });
}

const KEY = /^-----BEGIN [A-Z ]*PRIVATE KEY-----/m;
const MAX_BYTES = 1024 * 1024;
const LOOK_MS = 1000;
