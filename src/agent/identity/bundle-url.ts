/**
 * A trust bundle from an HTTPS address. With a pin, the key that the TLS server proves to hold is the pinned one and
 * nothing else about its certificate counts (name, issuer, dates); without one, the host's web authorities decide.
 *
 * The pin is of the key and not of the bundle: bundles change with each rotation, so that a pin of their bytes would
 * be as short-lived as they are, and who could renew it in time could hand over the bundle itself. A key may stay for
 * years and can stand in an image.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { get } from "node:https";
import { type TLSSocket, connect } from "node:tls";
import { concatBytes } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { AssayError, fail } from "../../base/errors.ts";
import { httpsPlace } from "../../base/https-place.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseBootstrapBundle } from "./bootstrap.ts";

export interface BundleUrlOptions {
  /** `https:` only; redirects are not followed. */
  readonly url: string;
  /** Lower-case hex: SHA-256 of the TLS server's DER SubjectPublicKeyInfo. */
  readonly pin?: string;
  readonly trustDomain: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * @throws unavailable when the address does not answer within 10 s; unauthenticated when it is not whom it should be;
 * precondition when what it serves is no bundle or larger than 1 MiB
 */
export async function fetchBootstrapBundle(options: BundleUrlOptions): Promise<Bundle> {
  const { clock, url, trustDomain } = options;
  const deadline = new AbortController();
  const cancel = clock.after(TIMEOUT_MS, () =>
    deadline.abort(fail("unavailable", `${url} did not answer within ${TIMEOUT_MS / 1000} s`)),
  );
  const signal = AbortSignal.any([options.signal, deadline.signal]);
  let socket: TLSSocket | undefined;
  try {
    socket = await handshake(options, signal);
    return parseBootstrapBundle(await request(url, socket, signal), url, trustDomain);
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof AssayError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code ?? "connection failed";
    throw fail("unavailable", `the trust bundle ${url} cannot be fetched (${why})`, { cause });
  } finally {
    cancel();
    socket?.destroy();
  }
}

function handshake({ url, pin }: BundleUrlOptions, signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...httpsPlace(url),
      ALPNProtocols: ["http/1.1"],
      minVersion: "TLSv1.2",
      // The pin says more than any authority could; it is compared before a byte is sent.
      rejectUnauthorized: pin === undefined,
    });
    const onAbort = (): void => void socket.destroy(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    socket.on("close", () => signal.removeEventListener("abort", onAbort));
    socket.on("error", (cause) =>
      reject(
        pin === undefined && socket.authorizationError
          ? fail(
              "unauthenticated",
              `${url}: the TLS server's certificate is not accepted; pin its key with --trust-bundle-sha256 or correct the address`,
              { cause },
            )
          : cause,
      ),
    );
    socket.on("secureConnect", () => {
      if (pin === undefined || isPinned(socket, pin)) return resolve(socket);
      socket.destroy();
      reject(
        fail(
          "unauthenticated",
          `${url}: the TLS server's key is not the one of --trust-bundle-sha256`,
        ),
      );
    });
  });
}

function isPinned(socket: TLSSocket, pin: string): boolean {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return false;
  const spki = certificate.publicKey.export({ format: "der", type: "spki" });
  const expected = Buffer.from(pin, "hex");
  const actual = createHash("sha256").update(spki).digest();
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

function request(url: string, socket: TLSSocket, signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = get(url, { createConnection: () => socket, signal }, (answer) => {
      const parts: Uint8Array[] = [];
      let length = 0;
      answer.on("error", reject);
      if (answer.statusCode !== 200) {
        reject(fail("unavailable", `${url} answered with status ${answer.statusCode ?? 0}`));
        return;
      }
      answer.on("data", (part: Uint8Array) => {
        length += part.length;
        parts.push(part);
        if (length <= MAX_BUNDLE_BYTES) return;
        reject(
          fail("precondition", `${url} serves more than ${MAX_BUNDLE_BYTES} bytes, no bundle`),
        );
        answer.destroy();
      });
      answer.on("aborted", () => reject(fail("unavailable", `${url} ended in the middle`)));
      answer.on("end", () => resolve(new TextDecoder().decode(concatBytes(parts))));
    });
    call.on("error", reject);
  });
}

const TIMEOUT_MS = 10_000;
const MAX_BUNDLE_BYTES = 1024 * 1024;
