import * as crypto from "node:crypto";
import { readdirSync } from "node:fs";
import fc from "fast-check";
import t from "tap";
import { ALL_KEY_TYPES, type KeyType, isProving } from "../../src/keys/contract.ts";
import { ecdsaDerFromRaw, ecdsaRawFromDer } from "../../src/keys/ecdsa-signature.ts";
import { describeSpki, importSpki, keyTypeOfSpki } from "../../src/keys/public-key.ts";
import {
  type GeneratedKey,
  generateKey,
  signerFromPkcs8,
  signingHash,
} from "../../src/keys/software-signer.ts";
import { type VerifyParams, verifySignature } from "../../src/keys/verify-signature.ts";
import { ANSWER, SLOTS, SLOT_BYTES } from "../../src/keys/signature-slots.ts";
import { SignatureThread } from "../../src/keys/signature-thread.ts";

const data = Buffer.from("what is signed");
const keys = new Map<KeyType, GeneratedKey>();
for (const keyType of ALL_KEY_TYPES) keys.set(keyType, await generateKey(keyType));
const keyOf = (keyType: KeyType): GeneratedKey => keys.get(keyType) as GeneratedKey;

function spkiOf(key: crypto.KeyObject): Uint8Array {
  return key.export({ format: "der", type: "spki" });
}

function replaced(bytes: Uint8Array, index: number, value: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[index < 0 ? bytes.length + index : index] = value;
  return copy;
}

/** What hostile input leads to, and nothing else. */
const INVALID = { name: "AssayError", kind: "invalid" };

t.test("every key type signs, and only its own signature fits", async (t) => {
  for (const keyType of ALL_KEY_TYPES) {
    const { signer, pkcs8 } = keyOf(keyType);
    const { publicKey } = signer;
    const hash = signingHash(keyType);
    const signature = await signer.sign(data);
    t.equal(signer.keyType, keyType);
    t.equal(keyTypeOfSpki(publicKey), keyType);
    t.equal(await verifySignature({ publicKey, data, signature, hash }), true, keyType);
    t.equal(
      crypto.verify(hash ?? null, data, importSpki(publicKey), signature),
      true,
      "and for node",
    );
    const other = Buffer.from("what was not signed");
    t.equal(await verifySignature({ publicKey, data: other, signature, hash }), false);
    t.equal(await verifySignature({ publicKey, data, signature, hash: "sha512" }), false);
    const otherway = hash === undefined ? ("sha256" as const) : undefined;
    t.equal(await verifySignature({ publicKey, data, signature, hash: otherway }), false);
    for (const bad of [
      new Uint8Array(0),
      signature.subarray(1),
      replaced(signature, -1, 0x5a ^ (signature.at(-1) ?? 0)),
    ]) {
      t.equal(await verifySignature({ publicKey, data, signature: bad, hash }), false);
    }
    const again = signerFromPkcs8(pkcs8);
    t.same(again.publicKey, publicKey);
    t.equal(
      await verifySignature({ publicKey, data, signature: await again.sign(data), hash }),
      true,
    );
  }
});

t.test("pss and pkcs #1 are not taken for each other", async (t) => {
  const { signer, pkcs8 } = keyOf("rsa-2048");
  const { publicKey } = signer;
  const key = crypto.createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
  const padding = crypto.constants.RSA_PKCS1_PSS_PADDING;
  const pss = (saltLength: number): Uint8Array =>
    crypto.sign("sha256", data, { key, padding, saltLength });
  const check = (signature: Uint8Array, usePss: boolean): Promise<boolean> =>
    verifySignature({ publicKey, data, signature, hash: "sha256", pss: usePss });
  t.equal(await check(pss(32), true), true);
  t.equal(await check(pss(20), true), false, "another salt length");
  t.equal(await check(pss(32), false), false);
  t.equal(await check(await signer.sign(data), true), false);
});

