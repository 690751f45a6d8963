import type { Signer } from "../../keys/contract.ts";
import { generateKey } from "../../keys/software-signer.ts";
import type { KeyManager } from "./contract.ts";
import { checkKeyName } from "./key-name.ts";

/** Keys that live and die with the process: every restart makes new authorities. */
export function openMemoryKeyManager(): Promise<KeyManager> {
  const keys = new Map<string, Signer>();
  return Promise.resolve({
    async generate(name, keyType) {
      checkKeyName(name);
      const { signer } = await generateKey(keyType);
      keys.set(name, signer);
      return signer;
    },
    get: (name) => Promise.resolve(keys.get(name)),
    list: () => Promise.resolve([...keys.keys()].sort()),
    delete: (name) => Promise.resolve(keys.delete(name)),
    [Symbol.asyncDispose]() {
      keys.clear();
      return Promise.resolve();
    },
  });
}
