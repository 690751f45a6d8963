/** The registry as a file: YAML or JSON with `entries`, each with the keys that `entry list --output json` prints. */
import { fail } from "../../base/errors.ts";
import { parseDuration } from "../../config/duration.ts";
import { canonicalSelectors, parseSelector } from "../../spiffe/selector.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import { readTextFile } from "../read-file.ts";

/** What a file says of one entry, complete: what it does not say is the default. */
export interface DesiredEntry {
  /** Absent: whichever has the same SPIFFE ID, parent and selectors. */
  readonly id?: string;
  readonly spiffeId: string;
  readonly parentId: string;
  /** `type:value`, in canonical order. */
  readonly selectors: readonly string[];
  /** Seconds; 0 = the server's. */
  readonly x509SvidTtl: number;
  readonly jwtSvidTtl: number;
  /** Sorted. */
  readonly federatesWith: readonly string[];
  readonly dnsNames: readonly string[];
  readonly hint: string;
  readonly admin: boolean;
  readonly downstream: boolean;
  readonly storeSvid: boolean;
  readonly disableX509SvidPrefetch: boolean;
  readonly jwtSvidIncludeJti: boolean;
  /** Seconds since 1970; 0 = never. */
  readonly expiresAt: number;
}

/** @throws invalid, naming the file and the place in it */
export async function readEntryFile(path: string): Promise<readonly DesiredEntry[]> {
  const text = readTextFile(path, "file");
  const root = await parse(path, text);
  if (!isMapping(root)) throw fail("invalid", `${path}: a mapping with 'entries' is missing`);
  const [stranger] = Object.keys(root).filter((key) => key !== "entries");
  if (stranger !== undefined) throw fail("invalid", `${path}: unknown key '${stranger}'`);
  const { entries } = root;
  if (!Array.isArray(entries)) throw fail("invalid", `${path}: entries: is not a list`);
  return entries.map((entry: unknown, index) => readEntry(entry, `${path}: entries[${index}]`));
}

async function parse(path: string, text: string): Promise<unknown> {
  const yaml = await import("yaml");
  try {
    return yaml.parse(text, { strict: true, uniqueKeys: true, maxAliasCount: 0 });
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw fail("invalid", `${path} is neither YAML nor JSON: ${reason}`);
  }
}

function readEntry(value: unknown, where: string): DesiredEntry {
  if (!isMapping(value)) throw fail("invalid", `${where}: is not a mapping`);
  const [stranger] = Object.keys(value).filter((key) => !KEYS.has(key));
  if (stranger !== undefined) {
    throw fail(
      "invalid",
      `${where}.${stranger}: is unknown; there are ${[...KEYS].slice(0, KNOWN).join(", ")}`,
    );
  }
  const at = <T>(key: string, read: (given: unknown) => T): T => {
    try {
      return read(value[key]);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw fail("invalid", `${where}.${key}: ${reason}`);
    }
  };
  const id = value["id"] === undefined ? {} : { id: at("id", text) };
  return {
    ...id,
    spiffeId: at("spiffeId", (given) => SpiffeId.parse(text(given)).toString()),
    parentId: at("parentId", (given) => SpiffeId.parse(text(given)).toString()),
    selectors: at("selectors", selectorTexts),
    x509SvidTtl: at("x509SvidTtl", seconds),
    jwtSvidTtl: at("jwtSvidTtl", seconds),
    federatesWith: at("federatesWith", (given) =>
      [...new Set(texts(given).map((each) => TrustDomain.parse(each).name))].sort(),
    ),
    dnsNames: at("dnsNames", texts),
    hint: at("hint", (given) => (given === undefined ? "" : text(given))),
    admin: at("admin", flag),
    downstream: at("downstream", flag),
    storeSvid: at("storeSvid", flag),
    disableX509SvidPrefetch: at("disableX509SvidPrefetch", flag),
    jwtSvidIncludeJti: at("jwtSvidIncludeJti", flag),
    expiresAt: at("expiresAt", timeSeconds),
  };
}

function selectorTexts(given: unknown): readonly string[] {
  const selectors = canonicalSelectors(texts(given).map(parseSelector));
  if (selectors.length === 0) throw fail("invalid", "is missing");
  return selectors.map(({ type, value }) => `${type}:${value}`);
}

function text(given: unknown): string {
  if (given === undefined) throw fail("invalid", "is missing");
  if (typeof given !== "string") throw fail("invalid", "is not text; put it in quotes");
  return given;
}

function texts(given: unknown): readonly string[] {
  if (given === undefined) return [];
  if (!Array.isArray(given)) throw fail("invalid", "is not a list");
  return given.map(text);
}

function flag(given: unknown): boolean {
  if (given === undefined) return false;
  if (typeof given !== "boolean") throw fail("invalid", "is neither true nor false");
  return given;
}

function seconds(given: unknown): number {
  if (given === undefined) return 0;
  if (typeof given === "number" && Number.isSafeInteger(given) && given >= 0) return given;
  return parseDuration(text(given));
}

function timeSeconds(given: unknown): number {
  if (given === undefined) return 0;
  const written = text(given);
  const ms = TIME.test(written) ? Date.parse(written) : Number.NaN;
  if (Number.isNaN(ms)) throw fail("invalid", "is no time; write it as 2030-01-31T12:00:00Z");
  return Math.floor(ms / 1000);
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/;
/** The last two are printed by `entry list` and mean nothing in a file. */
const KEYS: ReadonlySet<string> = new Set([
  "id",
  "spiffeId",
  "parentId",
  "selectors",
  "x509SvidTtl",
  "jwtSvidTtl",
  "federatesWith",
  "dnsNames",
  "hint",
  "admin",
  "downstream",
  "storeSvid",
  "disableX509SvidPrefetch",
  "jwtSvidIncludeJti",
  "expiresAt",
  "revisionNumber",
  "createdAt",
]);
const KNOWN = KEYS.size - 2;
