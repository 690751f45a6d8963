import { readFileSync, statSync } from "node:fs";
import { fail } from "../base/errors.ts";
import { camelCase } from "./source.ts";

/**
 * Reads a configuration file, YAML or JSON (which YAML 1.2 contains): one mapping of option names in camelCase to
 * text, numbers or true/false.
 * @param names the options that may stand in it
 * @returns values by option name, as text
 * @throws invalid, naming the file and the key; unknown keys are errors
 */
export async function readConfigFile(
  path: string,
  names: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const root = await parse(path, readText(path));
  if (root === null || root === undefined) return new Map();
  if (typeof root !== "object" || Array.isArray(root)) {
    throw fail("invalid", `${path} is not a mapping; write one 'key: value' a line`);
  }
  const known = new Map(names.map((name) => [camelCase(name), name]));
  const values = new Map<string, string>();
  for (const [key, value] of Object.entries(root)) {
    const name = known.get(key);
    if (name === undefined) {
      throw fail(
        "invalid",
        `${path}: unknown key '${key}'; known are ${[...known.keys()].join(", ")}`,
      );
    }
    if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      throw fail("invalid", `${path}: ${key} is not text, a number or true/false`);
    }
    values.set(name, String(value));
  }
  return values;
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
