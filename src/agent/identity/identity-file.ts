import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { asBuffer, toBase64 } from "../../base/bytes.ts";
import { replaceFile } from "../../base/durable-file.ts";
import { fail } from "../../base/errors.ts";
import { isObject } from "../../base/is-object.ts";
import { encodeBundleRecord, parseBundleRecord } from "../../spiffe/bundle-document.ts";
import type { Bundle } from "../../spiffe/bundle.ts";

/** What an agent keeps across restarts. Holds private keys: never logged, never sent. */
export interface StoredIdentity {
  readonly trustDomain: string;
  readonly svid?: StoredSvid;
  /** A key that was made for an attestation whose answer has not come yet: the same token may be retried with it. */
  readonly pendingKey?: Uint8Array;
  readonly bundle?: Bundle;
}

export interface StoredSvid {
  /** PKCS #8 DER. */
  readonly key: Uint8Array;
  /** DER, leaf first. */
  readonly chain: readonly Uint8Array[];
  readonly reattestable: boolean;
}

/**
 * One JSON file, replaced as a whole (new file, fsync, rename, fsync of the folder), readable by its owner only.
 */
export class IdentityFile {
  readonly path: string;

  constructor(dir: string) {
    this.path = join(dir, "identity.json");
  }

  /**
   * `undefined` when there is none yet.
   * @throws precondition when it is damaged, of another version or of another trust domain
   */
  async load(trustDomain: string): Promise<StoredIdentity | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw fail("precondition", `${this.path} cannot be read`, { cause: error });
    }
    const stored = parseIdentity(text, this.path);
    if (stored.trustDomain !== trustDomain) {
      throw fail(
        "precondition",
        `${this.path} belongs to trust domain ${stored.trustDomain}, not ${trustDomain}; use another --data-dir`,
      );
    }
    return stored;
  }

  async save(identity: StoredIdentity): Promise<void> {
    await replaceFile(this.path, encodeIdentity(identity));
  }
}

export function encodeIdentity(identity: StoredIdentity): string {
  const { trustDomain, svid, pendingKey, bundle } = identity;
  return `${JSON.stringify(
    {
      version: VERSION,
      trustDomain,
      ...(svid === undefined
        ? {}
        : {
            svid: {
              key: toBase64(svid.key),
              chain: svid.chain.map(toBase64),
              reattestable: svid.reattestable,
            },
          }),
      ...(pendingKey === undefined ? {} : { pendingKey: toBase64(pendingKey) }),
      ...(bundle === undefined ? {} : { bundle: encodeBundle(bundle) }),
    },
    undefined,
    2,
  )}\n`;
}

/** @throws precondition */
export function parseIdentity(text: string, path: string): StoredIdentity {
  const damaged = (what: string): never => {
    throw fail(
      "precondition",
      `${path} ${what}; move it away and attest again with a new join token (assay token generate)`,
    );
  };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // The parser's words may quote the content, which holds keys.
    return damaged("is damaged");
  }
  if (!isObject(json)) return damaged("is damaged");
  if (json["version"] !== VERSION) return damaged("was written by another version");
  const { trustDomain, svid, pendingKey, bundle } = json;
  if (typeof trustDomain !== "string") return damaged("names no trust domain");
  try {
    return {
      trustDomain,
      ...(svid === undefined ? {} : { svid: parseSvid(svid) }),
      ...(pendingKey === undefined ? {} : { pendingKey: bytesOf(pendingKey) }),
      ...(bundle === undefined ? {} : { bundle: parseBundle(trustDomain, bundle) }),
    };
  } catch {
    return damaged("is damaged");
  }
}

/** With its revocation lists: what they name is refused after a restart, too. */
function encodeBundle(bundle: Bundle): object {
  const { sequence, crls } = bundle;
  const content = encodeBundleRecord(bundle);
  return { content, sequence, ...(crls === undefined ? {} : { crls: crls.map(toBase64) }) };
}

function parseSvid(json: unknown): StoredSvid {
  if (!isObject(json) || !Array.isArray(json["chain"])) throw fail("invalid", "no svid");
  return {
    key: bytesOf(json["key"]),
    chain: json["chain"].map(bytesOf),
    reattestable: json["reattestable"] === true,
  };
}

function parseBundle(trustDomain: string, json: unknown): Bundle {
  if (!isObject(json)) throw fail("invalid", "no bundle");
  const { content, sequence, crls } = json;
  if (typeof content !== "string" || typeof sequence !== "number") {
    throw fail("invalid", "no bundle");
  }
  const bundle = parseBundleRecord(trustDomain, content, sequence);
  return Array.isArray(crls) ? { ...bundle, crls: crls.map(bytesOf) } : bundle;
}

function bytesOf(json: unknown): Uint8Array {
  if (typeof json !== "string" || json === "") throw fail("invalid", "no bytes");
  const bytes = Buffer.from(json, "base64");
  if (toBase64(bytes) !== json) throw fail("invalid", "not base64");
  return new Uint8Array(asBuffer(bytes));
}

const VERSION = 1;
