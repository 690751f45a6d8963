/** Makes keys until it is killed; prints the name of each once it is acknowledged. Run by keymanager.test.ts. */
import { writeSync } from "node:fs";
import { systemRandom as random } from "../../../src/base/random.ts";
import { openDiskKeyManager } from "../../../src/server/keymanager/disk.ts";

const [dir = "", keyFile = "", prefix = ""] = process.argv.slice(2);
await using manager = await openDiskKeyManager({ dir, keyFile, random });
for (let i = 0; ; i++) {
  const name = `${prefix}-${i}`;
  await manager.generate(name, "ec-p256");
  writeSync(1, `${name}\n`);
  if (i % 3 === 2 && (await manager.delete(`${prefix}-${i - 1}`))) {
    writeSync(1, `!${prefix}-${i - 1}\n`);
  }
}