t.test("keys of other types are refused with their name", (t) => {
  const ec = (namedCurve: string): Uint8Array =>
    spkiOf(crypto.generateKeyPairSync("ec", { namedCurve }).publicKey);
  const rsa = (modulusLength: number): Uint8Array =>
    spkiOf(crypto.generateKeyPairSync("rsa", { modulusLength }).publicKey);
  const refused: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ["rsa-1024", rsa(1024), /rsa 1024 bits/],
    ["rsa-2056", rsa(2056), /rsa 2056 bits/],
    ["rsa-2047", rsa(2047), /rsa 2047 bits/],
    ["p-521", ec("P-521"), /ec secp521r1/],
    ["p-224", ec("secp224r1"), /ec secp224r1/],
    ["secp256k1", ec("secp256k1"), /ec secp256k1/],
    ["ed25519", spkiOf(crypto.generateKeyPairSync("ed25519").publicKey), /ed25519/],
    ["ed448", spkiOf(crypto.generateKeyPairSync("ed448").publicKey), /ed448/],
    ["x25519", spkiOf(crypto.generateKeyPairSync("x25519").publicKey), /x25519/],
    [
      "rsa-pss",
      spkiOf(crypto.generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey),
      /rsa-pss/,
    ],
    ["brainpool", ec("brainpoolP256r1"), /another curve/],
    [
      "dsa",
      spkiOf(
        crypto.generateKeyPairSync("dsa", { modulusLength: 1024, divisorLength: 160 }).publicKey,
      ),
      /dsa/,
    ],
    ["x448", spkiOf(crypto.generateKeyPairSync("x448").publicKey), /x448/],
    ["rsa, cut short", rsa(2048).subarray(0, 60), /rsa \? bits/],
    ["nothing", new Uint8Array(0), /unknown/],
    ["noise", new Uint8Array(91).fill(0x5a), /unknown/],
  ];
  for (const [name, spki, reason] of refused) {
    t.equal(keyTypeOfSpki(spki), undefined, name);
    t.match(describeSpki(spki), reason, name);
    t.throws(() => importSpki(spki), { kind: "invalid", message: reason }, name);
  }
  t.end();
});

t.test("only the canonical encoding of a supported key is known", (t) => {
  const p256 = keyOf("ec-p256").signer.publicKey;
  const rsa = keyOf("rsa-2048").signer.publicKey;
  const compressed = Uint8Array.from([
    ...Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex"),
    0x02 | ((p256.at(-1) ?? 0) & 1),
    ...p256.subarray(27, 59),
  ]);
  const variants: readonly (readonly [string, Uint8Array])[] = [
    ["compressed point", compressed],
    ["ec with a trailing byte", Uint8Array.from([...p256, 0])],
    ["ec cut short", p256.subarray(0, 90)],
    ["ec with unused bits", replaced(p256, 25, 1)],
    ["ec hybrid point", replaced(p256, 26, 6)],
    ["rsa with a trailing byte", Uint8Array.from([...rsa, 0])],
    ["rsa cut short", rsa.subarray(0, -1)],
    ["rsa with an even exponent", replaced(rsa, -1, 0)],
    ["rsa with a padded exponent", replaced(rsa, -3, 0)],
    ["rsa with a negative exponent", replaced(rsa, -3, 0x81)],
    ["rsa with an even modulus", replaced(rsa, -6, (rsa.at(-6) ?? 0) & 0xfe)],
    ["rsa with a short modulus", replaced(rsa, 33, (rsa[33] ?? 0) & 0x7f)],
  ];
  for (const [name, spki] of variants) {
    t.equal(keyTypeOfSpki(spki), undefined, name);
    t.throws(() => importSpki(spki), INVALID, name);
  }
  const e1 = crypto.createPublicKey({
    key: { ...importSpki(rsa).export({ format: "jwk" }), e: "AQ" },
    format: "jwk",
  });
  t.equal(keyTypeOfSpki(spkiOf(e1)), undefined, "exponent 1");
  const e3 = crypto.createPublicKey({
    key: { ...importSpki(rsa).export({ format: "jwk" }), e: "Aw" },
    format: "jwk",
  });
  t.equal(keyTypeOfSpki(spkiOf(e3)), "rsa-2048", "exponent 3 is legal");
  const offCurve = replaced(p256, -1, (p256.at(-1) ?? 0) ^ 1);
  t.throws(() => importSpki(offCurve), { kind: "invalid", message: /not a valid key/ });
  t.rejects(
    verifySignature({ publicKey: offCurve, data, signature: data, hash: "sha256" }),
    INVALID,
  );
  t.end();
});

t.test("what is no private key, or one of another type, is refused without its bytes", (t) => {
  const { privateKey } = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const der = (key: crypto.KeyObject): Uint8Array => key.export({ format: "der", type: "pkcs8" });
  const encrypted = privateKey.export({
    format: "der",
    type: "pkcs8",
    cipher: "aes-256-cbc",
    passphrase: "x",
  });
  const refused: readonly (readonly [string, Uint8Array])[] = [
    ["empty", new Uint8Array(0)],
    ["noise", crypto.randomBytes(138)],
    ["cut short", der(privateKey).subarray(0, 40)],
    ["encrypted", encrypted],
    ["ed25519", der(crypto.generateKeyPairSync("ed25519").privateKey)],
    ["rsa-1024", der(crypto.generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey)],
    ["p-521", der(crypto.generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey)],
  ];
  for (const [name, bytes] of refused) {
    t.throws(() => signerFromPkcs8(bytes), { kind: "invalid", message: /private key/ }, name);
  }
  t.same(Object.keys(keyOf("ec-p256").signer), ["keyType", "publicKey"], "a signer shows no key");
  t.end();
});

