/** Node attestation by SSH host certificate (`sshpop`): real servers, agents and files, and hostile hosts. */
import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { sshpopAttestor } from "../../src/attestors/node/sshpop/agent.ts";
import { AgentPathTemplate } from "../../src/attestors/node/agent-path.ts";
import {
  certificateTwin,
  parseSshCertificate,
} from "../../src/attestors/node/sshpop/certificate.ts";
import { parseAuthorityLine, sshpopServer } from "../../src/attestors/node/sshpop/server.ts";
import { systemClock } from "../../src/base/clock.ts";
import { sshMpint, sshString } from "../../src/keys/ssh/wire.ts";
import { concatBytes } from "../../src/base/bytes.ts";
import type { ErrorKind } from "../../src/base/errors.ts";
import { systemRandom } from "../../src/base/random.ts";
import type { ServerConfig } from "../../src/config/server/server-config.ts";
import { attestNode } from "../support/attest-node.ts";
import { Domain } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { startTestServer } from "../support/server.ts";
import {
  authorityBlob,
  hostPair,
  ed25519Blob,
  uint,
  certificate,
} from "../support/ssh-certificate.ts";

const signal = new AbortController().signal;

type Sections = ServerConfig["nodeAttestors"];

const SSH = join(import.meta.dirname, "ssh");
const KEYS = ["rsa2048", "ecdsa256", "ecdsa384", "ecdsa521", "ed25519"] as const;
const sshpop = (more: Partial<NonNullable<Sections["sshpop"]>> = {}): Sections => ({
  sshpop: {
    certAuthorities: [readFileSync(join(SSH, "ca.pub"), "utf8")],
    agentPath: "{{Fingerprint}}",
    ...more,
  },
});

t.test("sshpop: hosts with every kind of key join by their certificates", async (t) => {
  await using domain = await Domain.start({ nodeAttestors: sshpop() });
  for (const key of KEYS) {
    const hostKey = join(SSH, key);
    const hostCert = `${hostKey}-cert.pub`;
    const agent = await domain.startAgent({
      joinToken: undefined,
      attestor: { type: "sshpop" },
      nodeAttestors: { sshpop: { hostKey, hostCert } },
      dataDir: join(domain.dir, key),
      socket: join(domain.dir, `${key}.sock`),
    });
    const blob = Buffer.from(readFileSync(hostCert, "utf8").split(" ")[1] ?? "", "base64");
    const fingerprint = createHash("sha256").update(blob).digest("base64url");
    t.equal(agent.spiffeId.path, `/spire/agent/sshpop/${fingerprint}`, key);
    await agent[Symbol.asyncDispose]();
  }
});

const payloadOf = (bytes: Uint8Array): string =>
  JSON.stringify({ Certificate: Buffer.from(bytes).toString("base64") });

function respondWith(
  change: (answer: {
    Nonce: string;
    Signature: { Format: string; Blob: string; Rest: unknown };
  }) => object = (answer) => answer,
) {
  return (challenge: Uint8Array): Promise<Uint8Array> => {
    const { Nonce } = JSON.parse(Buffer.from(challenge).toString()) as { Nonce: string };
    const own = randomBytes(32);
    const digest = createHash("sha256").update(Buffer.from(Nonce, "base64")).update(own).digest();
    const answer = {
      Nonce: own.toString("base64"),
      Signature: {
        Format: "ssh-ed25519",
        Blob: sign(null, digest, hostPair.privateKey).toString("base64"),
        Rest: null,
      },
    };
    return Promise.resolve(Buffer.from(JSON.stringify(change(answer))));
  };
}

