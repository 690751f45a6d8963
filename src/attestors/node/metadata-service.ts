/** A cloud's metadata service, as an instance sees it: plain http on a link-local address, bounded. */
import { request } from "../../base/node-http.ts";
import { concatBytes } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { AssayError, fail } from "../../base/errors.ts";

export interface MetadataCall {
  readonly method?: "GET" | "PUT";
  /** Path and query below the service's address. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface MetadataServiceOptions {
  /** `http://169.254.169.254`. */
  readonly url: string;
  readonly clock: Clock;
}

/**
 * One answer of the service as text.
 * @throws unavailable when it does not answer 200 within 5 s; the signal's reason when aborted
 */
export async function askMetadataService(
  { url, clock }: MetadataServiceOptions,
  call: MetadataCall,
  signal: AbortSignal,
): Promise<string> {
  const deadline = new AbortController();
  const cancel = clock.after(TIMEOUT_MS, () =>
    deadline.abort(fail("unavailable", `it did not answer within ${TIMEOUT_MS / 1000} s`)),
  );
  const both = AbortSignal.any([signal, deadline.signal]);
  try {
    return await ask(url, call, both);
  } catch (cause) {
    signal.throwIfAborted();
    const error: unknown = deadline.signal.aborted ? deadline.signal.reason : cause;
    const why =
      error instanceof AssayError
        ? error.message
        : ((error as NodeJS.ErrnoException).code ?? "connection failed");
    throw fail("unavailable", `the metadata service ${url} cannot be asked: ${why}`, { cause });
  } finally {
    cancel();
  }
}

function ask(base: string, call: MetadataCall, signal: AbortSignal): Promise<string> {
  const { method = "GET", path, headers = {} } = call;
  return new Promise((resolve, reject) => {
    const options = { method, headers, signal, agent: false, maxHeaderSize: 16 * 1024 };
    const sent = request(new URL(path, base), options, (answer) => {
      const parts: Uint8Array[] = [];
      let length = 0;
      answer.on("error", reject);
      answer.on("data", (part: Uint8Array) => {
        length += part.length;
        parts.push(part);
        if (length <= MAX_ANSWER_BYTES) return;
        reject(fail("unavailable", `it answers with more than ${MAX_ANSWER_BYTES} bytes`));
        answer.destroy();
      });
      answer.on("end", () => {
        const status = answer.statusCode ?? 0;
        if (status === 200) resolve(new TextDecoder().decode(concatBytes(parts)));
        else reject(fail("unavailable", `it answers ${path.split("?")[0]} with status ${status}`));
      });
    });
    sent.on("error", reject);
    sent.end();
  });
}

const TIMEOUT_MS = 5000;
const MAX_ANSWER_BYTES = 64 * 1024;
