import { join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { ServerConfig } from "../../config/server/server-config.ts";
import type { KeyManager } from "./contract.ts";
import { openDiskKeyManager } from "./disk.ts";
import { openMemoryKeyManager } from "./memory.ts";

/** The key manager that the configuration names. @throws precondition when it cannot be opened */
export async function openKeyManager(
  { keyManager, dataDir }: ServerConfig,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): Promise<KeyManager> {
  switch (keyManager.kind) {
    case "memory":
      return openMemoryKeyManager();
    case "disk": {
      const { keyFile, keyText } = keyManager;
      const text = keyText === undefined ? {} : { keyText };
      return openDiskKeyManager({ dir: join(dataDir, "keys"), keyFile, random, ...text });
    }
    case "pkcs11": {
      const { openPkcs11KeyManager } = await import("./pkcs11/pkcs11.ts");
      return openPkcs11KeyManager({ ...keyManager, clock, random });
    }
    case "vault": {
      const { openVaultKeyManager } = await import("./vault.ts");
      return openVaultKeyManager({ ...keyManager, clock });
    }
  }
}
