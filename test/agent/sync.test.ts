import t from "tap";
import type { Entry } from "../../src/agent/cache/entry.ts";
import type { HeldSvid } from "../../src/agent/cache/svid-store.ts";
import type { Synced } from "../../src/agent/cache/cache.ts";
import { entryFromMessage } from "../../src/agent/server-client/messages.ts";
import type { SignedSvid } from "../../src/agent/server-client/server-signer.ts";
import { SvidMaker } from "../../src/agent/sync/svid-maker.ts";
import { Sync, type SyncSource } from "../../src/agent/sync/sync.ts";
import { type AssayError, fail } from "../../src/base/errors.ts";
import type { Signer } from "../../src/keys/contract.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import { type Logger, silentLogger } from "../../src/observe/logger.ts";
import type { Bundle__Output } from "../../src/rpc/gen/spire/api/types/Bundle.ts";
import { parseCsr } from "../../src/x509/csr.ts";
import { distinguishedName } from "../../src/x509/names.ts";
import { signLeaf } from "../../src/x509/sign.ts";
import { VirtualClock, settle } from "../support/virtual-clock.ts";
import { entryMessage } from "./entry-message.ts";

const never = new AbortController().signal;

const random = { bytes: (n: number) => new Uint8Array(n), unit: () => 0 };

/** A server that answers what the test says. */
class Source implements SyncSource {
  entries = new Map<string, Entry>();
  own = bundleMessage("example.org");
  readonly foreign = new Map<string, Bundle__Output | Error>();
  failure: Error | undefined;
  rounds = 0;

  readonly generation = 0;
  connected = true;
  back = Promise.withResolvers<void>();

  async connect(signal: AbortSignal): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    await Promise.race([this.back.promise, promise]);
  }

  follow(): Promise<never> {
    return Promise.reject(fail("unsupported", "no such service"));
  }

  fetchEntries() {
    this.rounds += 1;
    return this.failure === undefined
      ? Promise.resolve(this.entries)
      : Promise.reject(this.failure);
  }

  fetchBundle() {
    return Promise.resolve(this.own);
  }

  fetchForeignBundle(trustDomain: string) {
    const answer = this.foreign.get(trustDomain) ?? fail("not_found", "no such bundle");
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }
}

function bundleMessage(trust_domain: string, sequence = "1"): Bundle__Output {
  return {
    trust_domain,
    x509_authorities: [],
    jwt_authorities: [],
    refresh_hint: sequence,
    sequence_number: sequence,
    wit_authorities: [],
  };
}

