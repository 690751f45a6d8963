/** Writes one generation after the other into the folder (first argument) until it is killed: number in both files. */
import { systemRandom } from "../../src/base/random.ts";
import { FileGenerations } from "../../src/delivery/file-generations.ts";

const [, , dir = "", from = "0"] = process.argv;
using generations = new FileGenerations({
  dir,
  fileMode: 0o644,
  keyMode: 0o600,
  random: systemRandom,
});
for (let count = Number(from); ; count += 1) {
  const content = new TextEncoder().encode(`${count}\n`.repeat(20_000));
  await generations.write([
    { name: "svid.pem", content, isSecret: false },
    { name: "key.pem", content, isSecret: true },
    // Comes and goes.
    ...(count % 2 === 0 ? [{ name: "federated/other.example.pem", content, isSecret: false }] : []),
  ]);
  process.stdout.write(`${count}\n`);
}
