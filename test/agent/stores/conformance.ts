/** What every SVID store does, whatever lies behind it. */
import { X509Certificate } from "node:crypto";
import type { Test } from "tap";
import type { Place, StoredSvid, SvidBackend } from "../../../src/agent/stores/contract.ts";
import { TestCa } from "../../support/test-ca.ts";

/** What lies at a place, as its consumers read it. */
export interface Lying {
  readonly chain: string;
  readonly key: string;
  readonly bundle: string;
  /** By trust domain name. */
  readonly federated: Readonly<Record<string, string>>;
}

export interface BackendRig {
  readonly backend: SvidBackend;
  /** A place that nothing lies at; another one for each number. */
  readonly place: (number: number) => Place;
  /** Reads past the backend. `undefined` when nothing lies there. */
  readonly read: (place: Place) => Promise<Lying | undefined>;
  /** Puts something there that is somebody else's, and says whether it is still as it was. */
  readonly plant?: (place: Place) => Promise<() => Promise<boolean>>;
  readonly badPlaces: readonly (readonly [Place, RegExp])[];
}

const never = new AbortController().signal;

export async function checkBackend(t: Test, rig: BackendRig): Promise<void> {
  const { backend, place, read, plant, badPlaces } = rig;
  const ca = await TestCa.create();
  const foreign = await TestCa.create({ trustDomain: "partner.example" });
  const svidOf = async (hint = ""): Promise<StoredSvid> => {
    const leaf = await ca.leaf();
    return {
      spiffeId: "spiffe://example.org/workload",
      hint,
      expiresAt: 1_900_000_000,
      chain: [leaf.der],
      key: leaf.pkcs8,
      bundle: [ca.der],
      federated: new Map([["partner.example", [foreign.der]]]),
    };
  };
  const isAt = async (where: Place, svid: StoredSvid): Promise<boolean> => {
    const lying = await read(where);
    if (lying === undefined) return false;
    const key = Buffer.from(svid.key).toString("base64").slice(0, 60);
    return (
      Buffer.compare(new X509Certificate(lying.chain).raw, svid.chain[0] ?? new Uint8Array()) ===
        0 &&
      lying.key.replaceAll("\n", "").includes(key) &&
      Buffer.compare(new X509Certificate(lying.bundle).raw, ca.der) === 0
    );
  };

  await t.test(`${backend.name}: put, put anew, removed, removed again`, async (t) => {
    const [first, second] = [await svidOf(), await svidOf("web")];
    backend.check(place(1));
    await backend.put(place(1), first, never);
    t.ok(await isAt(place(1), first), "what was put lies there");
    t.match((await read(place(1)))?.federated["partner.example"], /BEGIN CERTIFICATE/);
    await backend.put(place(2), second, never);
    const handle = await backend.put(place(1), second, never);
    t.ok(await isAt(place(1), second), "the next one takes its place");
    await backend.put(place(1), { ...second, federated: new Map() }, never);
    t.same((await read(place(1)))?.federated, {}, "what is no more goes");
    await backend.remove(place(1), handle, never);
    t.equal(await read(place(1)), undefined);
    t.ok(await isAt(place(2), second), "the other is still there");
    await backend.remove(place(1), handle, never);
    t.equal(await read(place(1)), undefined);
  });

  await t.test(`${backend.name}: an answer that never came leaves nothing behind`, async (t) => {
    await backend.put(place(3), await svidOf(), never);
    await backend.remove(place(3), undefined, never);
    t.equal(await read(place(3)), undefined);
    await backend.remove(place(4), undefined, never);
    t.equal(await read(place(4)), undefined);
  });

  await t.test(`${backend.name}: it comes again after it was removed, or taken away`, async (t) => {
    const svid = await svidOf();
    await backend.put(place(5), await svidOf(), never);
    await backend.remove(place(5), undefined, never);
    await backend.put(place(5), svid, never);
    t.ok(await isAt(place(5), svid));
  });

  if (plant !== undefined) {
    await t.test(`${backend.name}: what is somebody else's stays`, async (t) => {
      const isAsItWas = await plant(place(6));
      await t.rejects(backend.put(place(6), await svidOf(), never), {
        kind: /conflict|precondition/,
        message: /./,
      });
      t.ok(await isAsItWas());
      await backend.remove(place(6), "0c0ffee0-0000-4000-8000-000000000000", never);
      t.ok(await isAsItWas());
    });
  }

  await t.test(`${backend.name}: places that cannot be`, async (t) => {
    for (const [bad, message] of badPlaces) {
      const name = JSON.stringify([...bad]);
      t.throws(() => backend.check(bad), { message }, name);
      await t.rejects(async () => backend.put(bad, await svidOf(), never), { message }, name);
      await t.rejects(async () => backend.remove(bad, undefined, never), { message }, name);
    }
    t.ok(badPlaces.length > 3);
  });

  await t.test(`${backend.name}: two at once are one after the other`, async (t) => {
    const both = [await svidOf(), await svidOf()];
    const outcomes = await Promise.allSettled(
      both.map((svid) => backend.put(place(7), svid, never)),
    );
    t.ok(
      outcomes.some(({ status }) => status === "fulfilled"),
      "one at least is put",
    );
    const lying = await Promise.all(both.map((svid) => isAt(place(7), svid)));
    t.equal(lying.filter(Boolean).length, 1, "and lies there whole");
  });
}
