/** Node attestation by certificate, through a real server and real agents, and by hand where a peer is hostile. */
import assert from "node:assert/strict";
import { createHash, generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { x509popAttestor } from "../../src/attestors/node/x509pop/agent.ts";
import { encodeAnswer, encodeChain } from "../../src/attestors/node/x509pop/payload.ts";
import type { NodeProof } from "../../src/attestors/contract.ts";
import { x509popServer } from "../../src/attestors/node/x509pop/server.ts";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import { TrustDomain } from "../../src/spiffe/trust-domain.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { signatureTwin } from "../../src/x509/signature-twin.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { Domain, TRUST_DOMAIN } from "../support/running.ts";
import { refused } from "../support/refused.ts";
import { AGENT_SERVICE, startTestServer } from "../support/server.ts";
import { type IssuedLeaf, type LeafOptions, TestCa, testCsr } from "../support/test-ca.ts";
import { PATIENCE_MS, until } from "../support/patience.ts";

const NOW = Math.floor(Date.now() / 1000);

const LIFE = { notBefore: NOW - 10, notAfter: NOW + 3600 };

function folder(t: Test): string {
  const dir = mkdtempSync(join(tmpdir(), "assay-pop-"));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function hostLeaf(ca: TestCa, options: LeafOptions = {}): Promise<IssuedLeaf> {
  return ca.leaf({
    ...LIFE,
    subject: distinguishedName([{ type: "CN", value: "host-1" }]),
    uris: [`x509pop://${TRUST_DOMAIN}/rack/7/left`, "x509pop://other.org/rack/8"],
    serial: Uint8Array.of(0x0a, 0xbc),
    ...options,
  });
}

function write(dir: string, name: string, text: string): string {
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
}

const sha1 = (bytes: Uint8Array): string => createHash("sha1").update(bytes).digest("hex");

/** One attestation whose client does as it is told. `answers` stands for all it says to a challenge. */
async function attest(
  target: Awaited<ReturnType<typeof startTestServer>>,
  payload: Uint8Array,
  answers: (challenge: Uint8Array) => Promise<readonly Uint8Array[]>,
): Promise<{ result: { svid: { id: { path: string } }; reattestable: boolean } }> {
  const { der: csr } = await testCsr({ uris: [] });
  using stream = target
    .connect()
    .stream<object, { challenge?: Uint8Array; result: never }>(AGENT_SERVICE, "AttestAgent", {
      deadlineMs: PATIENCE_MS,
    });
  const data = { type: "x509pop", payload };
  stream.send({ params: { data, params: { csr } } }).catch(() => undefined);
  for await (const message of stream) {
    if (message.challenge === undefined || message.challenge === null) return message;
    for (const answer of await answers(message.challenge)) {
      stream.send({ challenge_response: answer }).catch(() => undefined);
    }
  }
  throw new Error("the stream ended without an answer");
}

function proofOf(t: Test, leaf: IssuedLeaf, keyPem = leaf.keyPem): Promise<NodeProof> {
  const dir = folder(t);
  return x509popAttestor({
    certFile: write(dir, "cert.pem", leaf.certPem),
    keyFile: write(dir, "key.pem", keyPem),
    random: systemRandom,
  }).prove(new AbortController().signal);
}

t.test("external PKI: an agent joins, attests again, and is known by its selectors", async (t) => {
  const dir = folder(t);
  const root = await TestCa.create({ ...LIFE });
  const issuing = await root.intermediate({ ...LIFE });
  const leaf = await hostLeaf(issuing);
  const caFile = write(dir, "ca.pem", root.pem);
  await using domain = await Domain.start({ x509pop: { mode: "external_pki", caFile } });
  const x509pop = {
    certFile: write(dir, "cert.pem", encodePem("CERTIFICATE", leaf.der)),
    keyFile: write(dir, "key.pem", leaf.keyPem),
    chainFile: write(dir, "chain.pem", issuing.pem),
  };
  const agent = await domain.startAgent({ joinToken: undefined, x509pop });
  const id = { trust_domain: TRUST_DOMAIN, path: `/spire/agent/x509pop/${sha1(leaf.der)}` };
  t.equal(agent.spiffeId.toString(), `spiffe://${TRUST_DOMAIN}${id.path}`);
  interface AgentMessage {
    x509svid_serial_number: string;
    selectors: { type: string; value: string }[];
    can_reattest: boolean;
    attestation_type: string;
  }
  const known = (): Promise<AgentMessage> => domain.call("agent.v1.Agent", "GetAgent", { id });
  const first = await known();
  t.equal(first.can_reattest, true);
  t.equal(first.attestation_type, "x509pop");
  t.same(
    first.selectors.map(({ type, value }) => `${type}:${value}`),
    [
      `x509pop:ca:fingerprint:${sha1(issuing.der)}`,
      `x509pop:ca:fingerprint:${sha1(root.der)}`,
      "x509pop:san:rack:7/left",
      "x509pop:serialnumber:0abc",
      "x509pop:subject:cn:host-1",
    ].sort(),
  );
  // Evicted: AGENT_NOT_ATTESTED makes it prove itself again, without anybody's help.
  await domain.call("agent.v1.Agent", "DeleteAgent", { id });
  agent.wake();
  await until("it has proved itself again", async () => {
    const again = await known().catch(() => undefined);
    return again !== undefined && again.x509svid_serial_number !== first.x509svid_serial_number;
  });
  await agent[Symbol.asyncDispose]();
  // A folder that was lost, and a ban.
  const anew = { joinToken: undefined, x509pop, dataDir: join(domain.dir, "other") };
  const other = await domain.startAgent(anew);
  t.equal(other.spiffeId.path, id.path);
  await domain.call("agent.v1.Agent", "BanAgent", { id });
  // A new join token would make another agent of it: the certificate leads to the same ID for as long as that is banned.
  const banned = {
    kind: "precondition" as const,
    reason: "AGENT_BANNED",
    message: /banned; to let its host join again, evict it at the server \(assay agents evict\)/,
  };
  t.match(await other.stopped, banned);
  await refused(t, domain.startAgent(anew), banned);
  await domain.call("agent.v1.Agent", "DeleteAgent", { id });
  t.equal((await domain.startAgent(anew)).spiffeId.path, id.path);
});

t.test("a ban holds for a certificate whose signature is written the other way", async (t) => {
  for (const keyType of ["ec-p256", "ec-p384", "rsa-2048"] as const) {
    const root = await TestCa.create({ ...LIFE, keyType });
    const leaf = await hostLeaf(root);
    const twin = signatureTwin(parseCertificate(leaf.der), parseCertificate(root.der).publicKey);
    if (keyType === "rsa-2048") {
      t.equal(twin, undefined, "RSA has one form");
      continue;
    }
    assert(twin !== undefined);
    const again = signatureTwin(parseCertificate(twin), parseCertificate(root.der).publicKey);
    t.same(again, leaf.der, `${keyType}: twice is once`);
    const dir = folder(t);
    const keyFile = write(dir, "key.pem", leaf.keyPem);
    const filesOf = (name: string, der: Uint8Array) => ({
      joinToken: undefined,
      x509pop: { keyFile, certFile: write(dir, `${name}.pem`, encodePem("CERTIFICATE", der)) },
      dataDir: join(dir, name),
      socket: join(dir, `${name}.sock`),
    });
    const caFile = write(dir, "ca.pem", root.pem);
    await using domain = await Domain.start({ x509pop: { mode: "external_pki", caFile } });
    const agent = await domain.startAgent(filesOf("first", leaf.der));
    const id = { trust_domain: TRUST_DOMAIN, path: agent.spiffeId.path };
    await domain.call("agent.v1.Agent", "BanAgent", { id });
    t.match(await agent.stopped, { kind: "precondition", reason: "AGENT_BANNED" });
    await refused(t, domain.startAgent(filesOf("twin", twin)), {
      kind: "precondition",
      reason: "AGENT_BANNED",
    });
  }
});

t.test("an agent whose SVID is due attests again", async (t) => {
  const dir = folder(t);
  const root = await TestCa.create({ ...LIFE });
  const leaf = await hostLeaf(root, { keyType: "rsa-2048" });
  const caFile = write(dir, "ca.pem", root.pem);
  await using domain = await Domain.start({
    x509pop: { mode: "external_pki", caFile },
    ttl: { x509SvidSeconds: 60, jwtSvidSeconds: 60, agentSvidSeconds: 10 },
  });
  const x509pop = {
    certFile: write(dir, "cert.pem", leaf.certPem),
    keyFile: write(dir, "key.pem", leaf.keyPem),
  };
  const agent = await domain.startAgent({ joinToken: undefined, x509pop });
  const serial = async (): Promise<string> => {
    const { trustDomain, path } = agent.spiffeId;
    const id = { trust_domain: trustDomain.name, path };
    const message = await domain.call<{ x509svid_serial_number: string }>(
      "agent.v1.Agent",
      "GetAgent",
      { id },
    );
    return message.x509svid_serial_number;
  };
  const seen = new Set<string>();
  while (seen.size < 3) {
    seen.add(await serial());
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  t.pass("three SVIDs, each used");
});

t.test("hostile agents", async (t) => {
  const dir = folder(t);
  const root = await TestCa.create({ ...LIFE });
  const stranger = await TestCa.create({ ...LIFE, name: "stranger" });
  const caFile = write(dir, "ca.pem", root.pem);
  const server = await startTestServer(t, {
    config: { x509pop: { mode: "external_pki", caFile } },
  });
  const leaf = await hostLeaf(root);
  const rsa = await hostLeaf(root, { keyType: "rsa-2048" });
  const other = await hostLeaf(root);
  const chain = (...ders: Uint8Array[]): Uint8Array => encodeChain(ders);
  const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  const never = (): Promise<never> => Promise.reject(new Error("there should be no challenge"));
  const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
  const big = generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "der" });

  const payloads: [string, Uint8Array, object][] = [
    ["no JSON", Buffer.from("{"), { kind: "invalid", message: /json/ }],
    ["no UTF-8", Uint8Array.of(0xff, 0xfe), { kind: "invalid" }],
    ["a list", json([]), { kind: "invalid" }],
    ["no certificates", json({ certificates: [] }), { kind: "invalid" }],
    ["certificates that are a text", json({ certificates: "x" }), { kind: "invalid" }],
    ["numbers", json({ certificates: [1] }), { kind: "invalid", message: /base64/ }],
    ["no base64", json({ certificates: ["@@"] }), { kind: "invalid", message: /base64/ }],
    ["no DER", json({ certificates: ["AAAA"] }), { kind: "invalid" }],
    [
      "10 intermediates",
      chain(leaf.der, ...Array.from({ length: 10 }, () => root.der)),
      { kind: "invalid", message: /more than 4/ },
    ],
    ["1 MB", Buffer.alloc(1_000_000, 0x61), { kind: "invalid", message: /65536/ }],
    ["another authority", chain((await hostLeaf(stranger)).der), { kind: "denied" }],
    [
      "expired",
      chain((await hostLeaf(root, { notAfter: NOW - 5 })).der),
      { kind: "denied", message: /expired/ },
    ],
    [
      "not yet valid",
      chain((await hostLeaf(root, { notBefore: NOW + 500 })).der),
      { kind: "denied", message: /not valid before/ },
    ],
    [
      "no digitalSignature",
      chain((await hostLeaf(root, { keyUsage: ["keyEncipherment"] })).der),
      { kind: "denied", message: /digital signatures/ },
    ],
    [
      "no key usage",
      chain((await hostLeaf(root, { keyUsage: "omit" })).der),
      { kind: "denied", message: /digital signatures/ },
    ],
    [
      "a key that proves nothing",
      chain((await hostLeaf(root, { publicKey: big })).der),
      { kind: "invalid", message: /key type/ },
    ],
    [
      "a forged signature",
      chain((await hostLeaf(root, { signer: stranger.key.signer })).der),
      { kind: "denied", message: /signature/ },
    ],
  ];
  for (const [name, payload, error] of payloads) {
    await refused(t, attest(server, payload, never), error, name);
  }

  const proof = await proofOf(t, leaf);
  const replayed: Uint8Array[] = [];
  const good = await attest(server, proof.payload, async (challenge) => {
    replayed.push(await proof.respond(challenge));
    return replayed;
  });
  t.equal(good.result.svid.id.path, `/spire/agent/x509pop/${sha1(leaf.der)}`);
  t.equal(good.result.reattestable, true);
  const rsaProof = await proofOf(t, rsa);
  const rsaResult = await attest(server, rsaProof.payload, async (challenge) => [
    await rsaProof.respond(challenge),
  ]);
  t.equal(rsaResult.result.svid.id.path, `/spire/agent/x509pop/${sha1(rsa.der)}`);

  const nonce = new Uint8Array(32);
  const one = Uint8Array.of(1);
  const denied = { kind: "denied", message: /not signed/ } as const;
  const invalid = { kind: "invalid" };
  const fresh = async (from: IssuedLeaf, challenge: Uint8Array): Promise<Uint8Array> =>
    (await proofOf(t, from)).respond(challenge);
  const changed = (
    text: string,
    change: (fields: Record<string, string>) => object,
  ): Uint8Array => {
    const { ecdsa_signature: fields } = JSON.parse(text) as {
      ecdsa_signature: Record<string, string>;
    };
    return json({ rsa_signature: null, ecdsa_signature: { ...fields, ...change(fields) } });
  };
  const altered =
    (change: (fields: Record<string, string>) => object) => async (challenge: Uint8Array) =>
      changed(Buffer.from(await fresh(leaf, challenge)).toString(), change);
  const answers: [string, (challenge: Uint8Array) => Promise<Uint8Array>, object][] = [
    ["a replay", () => Promise.resolve(replayed[0] ?? nonce), denied],
    ["another key", (challenge) => fresh(other, challenge), denied],
    ["another kind of key", (challenge) => fresh(rsa, challenge).catch(() => json({})), invalid],
    ["another nonce", altered(() => ({ nonce: b64(nonce) })), denied],
    ["a short nonce", altered(() => ({ nonce: b64(nonce.subarray(1)) })), invalid],
    ["an empty nonce", altered(() => ({ nonce: "" })), invalid],
    ["r and s exchanged", altered(({ r, s }) => ({ r: s, s: r })), denied],
    ["a wide r", altered(({ r = "" }) => ({ r: b64(Buffer.alloc(4000, r)) })), denied],
    [
      "zeros",
      () =>
        Promise.resolve(
          encodeAnswer({ family: "ecdsa", nonce, r: Uint8Array.of(0), s: Uint8Array.of(0) }),
        ),
      denied,
    ],
    [
      "ones",
      () => Promise.resolve(encodeAnswer({ family: "ecdsa", nonce, r: one, s: one })),
      denied,
    ],
    [
      "both kinds empty",
      () => Promise.resolve(json({ rsa_signature: {}, ecdsa_signature: {} })),
      invalid,
    ],
    ["no JSON", () => Promise.resolve(Buffer.from("x")), invalid],
    ["nothing", () => Promise.resolve(new Uint8Array()), invalid],
    [
      "1 MB",
      () => Promise.resolve(Buffer.alloc(1_000_000, 0x61)),
      { kind: "invalid", message: /65536/ },
    ],
  ];
  for (const [name, answer, error] of answers) {
    await refused(
      t,
      attest(server, chain(leaf.der), async (challenge) => [await answer(challenge)]),
      error,
      name,
    );
  }
  await refused(
    t,
    attest(server, chain(leaf.der), async (challenge) => [
      await fresh(other, challenge),
      await fresh(leaf, challenge),
    ]),
    denied,
    "a second answer does not help a wrong first one",
  );
  const twice = await attest(server, chain(leaf.der), async (challenge) => {
    const answer = await fresh(leaf, challenge);
    return [answer, answer];
  });
  t.ok(twice.result.reattestable, "a second answer to a right one is not read");
});

t.test("mode spiffe: SVIDs of the own domain below the exchange path", async (t) => {
  const ca = await TestCa.create({ ...LIFE });
  const trustDomain = TrustDomain.parse(TRUST_DOMAIN);
  const attestor = x509popServer({
    mode: "spiffe",
    trustDomain,
    roots: () => [ca.certificate],
    clock: systemClock,
    random: systemRandom,
  });
  const admit = async (options: LeafOptions) => {
    const proof = await proofOf(t, await ca.leaf({ ...LIFE, ...options }));
    return attestor.admit(
      proof.payload,
      (challenge) => proof.respond(challenge),
      AbortSignal.any([]),
    );
  };
  const id = (path: string): LeafOptions => ({ spiffeId: `spiffe://${TRUST_DOMAIN}${path}` });
  t.match(await admit(id("/spire-exchange/rack/7")), {
    agentPath: "/spire/agent/x509pop/rack/7",
    canReattest: true,
  });
  const denials: [string, LeafOptions][] = [
    ["another trust domain", { spiffeId: "spiffe://other.org/spire-exchange/rack/7" }],
    ["another path", id("/rack/7")],
    ["the prefix alone", id("/spire-exchange")],
    ["a path that climbs", id("/spire-exchange/../x")],
    [
      "two IDs",
      { uris: [`spiffe://${TRUST_DOMAIN}/spire-exchange/a`, `spiffe://${TRUST_DOMAIN}/b`] },
    ],
    ["no SPIFFE ID", { uris: ["https://example.org/spire-exchange/a"] }],
  ];
  for (const [name, options] of denials) await refused(t, admit(options), { kind: "denied" }, name);

  const server = await startTestServer(t, { config: { x509pop: { mode: "spiffe" } } });
  const stranger = await ca.leaf({ ...LIFE, ...id("/spire-exchange/a") });
  await refused(
    t,
    attest(server, encodeChain([stranger.der]), () => Promise.reject(new Error("no challenge"))),
    { kind: "denied" },
    "an authority that is not the domain's own",
  );
  const key = await testCsr({ uris: [`spiffe://${TRUST_DOMAIN}/spire-exchange/a`] });
  const { svid } = await server.admin.unary<{ svid: { cert_chain: Uint8Array[] } }>(
    "spire.api.server.svid.v1.SVID",
    "MintX509SVID",
    { csr: key.der },
  );
  const minted = svid.cert_chain.map((der) => encodePem("CERTIFICATE", der)).join("");
  const proof = await proofOf(t, {
    ...key,
    certPem: minted,
    keyPem: encodePem("PRIVATE KEY", key.pkcs8),
  });
  const { result } = await attest(server, proof.payload, async (challenge) => [
    await proof.respond(challenge),
  ]);
  t.equal(result.svid.id.path, "/spire/agent/x509pop/a");
  const { authorities } = server.server;
  const old = authorities.activeX509().id;
  await authorities.activate("x509", (await authorities.prepare("x509")).id);
  await authorities.taint("x509", old);
  await refused(
    t,
    attest(server, proof.payload, () => Promise.reject(new Error("no challenge"))),
    { kind: "denied", message: /leads to no authority|signature/ },
    "a tainted authority's",
  );
  const careful = x509popServer({
    mode: "spiffe",
    trustDomain: TrustDomain.parse(TRUST_DOMAIN),
    roots: () => [ca.certificate],
    isLost: () => true,
    clock: systemClock,
    random: systemRandom,
  });
  await refused(
    t,
    careful.admit(
      encodeChain([stranger.der]),
      () => Promise.reject(new Error("no challenge")),
      AbortSignal.any([]),
    ),
    { kind: "denied", message: /was revoked, or its authority is tainted/ },
  );
});

t.test("the agent's half", async (t) => {
  const root = await TestCa.create({ ...LIFE });
  const leaf = await hostLeaf(root);
  const other = await hostLeaf(root);
  await refused(t, proofOf(t, leaf, other.keyPem), {
    kind: "precondition" as const,
    message: /not that of/,
  });
  await refused(t, proofOf(t, leaf, "x"), { kind: "precondition", message: /passphrase/ });
  const dir = folder(t);
  const missing = x509popAttestor({
    certFile: join(dir, "none"),
    keyFile: join(dir, "none"),
    random: systemRandom,
  });
  await refused(t, missing.prove(new AbortController().signal), {
    kind: "precondition" as const,
    message: /ENOENT/,
  });
  const challenge = (bytes: number): Uint8Array =>
    Buffer.from(
      `{"rsa_signature":null,"ecdsa_signature":{"nonce":"${Buffer.alloc(bytes, 1).toString("base64")}"}}`,
    );
  const proof = await proofOf(t, leaf);
  const text = Buffer.from(await proof.respond(challenge(32))).toString();
  t.match(
    text,
    /^\{"rsa_signature":null,"ecdsa_signature":\{"nonce":"[^"]{44}","r":"[^"]+","s":"[^"]+"\}\}$/,
  );
  await refused(t, proof.respond(challenge(32)), { kind: "precondition", message: /twice/ });
  // The server's share has one length, so that it can pass for nothing else that might be signed.
  for (const bytes of [0, 31, 33, 64, 10_000]) {
    await refused(t, (await proofOf(t, leaf)).respond(challenge(bytes)), { kind: "invalid" });
  }
  await refused(
    t,
    (await proofOf(t, leaf)).respond(Buffer.from('{"rsa_signature":{"nonce":"AA=="}}')),
    { kind: "invalid", message: /ecdsa/ },
  );
});
