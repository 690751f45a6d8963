// What a provisioning client takes for an identity, and what it refuses: from a server that answers anything.
import t from "tap";
import { systemClock } from "../../src/base/clock.ts";
import { systemRandom } from "../../src/base/random.ts";
import {
  type HeldIdentity,
  type IdentitySource,
  firstIdentity,
} from "../../src/provision/identity.ts";
import { identityNames } from "../../src/provision/names.ts";
import { ProvisionClient, authorityByFingerprint } from "../../src/provision/provision-client.ts";
import { fingerprintOf } from "../../src/provision/http-exchange.ts";
import { KEY_TYPES } from "../../src/keys/contract.ts";
import { encodePem } from "../../src/x509/pem.ts";
import { seq } from "../../src/x509/der.ts";
import { encodeExtension } from "../../src/x509/extension-encoding.ts";
import { type Asked, type OddAnswer, OddProvisioner, issue } from "../support/odd-provisioner.ts";
import { TestCa } from "../support/test-ca.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const server = await OddProvisioner.start();
t.teardown(() => server[Symbol.asyncDispose]());
const plain = server.answer;
const TOKEN = "0123456789abcdef0123456789abcdef";
const now = (): number => Math.floor(Date.now() / 1000);

function sourceOf(more: Partial<IdentitySource> = {}, timeoutMs = PATIENCE_MS): IdentitySource {
  const roots = [server.root];
  return {
    client: new ProvisionClient({ url: new URL(server.url), roots, timeoutMs }),
    names: identityNames("web.example.org", ["10.1.2.3", "2001:DB8::1", "web"]),
    keyType: "ec-p256",
    roots,
    clock: systemClock,
    random: systemRandom,
    ...more,
  };
}

function ask(
  answer: (asked: Asked) => Promise<OddAnswer | "hang" | "reset">,
  source = sourceOf(),
  waitMs = 0,
): Promise<HeldIdentity> {
  server.answer = answer;
  server.asked.length = 0;
  return firstIdentity(source, { token: TOKEN, waitMs }, new AbortController().signal);
}

t.test("P15 a right answer is taken, for every type of key", async (t) => {
  for (const keyType of KEY_TYPES) {
    if (keyType === "rsa-3072" || keyType === "rsa-4096") continue;
    const held = await ask(plain, sourceOf({ keyType }));
    t.match(held.keyPem, /^-----BEGIN PRIVATE KEY-----/);
    t.equal(held.chain.length, 1);
    t.same(held.chain[0]?.ipAddresses, ["10.1.2.3", "2001:db8::1"]);
    t.match(server.asked, [{ method: "PUT", path: "/v1/sign", authorization: `Bearer ${TOKEN}` }]);
  }
});

t.test("what stands around the certificates, and a root among them, do no harm", async (t) => {
  const held = await ask(async ({ csr }) => {
    const { body = "" } = await server.signed(csr);
    return {
      type: "text/plain; charset=utf-8",
      body: `Certificate:\n  Data:\n${body}${server.ca.pem}`,
    };
  });
  t.equal(held.chain.length, 1, "files hold no root behind the leaf");
  const svid = await ask(async ({ csr }) =>
    server.signed(csr, {
      sans: {
        dnsNames: ["web.example.org", "web"],
        ipAddresses: ["10.1.2.3", "2001:db8::1"],
        uris: ["spiffe://example.org/web"],
      },
    }),
  );
  t.equal(svid.spiffeId, "spiffe://example.org/web");
});

