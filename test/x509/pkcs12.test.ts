// Key stores and trust stores, read back by the libraries that did not write them; keytool and OpenSSL read them in
// test/trust/files.test.ts.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { createRequire } from "node:module";
import { AuthenticatedSafe, CertBag, PFX, PKCS8ShroudedKeyBag } from "pkijs";
import t from "tap";
import { keyStore, trustStore } from "../../src/x509/pkcs12/stores.ts";
import { TestCa } from "../support/test-ca.ts";

const PASSWORD = "changeit";

interface Bag {
  readonly bagId: string;
  readonly bagValue: unknown;
  readonly bagAttributes?: readonly { readonly type: string }[];
}

/** pkijs reads what it wrote, with the MAC checked; OpenSSL's own reading of key and password is Node's. */
async function bagsOf(store: Uint8Array, password = PASSWORD): Promise<Bag[]> {
  const pfx = PFX.fromBER(Uint8Array.from(store).buffer);
  const secret = new TextEncoder().encode(password).buffer;
  await pfx.parseInternalValues({ checkIntegrity: true, password: secret });
  const safe = pfx.parsedValue?.authenticatedSafe ?? new AuthenticatedSafe();
  await safe.parseInternalValues({ safeContents: safe.safeContents.map(() => ({})) });
  return safe.parsedValue.safeContents.flatMap(
    ({ value }: { value: { safeBags: Bag[] } }) => value.safeBags,
  );
}

for (const keyType of ["ec-p256", "ec-p384", "rsa-2048"] as const) {
  t.test(`a key store with ${keyType}, its chain and its names`, async (t) => {
    const root = await TestCa.create({ keyType });
    const ca = await root.intermediate({ keyType });
    const leaf = await ca.leaf({ keyType });
    // The scalar, or the last of the RSA numbers.
    const secretPart = keyType === "rsa-2048" ? leaf.pkcs8.slice(-32) : leaf.pkcs8.slice(36, 68);
    const store = await keyStore({
      alias: "spiffe://example.org/workload",
      chain: [leaf.der, ...ca.intermediates],
      key: leaf.pkcs8,
      password: PASSWORD,
      cipher: "aes256",
    });
    const bags = await bagsOf(store);
    t.equal(bags.length, 3);
    const [shrouded, ...certificates] = bags;
    const keyBag = shrouded?.bagValue;
    if (!(keyBag instanceof PKCS8ShroudedKeyBag)) throw new Error("the key does not come first");
    const encrypted = Buffer.from(keyBag.toSchema().toBER());
    const key = createPrivateKey({
      key: encrypted,
      format: "der",
      type: "pkcs8",
      passphrase: PASSWORD,
    });
    t.same(
      createPublicKey(key).export({ format: "der", type: "spki" }),
      Buffer.from(leaf.signer.publicKey),
    );
    t.throws(() =>
      createPrivateKey({ key: encrypted, format: "der", type: "pkcs8", passphrase: "changeit2" }),
    );
    t.ok(certificates.every(({ bagValue }) => bagValue instanceof CertBag));
    t.same(
      bags.map(({ bagAttributes }) => bagAttributes?.length ?? 0),
      [2, 2, 0],
      "key and leaf have a name and the same id",
    );
    await t.rejects(bagsOf(store, "changeit2"));
    t.notOk(Buffer.from(store).includes(Buffer.from(secretPart)), "no plain key");
  });
}

t.test("a key store for old importers: RSA alone, read by node-forge", async (t) => {
  const { asn1, pkcs12, util } = createRequire(import.meta.url)("node-forge");
  const ca = await TestCa.create({ keyType: "rsa-2048" });
  const leaf = await ca.leaf({ keyType: "rsa-2048" });
  const params = {
    alias: "web",
    chain: [leaf.der],
    key: leaf.pkcs8,
    password: PASSWORD,
    cipher: "3des" as const,
  };
  const store = await keyStore(params);
  const read = pkcs12.pkcs12FromAsn1(asn1.fromDer(util.createBuffer(Buffer.from(store))), PASSWORD);
  t.equal(read.getBags({ friendlyName: "web" }).friendlyName.length, 2);
  const mixed = await (await TestCa.create()).leaf({ keyType: "rsa-2048" });
  const elliptic = await ca.leaf();
  for (const chain of [
    [leaf.der, ...(await TestCa.create()).bundle().x509Authorities.map(({ der }) => der)],
    [elliptic.der],
  ]) {
    await t.rejects(keyStore({ ...params, chain }), {
      kind: "unsupported",
      message: /RSA keys only/,
    });
  }
  await keyStore({ ...params, chain: [mixed.der], key: mixed.pkcs8 });
});

t.test("a trust store: each root by a name, and taken for trusted", async (t) => {
  const roots = [await TestCa.create(), await TestCa.create({ keyType: "rsa-2048" })].map(
    ({ der }) => der,
  );
  const bags = await bagsOf(await trustStore({ roots, password: PASSWORD }));
  t.equal(bags.length, 2);
  for (const { bagAttributes } of bags) {
    t.same(
      bagAttributes?.map(({ type }) => type),
      ["1.2.840.113549.1.9.20", "2.16.840.1.113894.746875.1.1"],
    );
  }
  await t.rejects(trustStore({ roots: [], password: PASSWORD }), {
    kind: "invalid",
    message: /needs a certificate/,
  });
});

t.test("passwords that readers would take differently are refused", async (t) => {
  const [root] = [await TestCa.create()];
  for (const password of ["", "short", "pässwörter", "line\nbreak!", "x".repeat(257)]) {
    await t.rejects(trustStore({ roots: [root.der], password }), {
      kind: "invalid",
      message: /6 to 256 printable ASCII/,
    });
  }
});
