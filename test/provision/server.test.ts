// The client beside the real front end: pinned by a fingerprint, a token spent, three renewals, two sets of authorities.
import t, { type Test } from "tap";
import { systemRandom } from "../../src/base/random.ts";
import {
  type IdentitySource,
  firstIdentity,
  nextIdentity,
  withNewAuthorities,
} from "../../src/provision/identity.ts";
import { identityNames } from "../../src/provision/names.ts";
import { ProvisionClient, authorityByFingerprint } from "../../src/provision/provision-client.ts";
import { bytesEqual } from "../../src/base/bytes.ts";
import { PROVISION_SERVICE, type Rig, provisionRig } from "../server/frontends/provision-rig.ts";
import { PATIENCE_MS } from "../support/patience.ts";

const TLS = { tls: { kind: "svid", dnsNames: ["localhost"] } } as const;
const { signal } = new AbortController();

async function authorized(
  rig: Rig,
  more: object = {},
): Promise<{ readonly token: string; readonly fingerprint: string }> {
  const { token, ca_fingerprints: fingerprints } = await rig.server.admin.unary<{
    token: string;
    ca_fingerprints: readonly string[];
  }>(PROVISION_SERVICE, "Authorize", { common_name: "web.example.org", ...more });
  return { token, fingerprint: fingerprints[0] ?? "" };
}

async function sourceOf(
  rig: Rig,
  fingerprint: string,
  {
    host = "localhost",
    trustDomain,
    sans = [],
  }: { host?: string; trustDomain?: string; sans?: readonly string[] } = {},
): Promise<IdentitySource> {
  const address = {
    url: new URL(`https://${host}:${rig.port}`),
    timeoutMs: PATIENCE_MS,
    ...(trustDomain === undefined ? {} : { trustDomain }),
  };
  const roots = [await authorityByFingerprint({ ...address, roots: [] }, fingerprint, signal)];
  return {
    client: new ProvisionClient({ ...address, roots }),
    names: identityNames("web.example.org", sans),
    keyType: "ec-p256",
    roots,
    clock: rig.server.clock,
    random: systemRandom,
  };
}

const askFor = (source: IdentitySource, token: string) =>
  firstIdentity(source, { token, waitMs: 0 }, signal);

async function refuses(t: Test, work: Promise<unknown>, message: RegExp): Promise<void> {
  await t.rejects(work, { message });
}

t.test(
  "P1 P2 P4 P5 one token, one certificate; renewed with itself, each time with another key",
  async (t) => {
    const rig = await provisionRig(t, TLS);
    const { token, fingerprint } = await authorized(rig, { names: ["10.1.2.3"], life: 600 });
    const source = await sourceOf(rig, fingerprint, { sans: ["10.1.2.3"] });
    await refuses(t, askFor(source, "0".repeat(32)), /refuses \(401\)/);
    const other = { ...source, names: identityNames("db.example.org", []) };
    await refuses(t, askFor(other, token), /refuses \(401\)/);
    const first = await askFor(source, token);
    t.equal(
      first.notAfter - rig.server.clock.nowMs() / 1000 < 601,
      true,
      "P14 the life that was authorized",
    );
    await refuses(t, askFor(source, token), /refuses \(401\)/);
    let held = first;
    for (let round = 0; round < 3; round++) {
      const next = await nextIdentity(source, held, signal);
      t.not(next.keyPem, held.keyPem);
      t.not(next.chain[0]?.serial, held.chain[0]?.serial);
      held = next;
    }
    await refuses(t, nextIdentity(source, first, signal), /refuses \(401\)/);
    const lost = nextIdentity({ ...source, maxLifeSeconds: 1 }, held, signal);
    await refuses(t, lost, /lasts longer than 1 s/);
    t.ok(await nextIdentity(source, held, signal), "after an answer that was not taken");
  },
);

t.test(
  "names that were authorized and not asked for are refused, unless they are wanted",
  async (t) => {
    const rig = await provisionRig(t, TLS);
    const { token, fingerprint } = await authorized(rig, { names: ["10.1.2.3"] });
    const source = await sourceOf(rig, fingerprint);
    await refuses(t, askFor(source, token), /has the address '10.1.2.3', for which nobody asked/);
    const again = await authorized(rig, { names: ["10.1.2.3"] });
    const held = await askFor({ ...source, mayHaveMore: true }, again.token);
    t.same(held.chain[0]?.ipAddresses, ["10.1.2.3"]);
  },
);

