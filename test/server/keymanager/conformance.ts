import t from "tap";
import { verifySignature } from "../../../src/keys/verify-signature.ts";
import { KEY_TYPES, type KeyType } from "../../../src/keys/contract.ts";
import type { KeyManager } from "../../../src/server/keymanager/contract.ts";

/**
 * What every key manager must do. `open` gives a new, empty one each time.
 * @param keysElsewhere its keys are in another process or machine: a deleted one signs no more
 */
export function keyManagerConformance(
  name: string,
  open: () => Promise<KeyManager>,
  { keysElsewhere = false } = {},
): void {
  t.test(`${name}: a key signs what its public key verifies`, async (t) => {
    await using manager = await open();
    for (const keyType of FAST_KEY_TYPES) {
      const signer = await manager.generate(`set.${keyType}`, keyType);
      t.equal(signer.keyType, keyType);
      const data = Buffer.from("to be signed");
      const signature = await signer.sign(data);
      const hash = keyType === "ec-p384" ? "sha384" : "sha256";
      const publicKey = signer.publicKey;
      t.equal(await verifySignature({ publicKey, data, signature, hash }), true, keyType);
      const other = Buffer.from("to be sIgned");
      t.equal(await verifySignature({ publicKey, data: other, signature, hash }), false);
    }
    t.ok(KEY_TYPES.length > FAST_KEY_TYPES.length);
  });

  t.test(`${name}: get, list and delete`, async (t) => {
    await using manager = await open();
    t.same(await manager.list(), []);
    t.equal(await manager.get("b"), undefined);
    t.equal(await manager.delete("b"), false);
    const b = await manager.generate("b", "ec-p256");
    await manager.generate("a", "ec-p256");
    t.same(await manager.list(), ["a", "b"], "sorted");
    t.same((await manager.get("b"))?.publicKey, b.publicKey);
    t.equal(await manager.delete("b"), true);
    t.equal(await manager.delete("b"), false);
    t.equal(await manager.get("b"), undefined);
    t.same(await manager.list(), ["a"]);
    const late = b.sign(Buffer.from("x"));
    if (keysElsewhere) await t.rejects(late, { kind: "unavailable", message: /./ });
    else t.ok(await late, "a signer in use outlives the deletion");
  });

  t.test(`${name}: generating a name again replaces its key`, async (t) => {
    await using manager = await open();
    const first = await manager.generate("a", "ec-p256");
    const second = await manager.generate("a", "ec-p384");
    t.equal(Buffer.from(first.publicKey).equals(second.publicKey), false);
    t.same((await manager.get("a"))?.publicKey, second.publicKey);
    t.equal((await manager.get("a"))?.keyType, "ec-p384");
    t.same(await manager.list(), ["a"]);
  });

  t.test(`${name}: many at once lose nothing`, async (t) => {
    await using manager = await open();
    const names = Array.from({ length: 20 }, (_, i) => `key-${String(i).padStart(2, "0")}`);
    const signers = await Promise.all(names.map((each) => manager.generate(each, "ec-p256")));
    t.same(await manager.list(), names);
    t.equal(
      new Set(signers.map((signer) => Buffer.from(signer.publicKey).toString("hex"))).size,
      20,
    );
    await Promise.all(names.slice(0, 10).map((each) => manager.delete(each)));
    t.same(await manager.list(), names.slice(10));
  });

  t.test(`${name}: a name from outside never becomes a key name`, async (t) => {
    await using manager = await open();
    for (const bad of ["", "../a", "a/b", "a b", "a\0", "ä", "a".repeat(201)]) {
      await t.rejects(manager.generate(bad, "ec-p256"), { name: "TypeError" }, JSON.stringify(bad));
    }
    t.same(await manager.list(), []);
  });
}

/** RSA-3072 and 4096 take seconds to make and go the way of RSA-2048. */
const FAST_KEY_TYPES: readonly KeyType[] = ["ec-p256", "ec-p384", "rsa-2048"];
