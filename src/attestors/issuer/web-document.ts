/** One small document from an HTTPS address: bounded in size and time, without redirects and without cookies. */
import { readFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";
import { request as requestHttp } from "../../base/node-http.ts";
import type { Clock } from "../../base/clock.ts";
import { AssayError, fail } from "../../base/errors.ts";
import { isLoopback } from "../../base/loopback.ts";
import { readAtMost } from "../../base/read-at-most.ts";

export interface WebDocumentOptions {
  /** As `checkWebUrl` returned it. */
  readonly url: URL;
  /** PEM file of authorities that replace the host's; read each time. */
  readonly caFile?: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * An address that documents are fetched from.
 * @param allowLoopbackHttp also plain http to this host's loopback addresses
 * @throws invalid, beginning with `what`
 */
export function checkWebUrl(what: string, text: string, allowLoopbackHttp: boolean): URL {
  const url = URL.parse(text);
  if (url === null) throw fail("invalid", `${what} is not an address`);
  if (url.username !== "" || url.password !== "") {
    throw fail("invalid", `${what} holds a user name or password, which would stand in logs`);
  }
  if (url.hash !== "") throw fail("invalid", `${what} has a fragment`);
  if (url.protocol === "https:") return url;
  if (url.protocol !== "http:") throw fail("invalid", `${what} is no https address`);
  if (!isLoopback(url.hostname)) throw fail("invalid", `${what} is plain http; use https`);
  if (!allowLoopbackHttp) {
    throw fail("invalid", `${what} is plain http; use https, or allow http on loopback`);
  }
  return url;
}

/**
 * @throws unavailable when the address does not answer 200 within 10 s, redirects, or cannot be believed (TLS);
 * invalid when it serves more than 512 KiB
 */
export async function fetchWebDocument(options: WebDocumentOptions): Promise<string> {
  const { url, clock } = options;
  const deadline = new AbortController();
  const cancel = clock.after(TIMEOUT_MS, () =>
    deadline.abort(fail("unavailable", `${url.href} did not answer within ${TIMEOUT_MS / 1000} s`)),
  );
  const signal = AbortSignal.any([options.signal, deadline.signal]);
  try {
    const ca = options.caFile === undefined ? undefined : await readFile(options.caFile, "utf8");
    return await request(url, ca, signal);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof AssayError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code ?? "connection failed";
    throw fail("unavailable", `${url.href} cannot be fetched (${why})`, { cause });
  } finally {
    cancel();
  }
}

function request(url: URL, ca: string | undefined, signal: AbortSignal): Promise<string> {
  const open = url.protocol === "https:" ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const call = open(
      url,
      {
        agent: false,
        signal,
        maxHeaderSize: MAX_HEADER_BYTES,
        headers: { accept: "application/json", connection: "close" },
        ...(ca === undefined ? {} : { ca }),
        minVersion: "TLSv1.2",
      },
      (answer) => {
        readBody(url, answer).then(resolve, (error: unknown) => {
          answer.destroy();
          reject(error);
        });
      },
    );
    call.on("error", reject);
    call.end();
  });
}

async function readBody(url: URL, answer: IncomingMessage): Promise<string> {
  const status = answer.statusCode ?? 0;
  if (status >= 300 && status < 400) {
    throw fail(
      "unavailable",
      `${url.href} redirects, which is not followed; give the final address`,
    );
  }
  if (status !== 200) throw fail("unavailable", `${url.href} answered with status ${status}`);
  const bytes = await readAtMost(answer, MAX_DOCUMENT_BYTES);
  if (bytes === undefined) {
    throw fail("invalid", `${url.href} serves more than ${MAX_DOCUMENT_BYTES} bytes`);
  }
  return new TextDecoder().decode(bytes);
}

const TIMEOUT_MS = 10_000;
const MAX_DOCUMENT_BYTES = 512 * 1024;
const MAX_HEADER_BYTES = 32 * 1024;