t.test("the sync loop: on time, woken, backing off, each foreign bundle on its own", async (t) => {
  const clock = new VirtualClock();
  const source = new Source();
  const synced: Synced[] = [];
  const warned: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (text) => void warned.push(text) };
  const one = entryFromMessage(
    entryMessage("a", { federates_with: ["y.org", "z.org", "example.org"] }),
  );
  source.entries = new Map([["a", one]]);
  source.foreign.set("y.org", bundleMessage("y.org"));
  source.foreign.set("z.org", fail("unavailable", "away"));
  await using sync = new Sync({
    trustDomain: "example.org",
    source,
    clock,
    random,
    logger,
    intervalMs: 5000,
    onSynced: (result) => {
      synced.push(result);
      return Promise.resolve();
    },
  });
  await settle();
  t.equal(synced.length, 1);
  t.same([...(synced[0]?.foreign.keys() ?? [])], ["y.org"]);
  t.equal(warned.length, 1);
  await clock.advance(5000);
  t.equal(synced.length, 2);
  t.equal(synced[1]?.own, synced[0]?.own, "an unchanged bundle is the same object");
  t.equal(synced[1]?.foreign.get("y.org"), synced[0]?.foreign.get("y.org"));
  source.foreign.set("z.org", bundleMessage("z.org"));
  source.foreign.set("y.org", fail("unavailable", "away"));
  sync.wake();
  await settle();
  t.equal(synced.length, 3, "woken");
  t.same([...(synced[2]?.foreign.keys() ?? [])].sort(), ["y.org", "z.org"], "what was held stays");
  source.foreign.set("y.org", fail("not_found", "deleted"));
  source.own = bundleMessage("example.org", "2");
  sync.wake();
  await settle();
  t.same([...(synced[3]?.foreign.keys() ?? [])], ["z.org"], "deleted is deleted");
  t.ok(synced[3]?.own !== synced[2]?.own);

  source.failure = fail("unavailable", "down");
  source.rounds = 0;
  await clock.advance(5000 + 1000 + 2000 + 4000 + 8000 + 16_000 + 32_000);
  t.equal(source.rounds, 7, "waits twice as long each time");
  await clock.advance(64_000 + 120_000);
  t.equal(source.rounds, 9);
  await clock.advance(120_000);
  t.equal(source.rounds, 10, "but never longer than two minutes");
  source.failure = undefined;
  await clock.advance(120_000);
  t.equal(synced.length, 5);
  await clock.advance(5000);
  t.equal(synced.length, 6, "back to the interval");
  sync.changeInterval(60_000);
  await settle();
  t.equal(synced.length, 7, "asks at once, should it have waited for long");
  await clock.advance(50_000);
  t.equal(synced.length, 7);
  await clock.advance(10_000);
  t.equal(synced.length, 8);
});

t.test("the sync loop: a connection that is back ends the wait", async (t) => {
  const clock = new VirtualClock();
  const source = new Source();
  let back = 0;
  await using _ = new Sync({
    trustDomain: "example.org",
    source,
    clock,
    random,
    logger: silentLogger,
    intervalMs: 5000,
    onSynced: () => Promise.resolve(),
    onBack: () => void (back += 1),
  });
  await settle();
  source.failure = fail("unavailable", "down");
  source.connected = false;
  await clock.advance(5000 + 1000 + 2000 + 4000 + 8000 + 16_000 + 32_000);
  source.rounds = 0;
  await clock.advance(20_000);
  t.equal(source.rounds, 0, "the next one is 64 s away");
  source.connected = true;
  source.back.resolve();
  await settle();
  t.equal(source.rounds, 1, "the server is asked at once");
  t.equal(back, 0);
  await clock.advance(120_000);
  t.equal(source.rounds, 2, "a server that is there and fails is left in peace");

  source.connected = false;
  source.back = Promise.withResolvers();
  await clock.advance(120_000);
  t.equal(source.rounds, 3);
  source.connected = true;
  source.back.resolve();
  source.failure = undefined;
  await clock.advance(4999);
  t.equal(source.rounds, 3, "connections that come and go do not make it a storm");
  await clock.advance(1);
  t.equal(source.rounds, 4);
  t.equal(back, 1, "and it is told");
  await clock.advance(5000);
  t.equal(source.rounds, 5, "back to the interval");
  t.equal(back, 1);
});

/** Signs whatever it is asked to, or what the test wants instead. */
class SignerStub {
  readonly batches: number[] = [];
  readonly ca: Signer;
  readonly clock: VirtualClock;
  change: (entryId: string) => Partial<{
    uri: string;
    key: Uint8Array;
    notBefore: number;
    notAfter: number;
    refuse: AssayError;
  }> = () => ({});
  failure: (size: number, ids: string[]) => Error | undefined = () => undefined;

  constructor(ca: Signer, clock: VirtualClock) {
    this.ca = ca;
    this.clock = clock;
  }

