/** Credentials for TPMs, against those of tpm2-tools and against the standard's steps taken the other way. */
import { constants, createPrivateKey, privateDecrypt } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { systemRandom } from "../../src/base/random.ts";
import { makeCredential, sealCredential } from "../../src/tpm/make-credential.ts";
import { type PublicArea, nameOf } from "../../src/tpm/public-area.ts";
import {
  devidKey,
  endorsementKey,
  hostKey,
  newEcc,
  newRsa,
  openCredential,
} from "../support/devid-host.ts";

interface Vectors {
  readonly content: string;
  readonly name: string;
  readonly rsa: { readonly endorsementKey: string; readonly blob: string };
  readonly ecc: { readonly endorsementKey: string; readonly blob: string };
}

const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, "make-credential.json"), "utf8"),
) as Vectors;

/** Magic number, version, TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET. */
function partsOf(blob: string): { credential: Uint8Array; secret: Uint8Array } {
  const bytes = Buffer.from(blob, "hex");
  const end = 10 + bytes.readUInt16BE(8);
  return { credential: bytes.subarray(10, end), secret: bytes.subarray(end + 2) };
}

t.test("credentials of tpm2_makecredential: the same seed gives the same bytes", (t) => {
  const { credential, secret } = partsOf(vectors.rsa.blob);
  const seed = privateDecrypt(
    {
      key: createPrivateKey(vectors.rsa.endorsementKey),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: "sha256",
      oaepLabel: Buffer.from("IDENTITY\0"),
    },
    secret,
  );
  const sealed = sealCredential({
    nameAlg: "sha256",
    symmetricBits: 128,
    seed,
    name: Buffer.from(vectors.name, "hex"),
    content: Buffer.from(vectors.content, "hex"),
  });
  t.same(Buffer.from(sealed).toString("hex"), Buffer.from(credential).toString("hex"));
  for (const kind of ["rsa", "ecc"] as const) {
    const key = endorsementKey(createPrivateKey(vectors[kind].endorsementKey));
    const opened = openCredential(
      key,
      Buffer.from(vectors.name, "hex"),
      partsOf(vectors[kind].blob),
    );
    t.equal(Buffer.from(opened).toString("hex"), vectors.content, kind);
  }
  t.end();
});

t.test("ours open with the endorsement key, for the named key alone", (t) => {
  const content = systemRandom.bytes(32);
  const name = nameOf(devidKey(newEcc()).area);
  const keys = [
    endorsementKey(newRsa()),
    endorsementKey(newRsa(3072), { nameAlg: "sha384", symmetricBits: 256 }),
    endorsementKey(newEcc()),
    endorsementKey(newEcc("P-384"), { nameAlg: "sha384", symmetricBits: 256 }),
  ];
  for (const key of keys) {
    const made = makeCredential({
      endorsementKey: key.area,
      name,
      content,
      random: systemRandom,
    });
    t.same(openCredential(key, name, made), content, key.area.key.type);
    const other = Uint8Array.from(name);
    other[5] = (other[5] ?? 0) ^ 1;
    t.throws(() => openCredential(key, other, made), { message: "integrity" });
  }
  t.end();
});

t.test("no credential for a key that is no storage key", (t) => {
  const key = newRsa();
  const wrong: readonly PublicArea[] = [
    devidKey(key).area,
    hostKey(key, { symmetricBits: 128 }).area,
    endorsementKey(key, { attributes: 1 << 17 }).area,
  ];
  for (const area of wrong) {
    const params = { endorsementKey: area, name: nameOf(area), content: new Uint8Array(32) };
    t.throws(() => makeCredential({ ...params, random: systemRandom }), {
      kind: "invalid",
      message: /not a storage key/,
    });
  }
  t.end();
});
