/** What every bundle publisher does, wherever it puts the bundle. */
import type { Test } from "tap";
import { generateKey } from "../../../src/keys/software-signer.ts";
import type { BundleFormat } from "../../../src/server/bundles/bundle-format.ts";
import type { BundlePublisher } from "../../../src/server/bundles/bundle-publisher.ts";
import { parseBundleDocument } from "../../../src/spiffe/bundle-document.ts";
import type { Bundle } from "../../../src/spiffe/bundle.ts";
import { decodePem } from "../../../src/x509/pem.ts";
import { TestCa } from "../../support/test-ca.ts";

export interface PublisherRig {
  /** One that writes to the place that `read` reads. */
  make(format: BundleFormat): BundlePublisher;
  /** What is there; `undefined`: nothing. */
  read(): Promise<string | undefined>;
  /** Somebody takes it away. */
  remove(): Promise<void>;
  /** From now on the place refuses; its words hold this secret, where there is one to be kept. */
  spoil(): Promise<{ readonly secret?: string }>;
}

export async function publisherConformance(
  t: Test,
  rigOf: (t: Test) => Promise<PublisherRig>,
): Promise<void> {
  const [first, second] = [await bundleOf(1), await bundleOf(2)];
  const never = new AbortController().signal;

  await t.test("each format, whole", async (t) => {
    const rig = await rigOf(t);
    await rig.make("spiffe").publish(first, never);
    const document = parseBundleDocument("example.org", (await rig.read()) ?? "");
    t.equal(document.sequence, 1);
    t.same(ders(document), ders(first));
    t.equal(document.jwtAuthorities[0]?.keyId, "key-1");
    await rig.make("pem").publish(first, never);
    const blocks = decodePem((await rig.read()) ?? "");
    t.same(
      blocks.map(({ label, der }) => [label, hex(der)]),
      ders(first).map((der) => ["CERTIFICATE", der]),
    );
    await rig.make("jwks").publish(first, never);
    const jwks = JSON.parse((await rig.read()) ?? "") as { keys: { kid: string; use?: string }[] };
    t.same(
      jwks.keys.map(({ kid, use }) => [kid, use]),
      [["key-1", undefined]],
    );
  });

  await t.test("another bundle replaces the first; the same one does no harm", async (t) => {
    const rig = await rigOf(t);
    const publisher = rig.make("spiffe");
    await publisher.publish(first, never);
    await publisher.publish(second, never);
    await publisher.publish(second, never);
    const document = parseBundleDocument("example.org", (await rig.read()) ?? "");
    t.same([document.sequence, ders(document)], [2, ders(second)]);
  });

  await t.test("what somebody took away is put back", async (t) => {
    const rig = await rigOf(t);
    const publisher = rig.make("pem");
    await publisher.publish(first, never);
    await rig.remove();
    t.equal(await rig.read(), undefined);
    await publisher.publish(first, never);
    t.ok(await rig.read());
  });

  await t.test("one that is stopped writes nothing", async (t) => {
    const rig = await rigOf(t);
    const stopped = AbortSignal.abort(new Error("stopped"));
    await t.rejects(rig.make("pem").publish(first, stopped), { message: "stopped" });
    t.equal(await rig.read(), undefined);
  });

  await t.test("a refusal names the place and no secret", async (t) => {
    const rig = await rigOf(t);
    const publisher = rig.make("pem");
    const { secret } = await rig.spoil();
    const thrown = await publisher.publish(first, never).then(
      () => undefined,
      (error: unknown) => error as Error & { kind: string },
    );
    t.equal(thrown?.kind, "unavailable");
    t.ok(thrown?.message.includes(publisher.name), thrown?.message ?? "nothing was thrown");
    if (secret !== undefined) t.notOk(thrown?.message.includes(secret));
  });
}

async function bundleOf(sequence: number): Promise<Bundle> {
  const ca = await TestCa.create();
  const { signer } = await generateKey("ec-p256");
  return {
    ...ca.bundle([
      { keyId: `key-${sequence}`, publicKey: signer.publicKey, expiresAt: 0, tainted: false },
    ]),
    sequence,
  };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

function ders({ x509Authorities }: Bundle): string[] {
  return x509Authorities.map(({ der }) => hex(der));
}
