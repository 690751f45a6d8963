import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { AuditRecord } from "../../src/observe/audit.ts";

/** Every record that a server has written so far. */
export async function readAuditLog(dataDir: string): Promise<AuditRecord[]> {
  const dir = join(dataDir, "audit");
  const names = (await readdir(dir)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(dir, name), "utf8")));
  const lines = texts.join("").split("\n").slice(0, -1);
  return lines.map((line) => JSON.parse(line) as AuditRecord);
}