t.test("ecdsa signatures go to r || s and back as node itself does it", async (t) => {
  for (const [keyType, size] of [
    ["ec-p256", 32],
    ["ec-p384", 48],
  ] as const) {
    const { signer } = keyOf(keyType);
    for (let i = 0; i < 40; i++) {
      const der = await signer.sign(Buffer.from([i]));
      const raw = ecdsaRawFromDer(der, size);
      t.equal(raw.length, size * 2);
      t.same(Buffer.from(ecdsaDerFromRaw(raw)), Buffer.from(der));
      const key = { key: importSpki(signer.publicKey), dsaEncoding: "ieee-p1363" } as const;
      t.ok(crypto.verify(signingHash(keyType), Buffer.from([i]), key, raw));
    }
  }
});

t.test("every r || s without a zero half survives the round trip", (t) => {
  const half = (size: number): fc.Arbitrary<Uint8Array> =>
    fc
      .tuple(fc.nat(size - 1), fc.uint8Array({ minLength: size, maxLength: size }))
      .map(([zeros, bytes]) => bytes.fill(0, 0, zeros))
      .filter((bytes) => bytes.some((byte) => byte !== 0));
  for (const size of [32, 48]) {
    fc.assert(
      fc.property(half(size), half(size), (r, s) => {
        const raw = Uint8Array.from([...r, ...s]);
        return Buffer.from(ecdsaRawFromDer(ecdsaDerFromRaw(raw), size)).equals(raw);
      }),
      { seed: 1, numRuns: 300 },
    );
  }
  t.pass("300 of each size");
  t.end();
});

t.test("a malformed ecdsa signature is refused", (t) => {
  const hostile: readonly (readonly [string, string])[] = [
    ["empty", ""],
    ["no sequence", "020101"],
    ["cut short", "3006020101"],
    ["trailing byte", "300602010102010100"],
    ["trailing inside", "3007020101020101ff"],
    ["negative r", "3006020181020101"],
    ["padded r", "300702020001020101"],
    ["zero r", "3006020100020101"],
    ["empty r", "30050200020101"],
    ["long length form", "308106020101020101"],
    ["r too large", `30260221${"7f".repeat(33)}020101`],
    ["missing s", "3003020101"],
    ["s is no integer", "3006020101040101"],
  ];
  for (const [name, hex] of hostile) {
    t.throws(() => ecdsaRawFromDer(Buffer.from(hex, "hex"), 32), INVALID, name);
  }
  for (const length of [0, 1, 63, 65, 95, 97, 132]) {
    t.throws(() => ecdsaDerFromRaw(new Uint8Array(length)), INVALID, `${length} bytes`);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      try {
        return Buffer.from(ecdsaDerFromRaw(ecdsaRawFromDer(bytes, 32))).equals(bytes);
      } catch (thrown) {
        return (thrown as { kind?: string }).kind === "invalid";
      }
    }),
    { seed: 1, numRuns: 500 },
  );
  t.end();
});

