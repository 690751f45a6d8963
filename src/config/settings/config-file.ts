import { readFileSync, statSync } from "node:fs";
import { fail } from "../../base/errors.ts";
import { isObject } from "../../base/is-object.ts";
import { unreadable } from "../../base/unreadable.ts";

/** A configuration file as it was written; what it may say is checked with the settings it is read for. */
export interface ConfigFile {
  /** As an error calls it. */
  readonly name: string;
  readonly root: Readonly<Record<string, unknown>>;
  /** Every user of the host may read it. */
  readonly isPublic?: boolean;
}

/**
 * Reads a configuration file, YAML or JSON (which YAML 1.2 contains): one mapping.
 * @throws invalid, not_found, naming the file
 */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const { text, isPublic } = readText(path);
  const root = await parse(path, text);
  if (root === null || root === undefined) return { name: path, root: {}, isPublic };
  if (!isObject(root)) {
    throw fail("invalid", `${path} is not a mapping; write one 'key: value' a line`);
  }
  return { name: path, root, isPublic };
}

function readText(path: string): { readonly text: string; readonly isPublic: boolean } {
  try {
    const { size, mode } = statSync(path);
    if (size > MAX_FILE_BYTES) {
      throw fail("invalid", `${path} is larger than ${MAX_FILE_BYTES} bytes and no configuration`);
    }
    return { text: readFileSync(path, "utf8"), isPublic: (mode & OTHERS_READ) !== 0 };
  } catch (error) {
    if (error instanceof Error && "code" in error) {
      throw fail("not_found", `configuration file: ${unreadable(path, String(error.code))}`);
    }
    throw error;
  }
}

async function parse(path: string, text: string): Promise<unknown> {
  // Only those who have a file pay for the parser.
  const { parseDocument, visit } = await import("yaml");
  const refuse = (reason: string): Error =>
    fail("invalid", `${path} is neither YAML nor JSON: ${reason}`);
  // Keys are compared below: the parser would compare each with each.
  const document = parseDocument(text, { strict: true, uniqueKeys: false });
  // A tag that nobody knows would be passed over with a warning.
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw refuse(problem.message.split("\n")[0] ?? "");
  let reason: string | undefined;
  visit(document, {
    Alias() {
      reason = "aliases (*name) are not read";
      return visit.BREAK;
    },
    Map(_, { items }) {
      const keys = new Set<string>();
      for (const { key } of items) {
        const name = String(key);
        if (keys.has(name)) {
          reason = `key '${name.slice(0, MAX_SHOWN)}' stands twice in one mapping`;
          return visit.BREAK;
        }
        keys.add(name);
      }
      return undefined;
    },
  });
  if (reason !== undefined) throw refuse(reason);
  return document.toJS() as unknown;
}

const MAX_FILE_BYTES = 1024 * 1024;
const MAX_SHOWN = 64;
/** inode(7). */
const OTHERS_READ = 0o004;
