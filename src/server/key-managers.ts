import { join } from "node:path";
import type { Random } from "../base/random.ts";
import type { ServerConfig } from "../config/server.ts";
import type { KeyManager } from "./keymanager/contract.ts";
import { openDiskKeyManager } from "./keymanager/disk.ts";
import { openMemoryKeyManager } from "./keymanager/memory.ts";

/** The key manager that the configuration names. @throws precondition when it cannot be opened */
export function openKeyManager(
  { keyManager, dataDir }: ServerConfig,
  random: Random,
): Promise<KeyManager> {
  if (keyManager.kind === "memory") return openMemoryKeyManager();
  const { keyFile, keyText } = keyManager;
  return openDiskKeyManager({
    dir: join(dataDir, "keys"),
    keyFile,
    random,
    ...(keyText === undefined ? {} : { keyText }),
  });
}
