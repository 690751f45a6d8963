import { type Hash, type Hmac, createHash, createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import { request as requestHttps } from "node:https";
import { request as requestHttp } from "../../base/node-http.ts";
import { checkWebUrl } from "../../attestors/issuer/web-document.ts";
import type { Clock } from "../../base/clock.ts";
import { withDeadline } from "../../base/deadline.ts";
import { AssayError, fail } from "../../base/errors.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { type BundleFormat, formatBundle } from "./bundle-format.ts";
import type { BundlePublisher } from "./bundle-publisher.ts";
import { type S3Credentials, readS3Credentials } from "./s3-credentials.ts";

export interface S3PublisherOptions {
  readonly bucket: string;
  /** Name of the object. */
  readonly key: string;
  readonly region: string;
  /** Absent: Amazon's, with the bucket in the host's name; else a server that has it in the path. */
  readonly endpoint?: string;
  /** Read at each use; in its place, `credentials`. */
  readonly credentialsFile?: string;
  readonly credentials?: S3Credentials;
  readonly profile: string;
  readonly format: BundleFormat;
  /** PEM authorities that replace the host's. */
  readonly caFile?: string;
  readonly clock: Clock;
}

/** Writes one object of a bucket that is there. Needs the right to put it. */
export class S3Publisher implements BundlePublisher {
  readonly #options: S3PublisherOptions;
  readonly #url: URL;

  /** @throws invalid for an endpoint that is no address */
  constructor(options: S3PublisherOptions) {
    this.#options = options;
    this.#url = urlOf(options);
  }

  get name(): string {
    const { bucket, key } = this.#options;
    return `s3 ${this.#url.host}, object ${bucket}/${key}`;
  }

  async publish(bundle: Bundle, signal: AbortSignal): Promise<void> {
    const { clock, format } = this.#options;
    const { text, type } = formatBundle(bundle, format);
    const options = { clock, deadlineMs: DEADLINE_MS, signal, who: this.name };
    const { status, code } = await withDeadline(options, (both) => this.#put(text, type, both));
    if (status === 200) return;
    const step =
      status === 403
        ? "; the credentials need the right to put it"
        : code === " (NoSuchBucket)"
          ? "; make the bucket first"
          : "";
    throw fail("unavailable", `${this.name}: status ${status}${code}${step}`);
  }

  async #credentials(): Promise<S3Credentials> {
    const { credentialsFile, credentials, profile } = this.#options;
    if (credentials !== undefined) return credentials;
    if (credentialsFile === undefined) throw new TypeError("S3 needs credentials");
    return readS3Credentials(credentialsFile, profile);
  }

  async #put(text: string, type: string, signal: AbortSignal): Promise<Answer> {
    const { caFile, region, clock } = this.#options;
    const url = this.#url;
    // Loaded when somebody publishes so.
    const { SignatureV4 } = await import("@smithy/signature-v4");
    const signer = new SignatureV4({
      service: "s3",
      region,
      credentials: await this.#credentials(),
      uriEscapePath: false,
      sha256: Sha256,
    });
    const body = Buffer.from(text);
    const { headers } = await signer.sign(
      {
        method: "PUT",
        protocol: url.protocol,
        hostname: url.hostname,
        path: url.pathname,
        query: {},
        headers: {
          host: url.host,
          "content-type": type,
          "content-length": String(body.length),
          "cache-control": "max-age=60",
        },
        body,
      },
      { signingDate: new Date(clock.nowMs()) },
    );
    const ca = caFile === undefined ? undefined : await readFile(caFile, "utf8");
    try {
      return await send(url, { headers, ...(ca === undefined ? {} : { ca }) }, body, signal);
    } catch (cause) {
      if (cause instanceof AssayError || signal.aborted) throw cause;
      const why = (cause as NodeJS.ErrnoException).code ?? "connection failed";
      throw fail("unavailable", `${this.name} cannot be reached (${why})`, { cause });
    }
  }
}

/** The hash, or with a secret the HMAC, that the signer asks for. */
class Sha256 {
  readonly #hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", bytes(secret));
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytes(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

function bytes(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === "string") return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}

interface Answer {
  readonly status: number;
  /** The error's own name, in brackets; empty without one. */
  readonly code: string;
}

function urlOf({ bucket, key, region, endpoint }: S3PublisherOptions): URL {
  const path = key.split("/").map(escaped).join("/");
  if (endpoint === undefined) {
    return new URL(`https://${bucket}.s3.${region}.amazonaws.com/${path}`);
  }
  const base = checkWebUrl("bundlePublishers.s3.endpoint", endpoint, true);
  if (base.pathname !== "/" || base.search !== "") {
    throw fail("invalid", "bundlePublishers.s3.endpoint is more than a scheme, host and port");
  }
  return new URL(`${base.origin}/${escaped(bucket)}/${path}`);
}

/** As signatures of S3 have it: everything but unreserved characters (RFC 3986 §2.3). */
function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function send(
  url: URL,
  options: { readonly headers: Record<string, string>; readonly ca?: string },
  body: Uint8Array,
  signal: AbortSignal,
): Promise<Answer> {
  const open = url.protocol === "https:" ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const call = open(
      url,
      { ...options, method: "PUT", agent: false, signal, minVersion: "TLSv1.2" },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8");
        answer.on("error", reject);
        answer.on("data", (part: string) => {
          // Of an error no more than its name is wanted; it stands first.
          if (text.length < MAX_ANSWER) text += part;
        });
        answer.on("end", () => {
          const code = /<Code>([A-Za-z0-9]{1,64})<\/Code>/.exec(text)?.[1];
          resolve({
            status: answer.statusCode ?? 0,
            code: code === undefined ? "" : ` (${code})`,
          });
        });
      },
    );
    call.on("error", reject);
    call.end(body);
  });
}

const DEADLINE_MS = 20_000;
const MAX_ANSWER = 16 * 1024;