  async signX509Svids(
    requests: readonly { entryId: string; csr: Uint8Array }[],
  ): Promise<SignedSvid[]> {
    this.batches.push(requests.length);
    const failure = this.failure(
      requests.length,
      requests.map(({ entryId }) => entryId),
    );
    if (failure !== undefined) throw failure;
    const now = this.clock.nowMs() / 1000;
    return Promise.all(
      requests.map(async ({ entryId, csr }) => {
        const change = this.change(entryId);
        if (change.refuse !== undefined) return { error: change.refuse };
        const name = distinguishedName([{ type: "O", value: "CA" }]);
        const chain = [
          await signLeaf(
            {
              serial: Uint8Array.of(1),
              issuer: name,
              authorityKeyId: Uint8Array.of(0xab),
              subject: name,
              notBefore: change.notBefore ?? now - 10,
              notAfter: change.notAfter ?? now + 3600,
              publicKey: change.key ?? parseCsr(csr).publicKey,
              uri: change.uri ?? `spiffe://example.org/${entryId}`,
              dnsNames: [],
            },
            this.ca,
          ),
        ];
        return { chain };
      }),
    );
  }
}

t.test(
  "SVIDs: in batches, checked, with a key of their own each, renewed at half life",
  async (t) => {
    const clock = new VirtualClock();
    const signer = new SignerStub((await generateKey("ec-p256")).signer, clock);
    const made: HeldSvid[] = [];
    const failed: string[] = [];
    const maker = new SvidMaker({
      signer,
      keyType: "ec-p256",
      clock,
      random,
      logger: silentLogger,
      onMade: (some, lost) => {
        made.push(...some);
        failed.push(...lost.map(({ id }) => id));
      },
    });
    const entries = (count: number): Entry[] =>
      Array.from({ length: count }, (_, i) => entryFromMessage(entryMessage(`e${i}`)));
    await maker.make(entries(2), never);
    t.same(
      made.map(({ spiffeId }) => spiffeId),
      ["spiffe://example.org/e0", "spiffe://example.org/e1"],
    );
    t.ok(!Buffer.from(made[0]?.key ?? []).equals(made[1]?.key ?? new Uint8Array()));
    const [first] = made;
    t.equal(first?.authorityId, "ab");
    t.equal(first?.expiresAt, clock.nowMs() / 1000 + 3600);
    t.equal(first?.renewAtMs, clock.nowMs() + 3600_000 - 0.9 * 1800_000);

    made.splice(0);
    const { signer: other } = await generateKey("ec-p256");
    signer.change = (id) =>
      ({
        e0: { uri: "spiffe://example.org/somebody-else" },
        e1: { key: other.publicKey },
        e2: { notAfter: clock.nowMs() / 1000 },
        e3: { refuse: fail("denied", "no") },
        e4: { notBefore: clock.nowMs() / 1000 + 301 },
      })[id] ?? {};
    await maker.make(entries(6), never);
    t.same(
      failed.splice(0),
      ["e0", "e1", "e2", "e3", "e4"],
      "nothing is handed on that was not asked for",
    );
    t.same(
      made.splice(0).map(({ entryId }) => entryId),
      ["e5"],
    );

    signer.change = () => ({});
    signer.batches.splice(0);
    await maker.make(entries(501), never);
    t.same(signer.batches.splice(0), [500, 1]);

    // One entry spoils each batch it is in: halving finds it, and only it fails.
    signer.failure = (_, ids) => (ids.includes("e5") ? fail("invalid", "spoiled") : undefined);
    made.splice(0);
    let todo = entries(8);
    for (let round = 0; round < 20 && todo.length > 0; round++) {
      await maker.make(todo, never).catch(() => undefined);
      const done = new Set([...made.map(({ entryId }) => entryId), ...failed]);
      todo = todo.filter(({ id }) => !done.has(id));
    }
    t.same(failed, ["e5"]);
    t.equal(made.length, 7);

    signer.failure = () => fail("unavailable", "away");
    await t.rejects(maker.make(entries(1), never), { name: "AssayError", kind: "unavailable" });
    t.same(failed, ["e5"], "a server that is away is no entry's fault");
    const stopped = new AbortController();
    stopped.abort(new Error("stop"));
    await t.rejects(maker.make(entries(1), stopped.signal), /stop/);
  },
);