t.test(
  "P13 the server by its SVID, whatever its host is called; not that of another domain",
  async (t) => {
    const rig = await provisionRig(t, TLS);
    const { token, fingerprint } = await authorized(rig);
    const host = "127.0.0.1";
    await refuses(
      t,
      askFor(await sourceOf(rig, fingerprint, { host }), token),
      /or give its --trust-domain/,
    );
    const stranger = await sourceOf(rig, fingerprint, { host, trustDomain: "other.org" });
    await refuses(t, askFor(stranger, token), /is for DNS:localhost, .*not for 127.0.0.1/);
    const source = await sourceOf(rig, fingerprint, { host, trustDomain: "example.org" });
    t.ok(await askFor(source, token), "the token was not spent before");
  },
);

t.test("authorities of another set are taken from the server, once it is known", async (t) => {
  const services = {
    keyType: "ec-p256",
    ttlSeconds: 400 * 86_400,
    upstreamAuthority: {},
    profiles: ["peer"],
  } as const;
  const rig = await provisionRig(
    t,
    { ...TLS, set: "services" },
    { config: { authoritySets: new Map([["services", services]]) } },
  );
  const { token, fingerprint } = await authorized(rig);
  const source = await sourceOf(rig, fingerprint);
  const held = await askFor(source, token);
  const [pinned] = source.roots;
  t.equal(held.roots.length, 2);
  const issuer = held.roots.find(({ raw }) => !bytesEqual(raw, pinned?.raw ?? new Uint8Array()));
  t.same(held.chain[0]?.issuer, issuer?.subject, "signed by the set, and not by the pinned one");
  t.ok(await nextIdentity(source, held, signal));
});

t.test("authorities that follow each other between two renewals are learned in time", async (t) => {
  const rig = await provisionRig(t, TLS);
  const { admin } = rig.server;
  const step = (name: string, id?: string) =>
    admin.unary<Readonly<Record<string, { readonly authority_id: string }>>>(
      "spire.api.server.localauthority.v1.LocalAuthority",
      `${name}X509Authority`,
      id === undefined ? {} : { authority_id: id },
    );
  const { token, fingerprint } = await authorized(rig);
  const source = await sourceOf(rig, fingerprint);
  const held = await askFor(source, token);
  t.equal(await withNewAuthorities(source, held, signal), undefined, "the same as before");
  const { prepared_authority: next } = await step("Prepare");
  const both = await withNewAuthorities(source, held, signal);
  t.equal(both?.roots.length, 2);
  t.equal(both?.keyPem, held.keyPem);
  await step("Activate", next?.authority_id ?? "");
  const renewed = await nextIdentity(source, both ?? held, signal);
  const issuer = both?.roots.find(({ subjectKeyId }) => subjectKeyId === next?.authority_id);
  t.ok(issuer !== undefined);
  t.same(renewed.chain[0]?.issuer, issuer?.subject, "the new one has signed");
});

t.test("an API token authorizes over HTTP", async (t) => {
  const rig = await provisionRig(t, TLS);
  const { fingerprint } = await authorized(rig);
  const { client, ...source } = await sourceOf(rig, fingerprint);
  const { token: apiToken } = await rig.server.admin.unary<{ token: string }>(
    PROVISION_SERVICE,
    "CreateApiToken",
    { name: "ci", ttl: 3600, allow_names: ["*.example.org"] },
  );
  const fields = (cn: string, token: string): URLSearchParams =>
    new URLSearchParams({ cn, token, lifeInSeconds: "300" });
  await client.authorize(fields("web.example.org", "t".repeat(32)), apiToken, signal);
  t.ok(await askFor({ client, ...source }, "t".repeat(32)));
  await refuses(
    t,
    client.authorize(fields("web.other.org", "u".repeat(32)), apiToken, signal),
    /refuses \(403\)/,
  );
  await refuses(
    t,
    client.authorize(fields("web.example.org", "v".repeat(32)), "nonsense", signal),
    /refuses \(401\)/,
  );
});
