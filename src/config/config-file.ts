import { readFileSync, statSync } from "node:fs";
import { fail } from "../base/errors.ts";
import { isMapping } from "./read-value.ts";

/** A configuration file as it was written; what it may say is checked with the settings it is read for. */
export interface ConfigFile {
  /** As an error calls it. */
  readonly name: string;
  readonly root: Readonly<Record<string, unknown>>;
}

/**
 * Reads a configuration file, YAML or JSON (which YAML 1.2 contains): one mapping.
 * @throws invalid, not_found, naming the file
 */
export async function readConfigFile(path: string): Promise<ConfigFile> {
  const root = await parse(path, readText(path));
  if (root === null || root === undefined) return { name: path, root: {} };
  if (!isMapping(root)) {
    throw fail("invalid", `${path} is not a mapping; write one 'key: value' a line`);
  }
  return { name: path, root };
}

function readText(path: string): string {
  try {
    if (statSync(path).size > MAX_FILE_BYTES) {
      throw fail("invalid", `${path} is larger than ${MAX_FILE_BYTES} bytes and no configuration`);
    }
    return readFileSync(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error) {
      throw fail("not_found", `cannot read the configuration file ${path} (${String(error.code)})`);
    }
    throw error;
  }
}

async function parse(path: string, text: string): Promise<unknown> {
  // Only those who have a file pay for the parser.
  const yaml = await import("yaml");
  try {
    return yaml.parse(text, { strict: true, uniqueKeys: true, maxAliasCount: 0 });
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw fail("invalid", `${path} is neither YAML nor JSON: ${reason}`);
  }
}

const MAX_FILE_BYTES = 1024 * 1024;