t.test("many checks with new keys at once: each gets its own answer", async (t) => {
  const { signer } = keyOf("ec-p256");
  const rsa = keyOf("rsa-4096").signer;
  const signature = await signer.sign(data);
  const rsaSignature = await rsa.sign(data);
  const offCurve = replaced(signer.publicKey, -1, (signer.publicKey.at(-1) ?? 0) ^ 1);
  const ecTwin = spkiOf(crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey);
  const kinds: readonly (readonly [string, VerifyParams, boolean | RegExp])[] = [
    ["right", { publicKey: signer.publicKey, data, signature, hash: "sha256" }, true],
    ["rsa", { publicKey: rsa.publicKey, data, signature: rsaSignature, hash: "sha256" }, true],
    [
      "other data",
      { publicKey: signer.publicKey, data: signature, signature, hash: "sha256" },
      false,
    ],
    ["other hash", { publicKey: signer.publicKey, data, signature, hash: "sha384" }, false],
    ["another's key", { publicKey: ecTwin, data, signature, hash: "sha256" }, false],
    ["no signature", { publicKey: signer.publicKey, data, signature: data, hash: "sha256" }, false],
    [
      "nothing",
      { publicKey: signer.publicKey, data, signature: new Uint8Array(0), hash: "sha256" },
      false,
    ],
    ["off its curve", { publicKey: offCurve, data, signature, hash: "sha256" }, /not a valid key/],
    ["of no type", { publicKey: data, data, signature, hash: "sha256" }, /not supported/],
    [
      "long",
      { publicKey: signer.publicKey, data: new Uint8Array(5000), signature, hash: "sha256" },
      false,
    ],
  ];
  if (!isProving(signer)) throw new TypeError("a key in memory checks proofs as well");
  const proving = signer;
  const before = threads();
  for (let round = 0; round < 30; round++) {
    const asked = Array.from(
      { length: 100 },
      (_, i) => kinds[(i * 7 + round) % kinds.length] as (typeof kinds)[0],
    );
    const answers = await Promise.allSettled(
      // A new array is a new key: nothing is remembered of it.
      asked.map(([, params]) =>
        verifySignature({ ...params, publicKey: Uint8Array.from(params.publicKey) }),
      ),
    );
    const wrong = answers.flatMap((answer, i) => {
      const [name, , expected] = asked[i] as (typeof kinds)[0];
      if (answer.status === "fulfilled") return answer.value === expected ? [] : [name];
      const isRefused =
        expected instanceof RegExp && expected.test((answer.reason as Error).message);
      return isRefused ? [] : [`${name}: ${(answer.reason as Error).message}`];
    });
    t.same(wrong, []);
  }
  t.ok(threads() > before, "by a thread of their own");
  const text = Buffer.from("what is signed for whoever proves it");
  const signed = await Promise.allSettled(
    kinds.map(([, { publicKey, ...proof }]) =>
      proving.signProven({ ...proof, publicKey: Uint8Array.from(publicKey) }, text),
    ),
  );
  for (const [index, [name, , expected]] of kinds.entries()) {
    const answer = signed[index];
    if (typeof expected !== "boolean") {
      t.match(answer, { status: "rejected", reason: { kind: "invalid", message: expected } }, name);
      continue;
    }
    const value = answer?.status === "fulfilled" ? answer.value : undefined;
    const own = importSpki(signer.publicKey);
    const isSigned = value !== undefined && crypto.verify("sha256", text, own, value);
    t.equal(isSigned, expected, `${name}: signed only behind a proof that fits`);
    t.equal(value === undefined, !expected, name);
  }
  const made = await Promise.all(Array.from({ length: 100 }, () => signer.sign(data)));
  const key = importSpki(signer.publicKey);
  t.ok(
    made.every((each) => crypto.verify("sha256", data, key, each)),
    "which signs as well",
  );
});

t.test("a thread signs with the key that was meant, whichever came before", async (t) => {
  const pairs = Array.from({ length: 7 }, () =>
    crypto.generateKeyPairSync("ec", { namedCurve: "P-256" }),
  );
  const thread = new SignatureThread(() => undefined);
  for (let round = 0; round < 20; round++) {
    const asked = Array.from({ length: SLOTS }, (_, i) => {
      const pair = pairs[(i * 5 + round * 3) % pairs.length] as (typeof pairs)[0];
      const text = Buffer.from(`${round} ${i}`);
      return {
        pair,
        text,
        signature: thread.sign({ key: pair.privateKey, hash: "sha256", data: text }),
      };
    });
    const wrong = [];
    for (const { pair, text, signature } of asked) {
      const made = await signature;
      if (!made || !crypto.verify("sha256", text, pair.publicKey, made))
        wrong.push(text.toString());
    }
    t.same(wrong, []);
  }
  const { privateKey } = crypto.generateKeyPairSync("x25519");
  t.equal(
    await thread.sign({ key: privateKey, hash: "sha256", data }),
    undefined,
    "a key that cannot sign",
  );
  t.equal(
    thread.sign({ key: privateKey, hash: "sha256", data: new Uint8Array(SLOT_BYTES + 1) }),
    undefined,
    "too long",
  );
  thread.close();
  t.equal(thread.sign({ key: privateKey, hash: "sha256", data }), undefined, "an ended thread");
});

t.test("a thread that ends leaves nobody without an answer", async (t) => {
  const { signer } = keyOf("ec-p256");
  const job = {
    publicKey: signer.publicKey,
    data,
    signature: await signer.sign(data),
    hash: "sha256",
  } as const;
  const ends: boolean[] = [];
  const thread = new SignatureThread((hasFailed) => ends.push(hasFailed));
  t.equal(await thread.verify(job), ANSWER.fits);
  const many = Array.from({ length: 200 }, () => thread.verify(job));
  t.equal(
    many.filter((answer) => answer === undefined).length,
    200 - SLOTS,
    "it takes so many and no more",
  );
  t.equal(
    thread.verify({ ...job, data: new Uint8Array(SLOT_BYTES) }),
    undefined,
    "nor what is too long",
  );
  thread.close();
  const answers = await Promise.all(many.filter((answer) => answer !== undefined));
  t.ok(answers.every((answer) => answer === undefined || answer === ANSWER.fits));
  t.equal(thread.verify(job), undefined);
  t.same(ends, [false]);
});

function threads(): number {
  return readdirSync("/proc/self/task").length;
}
