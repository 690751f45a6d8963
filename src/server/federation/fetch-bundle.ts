/**
 * Fetches one bundle document from a bundle endpoint (SPIFFE Federation §5.2): over TLS that proves itself as the
 * relationship says before a byte is sent, bounded in size and in the time of the whole, redirects under the same rules.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { connect, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { get } from "../../base/node-http.ts";
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { AssayError, errorFrom, fail } from "../../base/errors.ts";
import { httpsPlace } from "../../base/https-place.ts";
import { LruMap } from "../../base/lru.ts";
import { readAtMost } from "../../base/read-at-most.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseBundleDocument } from "../../spiffe/bundle-document.ts";
import { checkEndpointUrl } from "../../spiffe/endpoint-url.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { verifyX509Svid } from "../../spiffe/x509-svid.ts";
import { parseCertificate } from "../../x509/certificate.ts";
import { peerCertificates } from "../../x509/peer-certificates.ts";
import type { EndpointProfile } from "../datastore/contract.ts";

/** Where a foreign bundle is fetched, and what the endpoint proves itself with. */
export interface BundleSource {
  readonly trustDomain: string;
  readonly endpointUrl: string;
  readonly endpointProfile: EndpointProfile;
  /** Empty with `https_web`. */
  readonly endpointSpiffeId: string;
  /** With `https_web`: PEM authorities in place of the web's. */
  readonly webRoots?: string;
}

export interface FetchBundleParams {
  readonly source: BundleSource;
  /** The latest stored bundle of a domain, own or foreign. */
  readonly bundleOf: (trustDomain: string) => Bundle | undefined;
  /** Of what was fetched last, if that is still what is stored. */
  readonly held?: HeldDocument;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface HeldDocument {
  /** SHA-256 of its text. */
  readonly digest: string;
  /** As the endpoint named it, if it did. */
  readonly etag?: string;
}

/** Without: nothing has changed. */
export interface FetchedBundle {
  readonly bundle: Bundle;
  readonly document: HeldDocument;
}

/**
 * @throws precondition when there is no bundle yet to verify the endpoint with; unauthenticated when it is not whom it
 * should be; invalid when what it serves is no bundle, or too large; unavailable when it does not answer well; deadline
 */
export async function fetchBundle(params: FetchBundleParams): Promise<FetchedBundle | undefined> {
  const { source, clock } = params;
  const deadline = new AbortController();
  const cancel = clock.after(DEADLINE_MS, () =>
    deadline.abort(
      fail(
        "deadline",
        `${source.endpointUrl} did not deliver its bundle within ${DEADLINE_MS / 1000} s`,
      ),
    ),
  );
  const signal = AbortSignal.any([params.signal, deadline.signal]);
  try {
    return await follow(params, signal);
  } catch (thrown) {
    signal.throwIfAborted();
    throw thrown;
  } finally {
    cancel();
  }
}

async function follow(
  params: FetchBundleParams,
  signal: AbortSignal,
): Promise<FetchedBundle | undefined> {
  const { source, held } = params;
  let url = source.endpointUrl;
  for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
    const answer = await fetchOnce(url, params, signal);
    if (answer.kind === "unchanged") return undefined;
    if (answer.kind === "document") {
      const { text, etag } = answer;
      const digest = createHash("sha256").update(text).digest("base64url");
      if (digest === held?.digest) return undefined;
      const bundle = parseBundleDocument(source.trustDomain, text);
      return { bundle, document: { digest, ...(etag === undefined ? {} : { etag }) } };
    }
    // SPIFFE Federation §5.2.1, §5.2.2: https without user information, proven as the first one.
    url = redirected(url, answer.location);
  }
  throw fail("unavailable", `${source.endpointUrl} redirects more than ${MAX_REDIRECTS} times`);
}

function redirected(from: string, location: string): string {
  try {
    return checkEndpointUrl(new URL(location, from).href);
  } catch (cause) {
    throw fail("unavailable", `${from} redirects to where nobody follows: ${rule(cause)}`, {
      cause,
    });
  }
}

type Answer =
  | { readonly kind: "document"; readonly text: string; readonly etag: string | undefined }
  | { readonly kind: "redirect"; readonly location: string }
  | { readonly kind: "unchanged" };

async function fetchOnce(
  url: string,
  params: FetchBundleParams,
  signal: AbortSignal,
): Promise<Answer> {
  const socket = await handshake(url, params, signal);
  try {
    const etag = params.held?.etag;
    const answer = await readAnswer(url, await request(url, socket, etag, signal));
    if (answer.kind === "unchanged" && etag === undefined) {
      throw fail("unavailable", `${url} calls a bundle unchanged that it never sent`);
    }
    return answer;
  } catch (cause) {
    if (cause instanceof AssayError || signal.aborted) throw cause;
    throw unreachable(url, cause);
  } finally {
    socket.destroy();
  }
}