t.test("sshpop: hostile certificates and answers", async (t) => {
  const line = `ssh-ed25519 ${Buffer.from(authorityBlob).toString("base64")} test`;
  const file = join(t.testdir({}), "authorities");
  writeFileSync(file, `# host authorities\n\n${line}\n`);
  const server = await startTestServer(t, {
    config: {
      nodeAttestors: sshpop({
        certAuthorities: [],
        certAuthoritiesFile: file,
        canonicalDomain: "prod.example.org",
        agentPath: "/{{ .PluginName }}/{{ .Hostname }}/{{ .KeyId }}",
      }),
    },
  });
  const attest = (payload: string, respond = respondWith()) =>
    attestNode(server.connect(), { type: "sshpop", payload, respond });
  t.equal((await attest(payloadOf(certificate()))).path, "/spire/agent/sshpop/web-1/web-1");
  t.equal((await attest(payloadOf(certificate()))).reattestable, true, "and again");
  const now = BigInt(Math.floor(server.clock.nowMs() / 1000));
  const stranger = generateKeyPairSync("ed25519");
  const strangerBlob = ed25519Blob(stranger.publicKey.export({ format: "jwk" }).x ?? "");
  const rsa1024 = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({
    format: "jwk",
  });
  const number = (text = ""): Uint8Array => sshMpint(Buffer.from(text, "base64url"));
  const critical = concatBytes([sshString("force-command"), sshString(sshString("x"))]);
  const good = certificate();
  const cases: readonly (readonly [string, string, ErrorKind, RegExp])[] = [
    ["no json", "Certificate", "invalid", /not json/],
    ["no certificate", "{}", "invalid", /missing or not base64/],
    ["not base64", JSON.stringify({ Certificate: "??" }), "invalid", /not base64/],
    ["empty", JSON.stringify({ Certificate: "" }), "invalid", /missing/],
    ["a plain key", payloadOf(authorityBlob), "invalid", /not a certificate/],
    ["cut", payloadOf(good.subarray(0, 100)), "invalid", /malformed/],
    [
      "something behind",
      payloadOf(certificate({ tail: Uint8Array.of(0) })),
      "invalid",
      /malformed/,
    ],
    [
      "a length of 4 GB",
      payloadOf(concatBytes([uint(4, 0xffff_fff0n), good])),
      "invalid",
      /malformed/,
    ],
    [
      "another type of key",
      payloadOf(certificate({ type: "ssh-dss-cert-v01@openssh.com" })),
      "invalid",
      /not supported/,
    ],
    [
      "a security key",
      payloadOf(certificate({ type: "sk-ssh-ed25519@openssh.com-cert-v01@openssh.com" })),
      "invalid",
      /not supported/,
    ],
    [
      "rsa too small",
      payloadOf(
        certificate({
          type: "ssh-rsa-cert-v01@openssh.com",
          keyFields: concatBytes([number(rsa1024.e), number(rsa1024.n)]),
        }),
      ),
      "invalid",
      /2048 to 8192/,
    ],
    [
      "a point off its curve",
      payloadOf(
        certificate({
          type: "ecdsa-sha2-nistp256-cert-v01@openssh.com",
          keyFields: concatBytes([
            sshString("nistp256"),
            sshString(concatBytes([Uint8Array.of(4), new Uint8Array(64).fill(1)])),
          ]),
        }),
      ),
      "invalid",
      /valid key/,
    ],
    [
      "a compressed point",
      payloadOf(
        certificate({
          type: "ecdsa-sha2-nistp256-cert-v01@openssh.com",
          keyFields: concatBytes([
            sshString("nistp256"),
            sshString(concatBytes([Uint8Array.of(2), new Uint8Array(32).fill(1)])),
          ]),
        }),
      ),
      "invalid",
      /uncompressed/,
    ],
    [
      "another curve's name",
      payloadOf(
        certificate({
          type: "ecdsa-sha2-nistp256-cert-v01@openssh.com",
          keyFields: concatBytes([sshString("nistp384"), sshString(new Uint8Array(65).fill(4))]),
        }),
      ),
      "invalid",
      /of its curve/,
    ],
    ["a user's", payloadOf(certificate({ kind: 1 })), "denied", /not a host's/],
    ["no principals", payloadOf(certificate({ principals: [] })), "denied", /names no host/],
    [
      "300 principals",
      payloadOf(certificate({ principals: Array.from({ length: 300 }, () => "a") })),
      "invalid",
      /more than 256/,
    ],
    ["critical option", payloadOf(certificate({ critical })), "denied", /critical options/],
    ["not yet", payloadOf(certificate({ after: now + 1n })), "denied", /not valid yet/],
    ["expired", payloadOf(certificate({ before: now })), "denied", /has expired/],
    [
      "another authority",
      payloadOf(certificate({ signatureKey: strangerBlob })),
      "denied",
      /not configured/,
    ],
    [
      "another's signature",
      payloadOf(
        certificate({
          signature: concatBytes([
            sshString("ssh-ed25519"),
            sshString(sign(null, good, stranger.privateKey)),
          ]),
        }),
      ),
      "denied",
      /not signed by its authority/,
    ],
    [
      "signature of another format",
      payloadOf(
        certificate({
          signature: concatBytes([sshString("rsa-sha2-256"), sshString(new Uint8Array(64))]),
        }),
      ),
      "denied",
      /not signed by its authority/,
    ],
    [
      "changed afterwards",
      payloadOf(flipped(good, good.indexOf(0x77))),
      "denied",
      /not signed by|outside/,
    ],
    [
      "outside of the domain",
      payloadOf(certificate({ principals: ["web-1.dev.example.org"] })),
      "denied",
      /outside of prod/,
    ],
    [
      "the domain itself",
      payloadOf(certificate({ principals: ["prod.example.org"] })),
      "denied",
      /outside of prod/,
    ],
    [
      "a name of two segments",
      payloadOf(certificate({ principals: ["a/b.prod.example.org"] })),
      "denied",
      /no place in/,
    ],
    [
      "a name that climbs",
      payloadOf(certificate({ principals: ["...prod.example.org"] })),
      "denied",
      /dot segments/,
    ],
  ];
  for (const [name, payload, kind, message] of cases) {
    await refused(t, attest(payload), { kind, message }, name);
  }
  type Change = NonNullable<Parameters<typeof respondWith>[0]>;
  const answers: readonly (readonly [string, Change, ErrorKind, RegExp])[] = [
    ["no signature", ({ Nonce }) => ({ Nonce }), "invalid", /format is missing/],
    ["short nonce", (answer) => ({ ...answer, Nonce: "AAAA" }), "invalid", /not 32 bytes/],
    [
      "own nonce changed",
      (answer) => ({ ...answer, Nonce: randomBytes(32).toString("base64") }),
      "denied",
      /not signed with/,
    ],
    [
      "format",
      (answer) => ({ ...answer, Signature: { ...answer.Signature, Format: "ssh-rsa" } }),
      "denied",
      /not signed with/,
    ],
    [
      "rest",
      (answer) => ({ ...answer, Signature: { ...answer.Signature, Rest: "AA==" } }),
      "invalid",
      /behind it/,
    ],
    [
      "another key",
      (answer) => ({
        ...answer,
        Signature: {
          ...answer.Signature,
          Blob: sign(null, Buffer.alloc(32), stranger.privateKey).toString("base64"),
        },
      }),
      "denied",
      /not signed with/,
    ],
  ];
  for (const [name, change, kind, message] of answers) {
    const attempt = attest(payloadOf(certificate()), respondWith(change));
    await refused(t, attempt, { kind, message }, name);
  }
});

t.test(
  "sshpop: SHA-1 is good for SPIRE's proof with an RSA key and for nothing else",
  async (t) => {
    const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const { n = "", e = "" } = rsa.publicKey.export({ format: "jwk" });
    const keyFields = concatBytes([
      sshMpint(Buffer.from(e, "base64url")),
      sshMpint(Buffer.from(n, "base64url")),
    ]);
    const rsaBlob = concatBytes([sshString("ssh-rsa"), keyFields]);
    const server = await startTestServer(t, {
      config: {
        nodeAttestors: sshpop({
          certAuthorities: [
            `ssh-ed25519 ${Buffer.from(authorityBlob).toString("base64")}`,
            `ssh-rsa ${Buffer.from(rsaBlob).toString("base64")}`,
          ],
        }),
      },
    });
    const attest = (bytes: Uint8Array, hash: string, format: string) =>
      attestNode(server.connect(), {
        type: "sshpop",
        payload: payloadOf(bytes),
        respond: (challenge) => {
          const { Nonce } = JSON.parse(Buffer.from(challenge).toString()) as { Nonce: string };
          const own = Buffer.alloc(32, 7);
          const both = Buffer.concat([Buffer.from(Nonce, "base64"), own]);
          const digest = createHash("sha256").update(both).digest();
          const blob = sign(hash, digest, rsa.privateKey).toString("base64");
          const answer = {
            Nonce: own.toString("base64"),
            Signature: { Format: format, Blob: blob },
          };
          return Promise.resolve(Buffer.from(JSON.stringify(answer)));
        },
      });
    const host = certificate({ type: "ssh-rsa-cert-v01@openssh.com", keyFields });
    for (const [hash, format] of [
      ["sha1", "ssh-rsa"],
      ["sha256", "rsa-sha2-256"],
      ["sha512", "rsa-sha2-512"],
    ] as const) {
      t.ok(await attest(host, hash, format), format);
    }
    await refused(t, attest(host, "sha1", "rsa-sha2-256"), { message: /not signed with/ });
    const bySha1 = (hash: string, format: string): Uint8Array => {
      const parts = { type: "ssh-rsa-cert-v01@openssh.com", keyFields, signatureKey: rsaBlob };
      const unsigned = certificate({ ...parts, signature: new Uint8Array() });
      const body = unsigned.subarray(0, -4);
      const signature = concatBytes([
        sshString(format),
        sshString(sign(hash, body, rsa.privateKey)),
      ]);
      return concatBytes([body, sshString(signature)]);
    };
    t.ok(await attest(bySha1("sha512", "rsa-sha2-512"), "sha1", "ssh-rsa"));
    await refused(t, attest(bySha1("sha1", "ssh-rsa"), "sha1", "ssh-rsa"), {
      kind: "denied",
      message: /with SHA-1/,
    });
  },
);

t.test("sshpop: files and settings", async (t) => {
  const dir = t.testdir({ words: "no key" });
  const prove = (key: string, cert: string): Promise<unknown> =>
    sshpopAttestor({ hostKeyFile: key, hostCertFile: cert, random: systemRandom }).prove(signal);
  const cert = join(SSH, "ed25519-cert.pub");
  const none = { kind: "precondition" } as const;
  await refused(t, prove(join(dir, "x"), cert), { ...none, message: /cannot be read \(ENOENT\)/ });
  await refused(t, prove(join(dir, "words"), cert), { ...none, message: /without a passphrase/ });
  await refused(t, prove(join(SSH, "locked"), cert), { ...none, message: /without a passphrase/ });
  await refused(t, prove(join(SSH, "rsa2048"), cert), { ...none, message: /is not that of/ });
  await refused(t, prove(join(SSH, "ed25519"), join(SSH, "ca.pub")), {
    ...none,
    message: /not a cert/,
  });
  copyFileSync(join(SSH, "ed25519"), join(dir, "damaged"));
  const text = readFileSync(join(dir, "damaged"), "utf8");
  writeFileSync(join(dir, "damaged"), text.replace("AAAA", "BBBB"));
  await refused(t, prove(join(dir, "damaged"), cert), { ...none, message: /cannot be read/ });
  const pem = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  writeFileSync(join(dir, "pem"), pem.export({ format: "pem", type: "pkcs8" }));
  await refused(t, prove(join(dir, "pem"), cert), { ...none, message: /is not that of/ });
  const proof = await sshpopAttestor({
    hostKeyFile: join(SSH, "ed25519"),
    hostCertFile: cert,
    random: systemRandom,
  }).prove(signal);
  await refused(t, proof.respond(Buffer.from("{}")), { message: /nonce is missing/ });
  await refused(t, proof.respond(Buffer.from("{}")), { message: /twice/ }, "one proof, one answer");

  for (const line of [
    "",
    "ssh-rsa",
    "ssh-rsa AAAA",
    "ecdsa-sha2-nistp256 ?",
    "ssh-ed25519 AAAAB3NzaC1yc2E=",
  ]) {
    t.throws(() => parseAuthorityLine(line), { name: "AssayError" }, line);
  }
  for (const wrong of [
    { certAuthorities: [] },
    { certAuthorities: ["ssh-rsa AAAA"] },
    { certAuthoritiesFile: join(dir, "none") },
    { agentPath: "all" },
  ]) {
    const start = Domain.start({ nodeAttestors: sshpop(wrong) });
    start.then((domain) => domain[Symbol.asyncDispose]()).catch(() => undefined);
    await refused(t, start, { message: /node attestors: / }, JSON.stringify(wrong));
  }
});

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

t.test(
  "sshpop: a certificate of an ECDSA authority has two forms, and each names the other",
  async (t) => {
    for (const bits of [256, 384, 521]) {
      const type = `ecdsa-sha2-nistp${bits}`;
      const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: `P-${bits}` });
      const { x = "", y = "" } = publicKey.export({ format: "jwk" });
      const point = [Uint8Array.of(4), ...[x, y].map((part) => Buffer.from(part, "base64url"))];
      const signatureKey = concatBytes([type, `nistp${bits}`, concatBytes(point)].map(sshString));
      const hash = bits === 521 ? "sha512" : `sha${bits}`;
      const own = certificate({
        signatureKey,
        sign(body) {
          const raw = sign(hash, body, { key: privateKey, dsaEncoding: "ieee-p1363" });
          const half = raw.length / 2;
          const numbers = [raw.subarray(0, half), raw.subarray(half)].map(sshMpint);
          return concatBytes([sshString(type), sshString(concatBytes(numbers))]);
        },
      });
      const twin = certificateTwin(parseSshCertificate(own)) ?? own;
      const server = sshpopServer({
        authorities: [signatureKey],
        agentPath: AgentPathTemplate.parse("{{Fingerprint}}", "sshpop"),
        clock: systemClock,
        random: systemRandom,
      });
      const admit = (raw: Uint8Array) =>
        server.admit(Buffer.from(payloadOf(raw)), respondWith(), signal);
      const [first, second] = [await admit(own), await admit(twin)];
      t.not(first.agentPath, second.agentPath);
      t.same([first.twinPath, second.twinPath], [second.agentPath, first.agentPath], type);
    }
  },
);
