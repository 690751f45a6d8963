import { existsSync } from "node:fs";
import { join } from "node:path";

/** The configuration that a server finds in its data folder when none is named. */
export const SERVER_FILE = "server.yaml";

/** Where it is; undefined without one. */
export function configInDataFolder(dir: string): string | undefined {
  const path = join(dir, SERVER_FILE);
  return existsSync(path) ? path : undefined;
}