const right = { dnsNames: ["web.example.org", "web"], ipAddresses: ["10.1.2.3", "2001:db8::1"] };
const stranger = await TestCa.create({
  name: "root",
  notBefore: now() - 60,
  notAfter: now() + 3600,
});
const pem = "application/pem-certificate-chain";
const refusals: readonly [
  string,
  (asked: Asked) => Promise<OddAnswer | "hang" | "reset">,
  RegExp,
][] = [
  [
    "another key",
    async () => server.signed(undefined, { sans: right }),
    /for another key than ours/,
  ],
  [
    "another common name",
    async ({ csr }) => server.signed(csr, { commonName: "db.example.org" }),
    /is for 'db.example.org', not for 'web.example.org'/,
  ],
  [
    "a missing DNS name",
    async ({ csr }) => server.signed(csr, { sans: { ...right, dnsNames: ["web"] } }),
    /lacks the DNS name 'web.example.org'/,
  ],
  [
    "a missing address",
    async ({ csr }) => server.signed(csr, { sans: { ...right, ipAddresses: ["10.1.2.3"] } }),
    /lacks the address '2001:db8::1'/,
  ],
  [
    "a DNS name too many",
    async ({ csr }) =>
      server.signed(csr, { sans: { ...right, dnsNames: [...right.dnsNames, "db"] } }),
    /has the DNS name 'db', for which nobody asked/,
  ],
  [
    "an address too many",
    async ({ csr }) =>
      server.signed(csr, { sans: { ...right, ipAddresses: [...right.ipAddresses, "10.0.0.1"] } }),
    /has the address '10.0.0.1'/,
  ],
  [
    "a URI that is no SPIFFE ID",
    async ({ csr }) => server.signed(csr, { sans: { ...right, uris: ["https://example.org/"] } }),
    /has the name 'https/,
  ],
  [
    "two SPIFFE IDs",
    async ({ csr }) =>
      server.signed(csr, { sans: { ...right, uris: ["spiffe://a.b/c", "spiffe://a.b/d"] } }),
    /names of other sorts/,
  ],
  [
    "an authority's certificate",
    async ({ csr }) => server.signed(csr, { basicConstraints: { ca: true } }),
    /is an authority's/,
  ],
  [
    "a key that may not sign",
    async ({ csr }) => server.signed(csr, { keyUsage: ["keyEncipherment"] }),
    /may not be used for signatures/,
  ],
  [
    "one that has ended",
    async ({ csr }) => server.signed(csr, { notBefore: now() - 60, notAfter: now() - 5 }),
    /expired at/,
  ],
  [
    "one that has not begun",
    async ({ csr }) => server.signed(csr, { notBefore: now() + 600 }),
    /is not valid before/,
  ],
  [
    "a longer life than allowed",
    async ({ csr }) => server.signed(csr, { notAfter: now() + 90_000 }),
    /lasts longer than 86400 s/,
  ],
  [
    "another authority",
    async ({ csr }) => ({
      type: pem,
      body: encodePem("CERTIFICATE", await issue(stranger, csr, {})),
    }),
    /signature does not fit its issuer|leads to no authority/,
  ],
  [
    "an unknown critical extension",
    async ({ csr }) =>
      server.signed(csr, { extraExtensions: [encodeExtension("1.2.3.4", true, seq())] }),
    /critical extension 1.2.3.4/,
  ],
  [
    "a key beside the certificate",
    async ({ csr }) => ({
      type: pem,
      body: `${(await server.signed(csr)).body}${encodePem("PRIVATE KEY", seq())}`,
    }),
    /holds more than certificates/,
  ],
  ["nothing", async () => ({ type: pem, body: "" }), /is no certificate/],
  [
    "half of it",
    async ({ csr }) => ({ type: pem, body: (await server.signed(csr)).body?.slice(0, 300) ?? "" }),
    /cannot be read: pem block 'CERTIFICATE' is not closed/,
  ],
  [
    "a certificate that is none",
    async () => ({ type: pem, body: encodePem("CERTIFICATE", seq(seq())) }),
    /cannot be read/,
  ],
  [
    "another type",
    async ({ csr }) => ({ ...(await server.signed(csr)), type: "text/html" }),
    /its type is text\/html/,
  ],
  [
    "a text without end",
    async () => ({ type: pem, body: "x".repeat(300_000) }),
    /longer than 262144 bytes/,
  ],
  [
    "an unknown token",
    async () => ({ status: 401, body: "{}" }),
    /refuses \(401\): the token is unknown, used, or was made for another name/,
  ],
  [
    "a problem document",
    async () => ({ status: 400, body: JSON.stringify({ detail: "weak\u001b[31m key" }) }),
    /cannot take the request \(400\): weak\?\[31m key/,
  ],
  [
    "a redirect",
    async () => ({ status: 307, headers: { location: "https://localhost:1/" } }),
    /failed \(307\)/,
  ],
  ["no answer", async () => "reset", /does not answer/],
  [
    "a server that is busy",
    async () => ({ status: 503, headers: { "retry-after": "7" } }),
    /no more requests now \(503\); it asks to wait 7/,
  ],
];

t.test(
  "P15 P4 whatever else is refused, with its reason, and the token never stands in it",
  async (t) => {
    const source = sourceOf({ maxLifeSeconds: 86_400 });
    for (const [name, answer, message] of refusals) {
      const thrown = await ask(answer, source).then(
        () => undefined,
        (error: unknown) => error as Error,
      );
      t.match(thrown, { message }, name);
      t.notMatch(thrown?.message, TOKEN, name);
    }
  },
);

t.test("names beyond those asked for are taken where that is wanted", async (t) => {
  const answer = async ({ csr }: Asked) =>
    server.signed(csr, { sans: { ...right, dnsNames: [...right.dnsNames, "db"] } });
  const held = await ask(answer, sourceOf({ mayHaveMore: true }));
  t.same(held.chain[0]?.dnsNames, ["web.example.org", "web", "db"]);
});

t.test(
  "a server that is slow is given up; one that comes late is asked again, with the same request",
  async (t) => {
    await t.rejects(
      ask(async () => "hang", sourceOf({}, 200)),
      { message: /took longer than 0.2 s/ },
    );
    let calls = 0;
    await ask(
      async ({ csr }) => (++calls < 3 ? "reset" : server.signed(csr)),
      sourceOf(),
      PATIENCE_MS,
    );
    const sent = server.asked.map(({ csr }) => Buffer.from(csr ?? []).toString("hex"));
    t.equal(sent.length, 3);
    t.equal(new Set(sent).size, 1, "a reply that was lost may have spent the token");
    await t.rejects(
      ask(async () => ({ status: 401 }), sourceOf(), PATIENCE_MS),
      { message: /refuses \(401\)/ },
    );
    t.equal(server.asked.length, 1, "what is refused is not asked again");
  },
);

t.test("P13 the server itself: another authority, another name, a fingerprint", async (t) => {
  const url = new URL(server.url);
  const roots = [stranger.certificate];
  const foreign = new ProvisionClient({ url, roots, timeoutMs: PATIENCE_MS });
  await t.rejects(ask(plain, sourceOf({ client: foreign })), {
    kind: "unauthenticated",
    message: /leads to no authority that was named/,
  });
  t.equal(server.asked.length, 0, "the token was not sent");
  const renamed = new URL(server.url.replace("localhost", "127.0.0.1"));
  const other = new ProvisionClient({ url: renamed, roots: [server.root], timeoutMs: PATIENCE_MS });
  await t.rejects(ask(plain, sourceOf({ client: other })), {
    kind: "unauthenticated",
    message: /is for DNS:localhost, not for 127.0.0.1/,
  });
  t.equal(server.asked.length, 0);
  const { signal } = new AbortController();
  const address = { url, roots: [], timeoutMs: PATIENCE_MS };
  const found = await authorityByFingerprint(address, fingerprintOf(server.ca.der), signal);
  t.same(found.raw, server.ca.der);
  await t.rejects(authorityByFingerprint(address, fingerprintOf(stranger.der), signal), {
    kind: "unauthenticated",
    message: /shows no authority with the fingerprint/,
  });
});

t.test("names", async (t) => {
  t.same(identityNames("Tommy", ["a_b", "::ffff:1.2.3.4"]), {
    commonName: "Tommy",
    dnsNames: ["tommy", "a_b"],
    ipAddresses: ["::ffff:102:304"],
  });
  t.same(identityNames("Web Server 1", []).dnsNames, [], "no DNS name, and none is made of it");
  t.same(identityNames("10.0.0.1", []).ipAddresses, ["10.0.0.1"]);
  for (const name of ["", "x".repeat(65)])
    t.throws(() => identityNames(name, []), { message: /1 to 64 characters/ });
  for (const san of [
    "",
    "a b",
    "*.example.org",
    "-a",
    "a..b",
    "spiffe://a/b",
    "x".repeat(64),
    "1.2.3.4/8",
  ]) {
    t.throws(() => identityNames("web", [san]), { message: /is neither a DNS name/ }, san);
  }
});
