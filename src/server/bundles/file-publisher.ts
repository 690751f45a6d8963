import { resolve } from "node:path";
import { replaceFile } from "../../base/durable-file.ts";
import { fail } from "../../base/errors.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { type BundleFormat, formatBundle } from "./bundle-format.ts";
import type { BundlePublisher } from "./bundle-publisher.ts";

export interface FilePublisherOptions {
  readonly path: string;
  readonly format: BundleFormat;
}

/** Keeps a file that everyone on this host may read; a reader sees the old bundle or the new one, whole. */
export class FilePublisher implements BundlePublisher {
  readonly #path: string;
  readonly #format: BundleFormat;

  constructor({ path, format }: FilePublisherOptions) {
    this.#path = resolve(path);
    this.#format = format;
  }

  get name(): string {
    return `file ${this.#path}`;
  }

  async publish(bundle: Bundle, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    try {
      await replaceFile(this.#path, formatBundle(bundle, this.#format).text, PUBLIC);
    } catch (cause) {
      const { code = "unknown" } = cause as NodeJS.ErrnoException;
      const step = code === "ENOENT" ? "; make its folder first" : "";
      throw fail("unavailable", `${this.name} cannot be written (${code})${step}`, { cause });
    }
  }
}

/** It holds public keys alone. */
const PUBLIC = 0o644;
