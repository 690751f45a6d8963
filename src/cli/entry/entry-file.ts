/** The registry as a file: YAML or JSON with `entries`, each with the keys that `entry list --output json` prints. */
import { errorFrom, fail } from "../../base/errors.ts";
import { isObject } from "../../base/is-object.ts";
import { nearest } from "../../base/nearest.ts";
import { readNamedFile } from "../files/named-file.ts";
import { ENTRY_FIELDS, type EntryFields, readFields } from "./entry-fields.ts";
import { CLAIMS_KEY, type EntryClaims, readClaims } from "./claims.ts";
import { readText } from "./file-values.ts";
import { type EntryTemplate, TEMPLATE_KEYS, readTemplate } from "./templates.ts";

/** What a file says of one entry. */
export interface DesiredEntry extends EntryFields {
  /** Absent: whichever has the same SPIFFE ID, parent and selectors. */
  readonly id?: string;
  /** The SPIFFE ID is the prefix of a family then. */
  readonly template?: EntryTemplate;
  /** Of its own in its JWT-SVIDs. */
  readonly claims?: EntryClaims;
}

/** @throws invalid, naming the file and the place in it */
export async function readEntryFile(path: string): Promise<readonly DesiredEntry[]> {
  const text = readNamedFile(path, "file");
  const root = await parse(path, text);
  if (!isObject(root)) throw fail("invalid", `${path}: a mapping with 'entries' is missing`);
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
  if (!isObject(value)) throw fail("invalid", `${where}: is not a mapping`);
  const [stranger] = Object.keys(value).filter((key) => !KEYS.has(key) && !PRINTED.has(key));
  if (stranger !== undefined) {
    const meant = nearest(stranger.slice(0, MAX_KEY), [...KEYS]);
    const step =
      meant === undefined ? `there are ${[...KEYS].join(", ")}` : `did you mean '${meant}'?`;
    throw fail("invalid", `${where}.${stranger.slice(0, MAX_KEY)}: is unknown; ${step}`);
  }
  const at = <T>(key: string, read: (given: unknown) => T): T => {
    try {
      return read(value[key]);
    } catch (error) {
      throw fail("invalid", `${where}.${key}: ${errorFrom(error).message}`);
    }
  };
  const id = value["id"] === undefined ? {} : { id: at("id", readText) };
  const template = readTemplate(at);
  const claims = at(CLAIMS_KEY, readClaims);
  return {
    ...id,
    ...readFields(at),
    ...(template === undefined ? {} : { template }),
    ...(claims === undefined ? {} : { claims }),
  };
}

const KEYS: ReadonlySet<string> = new Set(["id", ...ENTRY_FIELDS, CLAIMS_KEY, ...TEMPLATE_KEYS]);
/** Printed by `entry list`; they mean nothing in a file. */
const PRINTED: ReadonlySet<string> = new Set(["revisionNumber", "createdAt"]);

const MAX_KEY = 64;