async function handshake(
  url: string,
  params: FetchBundleParams,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { source } = params;
  const verify = source.endpointProfile === "https_spiffe" ? endpointCheck(params) : undefined;
  const socket = connect({
    ...httpsPlace(url),
    ALPNProtocols: ["http/1.1"],
    secureContext: contextOf(source),
    // An SVID is verified by the rules of SPIFFE, below; no name of a host stands in it.
    rejectUnauthorized: verify === undefined,
    ...(source.webRoots === undefined ? {} : { ca: source.webRoots }),
  });
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("close", () => signal.removeEventListener("abort", onAbort));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve);
      socket.once("close", () => reject(new Error("the connection was closed")));
      socket.on("error", (cause) =>
        reject(
          socket.authorizationError === undefined || socket.authorizationError === null
            ? unreachable(url, cause)
            : fail("unauthenticated", `${url}: ${webRefusal(cause)}`, { cause }),
        ),
      );
      if (signal.aborted) onAbort();
    });
    await verify?.(url, socket);
    return socket;
  } catch (thrown) {
    socket.destroy();
    if (thrown instanceof AssayError) throw thrown;
    throw unreachable(url, thrown);
  }
}

/** One for all that trust the same: each holds its roots parsed. */
function contextOf({ endpointProfile, webRoots }: BundleSource): SecureContext {
  const roots = endpointProfile === "https_spiffe" ? [] : webRoots;
  const key = Array.isArray(roots) ? "none" : (roots ?? "the web's");
  let context = contexts.get(key);
  if (context === undefined) {
    context = createSecureContext({
      minVersion: "TLSv1.2",
      ...(roots === undefined ? {} : { ca: roots }),
    });
    contexts.set(key, context);
  }
  return context;
}

/** What a TLS server has to be with `https_spiffe`. @throws precondition without a bundle to verify it with */
function endpointCheck({
  source,
  bundleOf,
  clock,
}: FetchBundleParams): (url: string, socket: TLSSocket) => Promise<void> {
  const wanted = SpiffeId.parse(source.endpointSpiffeId);
  const domain = wanted.trustDomain.name;
  const bundle = bundleOf(domain);
  if (bundle === undefined) {
    throw fail(
      "precondition",
      `there is no bundle of '${domain}' yet to verify the endpoint with; set it first (assay bundle set ${domain} --file FILE)`,
    );
  }
  return async (url, socket) => {
    let shown: SpiffeId;
    try {
      const chain = peerCertificates(socket).map(parseCertificate);
      shown = await verifyX509Svid(chain, bundle, epochSeconds(clock));
    } catch (cause) {
      throw fail(
        "unauthenticated",
        `${url} does not prove to be ${wanted.toString()}: ${rule(cause)}`,
        {
          cause,
        },
      );
    }
    if (!shown.equals(wanted)) {
      throw fail("unauthenticated", `${url} is ${shown.toString()}, not ${wanted.toString()}`);
    }
  };
}

function request(
  url: string,
  socket: TLSSocket,
  etag: string | undefined,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { host, pathname, search } = new URL(url);
  return new Promise((resolve, reject) => {
    const call = get({
      createConnection: () => socket,
      path: `${pathname}${search}`,
      signal,
      maxHeaderSize: MAX_HEADER_BYTES,
      headers: {
        host,
        accept: "application/json",
        "accept-encoding": "identity",
        "user-agent": "assay",
        connection: "close",
        ...(etag === undefined ? {} : { "if-none-match": etag }),
      },
    });
    call.on("response", resolve);
    call.on("error", reject);
  });
}

async function readAnswer(url: string, answer: IncomingMessage): Promise<Answer> {
  const { statusCode: status = 0, headers } = answer;
  if (status === 304) return { kind: "unchanged" };
  if (REDIRECTS.has(status)) {
    if (headers.location === undefined) {
      throw fail("unavailable", `${url} redirects without saying where to`);
    }
    return { kind: "redirect", location: headers.location };
  }
  if (status !== 200) throw fail("unavailable", `${url} answered with status ${status}`);
  const coding = headers["content-encoding"] ?? "identity";
  if (coding !== "identity") throw fail("unavailable", `${url} answered compressed, unasked`);
  const etag = headers.etag !== undefined && headers.etag.length <= MAX_ETAG ? headers.etag : "";
  return {
    kind: "document",
    text: await readText(url, answer),
    etag: etag === "" ? undefined : etag,
  };
}

async function readText(url: string, answer: IncomingMessage): Promise<string> {
  const tooLarge = (): Error =>
    fail("invalid", `${url} serves more than ${MAX_DOCUMENT_BYTES} bytes, which is no bundle`);
  if (Number(answer.headers["content-length"] ?? 0) > MAX_DOCUMENT_BYTES) throw tooLarge();
  const bytes = await readAtMost(answer, MAX_DOCUMENT_BYTES);
  if (bytes === undefined) throw tooLarge();
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw fail("invalid", `${url} serves something that is no UTF-8`, { cause });
  }
}

function unreachable(url: string, cause: unknown): AssayError {
  const why = (cause as NodeJS.ErrnoException).code ?? "connection failed";
  return fail("unavailable", `${url} cannot be reached (${why})`, { cause });
}

function webRefusal(cause: unknown): string {
  const code = (cause as NodeJS.ErrnoException).code ?? "refused";
  return `its certificate is not one of the web's for this host (${code})`;
}

function rule(cause: unknown): string {
  return errorFrom(cause).message;
}

/** Few, whatever the configuration: one is made anew when it is asked for again. */
const contexts = new LruMap<string, SecureContext>(16);

/** Permanent ones too: the relationship's URL is asked again each time (SPIFFE Federation §5.2.1). */
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 5;
/** Of the whole: an endpoint that trickles has no longer than one that answers. */
const DEADLINE_MS = 20_000;
const MAX_DOCUMENT_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_ETAG = 256;
