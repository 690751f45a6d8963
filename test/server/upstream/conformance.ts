/** What every upstream authority does that answers by itself. */
import type { Test } from "tap";
import { bytesEqual } from "../../../src/base/bytes.ts";
import type { KeyType } from "../../../src/keys/contract.ts";
import { generateKey } from "../../../src/keys/software-signer.ts";
import { checkSignedCa } from "../../../src/server/ca/check-signed-ca.ts";
import type { Upstream } from "../../../src/server/upstream/contract.ts";
import { TrustDomain } from "../../../src/spiffe/trust-domain.ts";
import { parseCertificate } from "../../../src/x509/certificate.ts";
import { verifyChain } from "../../../src/x509/chain.ts";
import { formatName } from "../../../src/x509/names.ts";

export interface UpstreamCase {
  readonly upstream: Upstream;
  readonly trustDomain: TrustDomain;
  /** Epoch seconds of the clock that it goes by. */
  readonly now: () => number;
  readonly keyTypes?: readonly KeyType[];
  /** Whether it also signs for sets beside the trust domain's own. */
  readonly signsForSets?: boolean;
}

export async function upstreamConformance(
  t: Test,
  {
    upstream,
    trustDomain,
    now,
    keyTypes = ["ec-p256", "ec-p384", "rsa-2048"],
    signsForSets = false,
  }: UpstreamCase,
): Promise<void> {
  const never = new AbortController().signal;
  const names = new Set<string>();
  for (const keyType of keyTypes) {
    const { signer: key } = await generateKey(keyType);
    const request = { key, trustDomain, now: now(), ttlSeconds: 3600 };
    const { chain, roots } = await upstream.authority.sign(request, never);
    const certificates = chain.map((der) => parseCertificate(der));
    const [own] = certificates;
    if (own === undefined) throw new Error("an empty chain");
    t.ok(bytesEqual(own.publicKey, key.publicKey), `${keyType}: the key that was asked for`);
    t.same(own.uris, [trustDomain.id], "the trust domain's ID");
    t.match(own, { basicConstraints: { ca: true }, dnsNames: { length: 0 } });
    t.ok(own.keyUsage?.has("keyCertSign"));
    t.match(own.subjectKeyId, /^[0-9a-f]{2,}$/, "a subject key id");
    const path = await verifyChain(certificates, roots.map(parseCertificate), now());
    for (const link of path) t.ok(own.notAfter <= link.notAfter, "no link ends before it");
    t.ok(own.notAfter <= now() + 3660, "it lives no longer than asked for");
    const isRoot = roots.some((root) => Buffer.compare(root, own.raw) === 0);
    if (!isRoot) {
      for (const der of chain) {
        t.notOk(
          roots.some((root) => Buffer.compare(root, der) === 0),
          "no root in the chain",
        );
      }
    }
    const made = await checkSignedCa({ chain, roots }, request);
    t.equal(made.chain.length, isRoot ? 1 : path.length - 1, "the whole path but the root");
    names.add(`${formatName(own.subject)} ${own.serial}`);
  }
  t.equal(names.size, keyTypes.length, "names and serials are each one's own");

  if (signsForSets) {
    const { signer: key } = await generateKey("ec-p256");
    const request = { key, trustDomain, set: "web", now: now(), ttlSeconds: 3600 };
    const signed = await upstream.authority.sign(request, never);
    await checkSignedCa(signed, request);
    const [own] = signed.chain.map((der) => parseCertificate(der));
    t.same(own?.uris, [], "a set's authority has no SPIFFE ID");
    const { name } = trustDomain;
    t.match(
      formatName(own?.subject ?? new Uint8Array()),
      `O=${name}, CN=${name} web, serialNumber=`,
    );
  }
  const { watch } = upstream;
  if (watch === undefined) return;
  const seen = await watch.look(never);
  t.ok(seen.x509Authorities.length > 0);
  t.ok(seen.x509Authorities.every(({ der }) => parseCertificate(der).basicConstraints?.ca));
}
