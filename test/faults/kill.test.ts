/** `kill -9` of server and agent at random moments, and whether everything that was promised is so afterwards. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import t from "tap";
import { errorFrom, isKind } from "../../src/base/errors.ts";
import { generateKey } from "../../src/keys/software-signer.ts";
import type { BatchCreateEntryResponse__Output } from "../../src/rpc/gen/spire/api/server/entry/v1/BatchCreateEntryResponse.ts";
import type { BatchDeleteEntryResponse__Output } from "../../src/rpc/gen/spire/api/server/entry/v1/BatchDeleteEntryResponse.ts";
import type { BatchUpdateEntryResponse__Output } from "../../src/rpc/gen/spire/api/server/entry/v1/BatchUpdateEntryResponse.ts";
import type { ListEntriesResponse__Output } from "../../src/rpc/gen/spire/api/server/entry/v1/ListEntriesResponse.ts";
import type { MintX509SVIDResponse__Output } from "../../src/rpc/gen/spire/api/server/svid/v1/MintX509SVIDResponse.ts";
import { parseCertificate } from "../../src/x509/certificate.ts";
import { createCsr } from "../../src/x509/csr.ts";
import {
  FaultHistory,
  type ListedAuthorities,
  type ListedEntry,
  auditRecords,
} from "../support/fault-history.ts";
import { FaultRig, OWN_SELECTOR, entryDraft, pause, within } from "../support/fault-rig.ts";
import { until, untilDone } from "../support/patience.ts";
import { ForcedRotation } from "../support/forced-rotation.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { StreamWatch } from "../support/stream-watch.ts";

const ASSAY = join(import.meta.dirname, "../../bin/assay");
const ROUNDS = Number(process.env["FAULTS_ROUNDS"] ?? 20);
const SEED = process.env["FAULTS_SEED"] ?? "1";
/** Acknowledged ones that are there at a time. */
const MAX_ENTRIES = 1000;
const ENTRY = "entry.v1.Entry";

/** The callers: each goes on until told to stop, through any number of failures that a caller may come back after. */
class Load implements AsyncDisposable {
  readonly #rig: FaultRig;
  readonly #history: FaultHistory;
  readonly #deletable: { path: string; id: string }[] = [];
  readonly #done: Promise<unknown>;
  #stopping = false;
  #givingUp = false;
  #count = 0;
  failures = 0;

  constructor(rig: FaultRig, history: FaultHistory, watch: StreamWatch, agentSeconds: number) {
    this.#rig = rig;
    this.#history = history;
    const shared = { rig, history, revokeAfter: agentSeconds + 5 };
    // An agent must know the authority of the server's own certificate; a JWT key it asks for when it needs it.
    const isSeen = (id: string): boolean => watch.x509Authorities.has(id);
    const x509 = new ForcedRotation({ ...shared, kind: "X509", isSeen });
    const jwt = new ForcedRotation({ ...shared, kind: "JWT", isSeen: () => true });
    this.#done = Promise.all([
      this.#repeat(20, () => this.#create()),
      this.#repeat(20, () => this.#create()),
      this.#repeat(30, () => this.#change()),
      this.#repeat(50, () => this.#spendToken()),
      this.#repeat(50, () => this.#spendToken()),
      this.#repeat(20, () => this.#mint()),
      this.#repeat(2500, () => x509.step()),
      this.#repeat(1500, () => jwt.step()),
      this.#repeat(100, () => this.#readBundle()),
    ]);
  }

  /** Waits for the answers that are still to come. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#done;
  }

  /** Waits for nothing: the server may be gone for good. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#givingUp = true;
    return Promise.resolve();
  }

  async #repeat(everyMs: number, work: () => Promise<void>): Promise<void> {
    while (!this.#stopping) {
      try {
        await work();
      } catch (thrown) {
        this.#failed(thrown);
        await pause(100);
      }
      await pause(everyMs);
    }
  }

  /** What a dying server may answer with; anything else is a finding. */
  #failed(thrown: unknown): void {
    this.failures += 1;
    if (isKind(thrown, "unavailable", "deadline", "limited")) return;
    const { kind, message } = errorFrom(thrown);
    this.#history.wrong.push(`a caller was told '${kind}: ${message}'`);
  }

  async #create(): Promise<void> {
    if (this.#deletable.length > MAX_ENTRIES) return this.#delete(this.#deletable.splice(0, 6));
    const paths = Array.from({ length: 3 }, () => `/e/${(this.#count += 1)}`);
    const histories = paths.map((path) => this.#history.asked(path));
    // Each tenth is this process's own, so that the agent has SVIDs to make.
    const selector = this.#count % 30 === 0 ? OWN_SELECTOR : "unix:uid:4242421";
    const { results } = await this.#rig.call<BatchCreateEntryResponse__Output>(
      ENTRY,
      "BatchCreateEntry",
      { entries: paths.map((path) => entryDraft(path, selector)) },
    );
    paths.forEach((path, index) => {
      const id = results[index]?.entry?.id;
      const history = histories[index];
      if (results[index]?.status?.code !== 0 || id === undefined || history === undefined) return;
      history.id = id;
      this.#deletable.push({ path, id });
    });
  }

  async #delete(chosen: readonly { path: string; id: string }[]): Promise<void> {
    const histories = chosen.map(({ path }) => this.#history.entries.get(path));
    for (const history of histories) if (history !== undefined) history.deleteAsked = true;
    const { results } = await this.#rig.call<BatchDeleteEntryResponse__Output>(
      ENTRY,
      "BatchDeleteEntry",
      { ids: chosen.map(({ id }) => id) },
    );
    histories.forEach((history, index) => {
      if (history !== undefined) history.deleted = results[index]?.status?.code === 0;
    });
  }

  async #change(): Promise<void> {
    const chosen = this.#deletable.shift();
    if (chosen === undefined) return;
    const { path, id } = chosen;
    const history = this.#history.entries.get(path);
    if (history === undefined) return;
    if (Number(path.slice(3)) % 3 === 0) return this.#delete([chosen]);
    const hint = history.hint + 1;
    const { results } = await this.#rig.call<BatchUpdateEntryResponse__Output>(
      ENTRY,
      "BatchUpdateEntry",
      { entries: [{ id, hint: String(hint) }], input_mask: { hint: true } },
    );
    if (results[0]?.status?.code === 0) history.hint = hint;
    this.#deletable.push(chosen);
  }

  /** Two keys race for one token until each has its answer; then the winner asks again, its reply may have been lost. */
  async #spendToken(): Promise<void> {
    const token = await this.#rig.token();
    this.#history.tokenMade(token);
    const keys = await Promise.all([generateKey("ec-p256"), generateKey("ec-p256")]);
    const wins = await Promise.all(keys.map(({ signer }) => this.#attest(token, signer)));
    for (const [index, { signer }] of keys.entries()) {
      if (wins[index] === true) await this.#attest(token, signer);
    }
  }

  async #attest(token: string, signer: Parameters<FaultRig["attest"]>[1]): Promise<boolean> {
    for (;;) {
      try {
        const leaf = parseCertificate(await this.#rig.attest(token, signer));
        this.#history.tokenGave(token, leaf.publicKey, leaf.uris[0] ?? "");
        this.#history.certificates.set(leaf.serial, "attested");
        return true;
      } catch (thrown) {
        if (isKind(thrown, "invalid")) return false;
        this.#failed(thrown);
        if (this.#givingUp) throw thrown;
        await pause(100);
      }
    }
  }

  async #mint(): Promise<void> {
    const path = `/minted/${(this.#count += 1)}`;
    const { signer } = await generateKey("ec-p256");
    const csr = await createCsr({ uris: [`spiffe://example.org${path}`], signer });
    const { svid } = await this.#rig.call<MintX509SVIDResponse__Output>(
      "svid.v1.SVID",
      "MintX509SVID",
      { csr, ttl: 10 },
    );
    const der = svid?.cert_chain[0];
    if (der !== undefined) {
      this.#history.certificates.set(parseCertificate(new Uint8Array(der)).serial, "minted");
    }
    await this.#rig.call("svid.v1.SVID", "MintJWTSVID", {
      id: { trust_domain: "example.org", path },
      audience: ["a"],
      ttl: 10,
    });
    this.#history.minted.add(`spiffe://example.org${path}`);
  }

  async #readBundle(): Promise<void> {
    this.#history.bundleSeen(Number((await this.#rig.bundle()).sequence_number));
    await this.#rig.roots();
  }
}

async function listEntries(rig: FaultRig): Promise<ListedEntry[]> {
  const found: ListedEntry[] = [];
  for (let token = ""; ; ) {
    const page = await rig.call<ListEntriesResponse__Output>(ENTRY, "ListEntries", {
      page_size: 500,
      page_token: token,
    });
    for (const { id, spiffe_id, hint } of page.entries) {
      found.push({ id, path: spiffe_id?.path ?? "", hint });
    }
    token = page.next_page_token;
    if (token === "") return found;
  }
}

async function listAuthorities(rig: FaultRig): Promise<ListedAuthorities> {
  const { x509_authorities, jwt_authorities } = await rig.bundle();
  return new Map([
    ...x509_authorities.map(({ asn1, tainted }): [string, { tainted: boolean }] => [
      parseCertificate(new Uint8Array(asn1)).subjectKeyId ?? "",
      { tainted },
    ]),
    ...jwt_authorities.map(({ key_id, tainted }): [string, { tainted: boolean }] => [
      key_id,
      { tainted },
    ]),
  ]);
}

async function secondsOfStart(): Promise<number> {
  const before = performance.now();
  await using _ = await FaultRig.start();
  return (performance.now() - before) / 1000;
}

/** Seconds that the agent's own SVID, as it is on disk, has left. */
function svidReserve(rig: FaultRig): number {
  const { svid } = JSON.parse(readFileSync(join(rig.agentData, "identity.json"), "utf8")) as {
    readonly svid?: { readonly chain: readonly string[] };
  };
  const leaf = parseCertificate(Buffer.from(svid?.chain[0] ?? "", "base64"));
  return leaf.notAfter - Date.now() / 1000;
}

/** @throws unless the agent knows all authorities and has an SVID of its own for a while */
async function isSettled(rig: FaultRig, watch: StreamWatch, seconds: number): Promise<void> {
  const { x509_authorities } = await rig.bundle();
  const unknown = x509_authorities
    .map(({ asn1 }) => parseCertificate(new Uint8Array(asn1)).subjectKeyId ?? "")
    .filter((id) => !watch.x509Authorities.has(id));
  if (unknown.length > 0) throw new Error(`it does not know ${unknown.join(", ")}`);
  if (svidReserve(rig) < seconds) throw new Error("its SVID was not renewed");
}

t.test(`${ROUNDS} kills of server and agent, seed ${SEED}`, async (t) => {
  const random = new SeededRandom(SEED);
  // An SVID of the agent's own must live through a few starts: on a machine that is busy those take long.
  // In the long form it may become busy only later.
  const leastSeconds = ROUNDS > 100 ? 60 : 25;
  const agentSeconds = Math.max(leastSeconds, Math.ceil(15 * (await secondsOfStart())));
  await using rig = await FaultRig.start({
    server: {
      options: [
        `--ca-ttl=${Math.ceil(agentSeconds * 2.4)}s`,
        "--x509-ttl=10s",
        "--jwt-ttl=10s",
        `--agent-ttl=${agentSeconds}s`,
        "--log-level=warn",
      ],
    },
    agent: { options: ["--log-level=warn"] },
  });
  const history = new FaultHistory();
  history.asked("/watched").id = await rig.entry("/watched");
  await using watch = new StreamWatch(rig.socket);
  await using load = new Load(rig, history, watch, agentSeconds);

  const kills = { server: 0, agent: 0 };
  const dead = (): void => {
    for (const [name, { running, log }] of Object.entries({
      agent: rig.agent,
      server: rig.server,
    })) {
      if (!running)
        history.wrong.push(`the ${name} ended by itself; its log:\n${log.slice(-3000)}`);
    }
  };
  // What a server that is killed now may be away for, by the slowest of the last starts: the SVID has to live longer.
  const startSeconds: number[] = [];
  const timed = async (start: Promise<void>): Promise<void> => {
    const before = performance.now();
    await start;
    startSeconds.push((performance.now() - before) / 1000);
  };
  const reserve = (): number =>
    Math.min(
      0.45 * agentSeconds,
      Math.max(0.35 * agentSeconds, 3 * Math.max(...startSeconds.slice(-10))),
    );
  let settledAt = performance.now();
  for (let killed = 0; killed < ROUNDS; ) {
    await pause(200 + random.unit() * 2300);
    // Nothing may be out of date for longer than an authority is published before it signs, or an SVID lives.
    if (performance.now() - settledAt > agentSeconds * 200 || svidReserve(rig) < reserve()) {
      await untilDone("an agent that is left alone is up to date", async () =>
        rig.agent.running ? isSettled(rig, watch, reserve()) : undefined,
      ).catch((error: unknown) => {
        t.comment(watch.ends, watch.fatal, rig.agent.log.slice(-3000));
        throw error;
      });
      settledAt = performance.now();
    }
    dead();
    if (history.wrong.length > 0) break;
    const choice = random.unit();
    const hitServer = choice < 0.6;
    const hitAgent = choice >= 0.45;
    await Promise.all([hitServer && rig.server.end(), hitAgent && rig.agent.end()]);
    killed += Number(hitServer) + Number(hitAgent);
    await pause(random.unit() * 500);
    const starts: (() => Promise<void>)[] = [];
    if (hitServer) {
      kills.server += 1;
      if (random.unit() < 0.3 && killed < ROUNDS) {
        // In the middle of its start.
        rig.spawnServer();
        await pause(random.unit() * 700);
        await rig.server.end();
        killed += 1;
        kills.server += 1;
      }
      starts.push(() => timed(rig.startServer()));
    }
    if (hitAgent) {
      kills.agent += 1;
      starts.push(() => timed(rig.startAgent()));
    }
    if (random.unit() < 0.5) starts.reverse();
    await Promise.all(starts.map((start) => start()));
    if ((killed + 1) % 50 < 2) t.comment(`${killed} kills`, history.counts, watch.ends);
  }
  await until("the callers were at work, and authorities rotated", () => {
    const { created = 0, tokens = 0, certificates = 0, bundle = 0, ...steps } = history.counts;
    const { activated = 0, tainted = 0 } = steps;
    const wereAtWork = Math.min(created, tokens, certificates) > ROUNDS;
    return wereAtWork && bundle > 4 && activated > 2 && tainted > 1;
  });
  await within("the callers' last answers", load.stop());
  dead();

  t.comment("seconds of an agent's SVID", agentSeconds);
  t.comment("kills", kills, "acknowledged", history.counts, "caller failures", load.failures);
  t.comment("streams", watch.messages, "messages; ends", watch.ends);
  const listed = await listEntries(rig);
  const own = [...watch.serials].filter(([, id]) => id !== "");
  for (const [serial, id] of own) history.certificates.set(serial, id);
  t.same(
    history.check(
      listed.filter(({ path }) => path !== "/host"),
      await listAuthorities(rig),
      auditRecords(rig.serverData),
    ),
    [],
  );
  t.same(watch.fatal, [], "no stream ended so that a client would stop for good");
  t.same(watch.expired, [], "no expired SVID was handed out");
  t.same(watch.unpublished, [], "none without its authority");
  await untilDone("the SVIDs of tainted authorities are replaced", () => {
    const left = watch.latest.filter(({ leaf }) => history.isTainted(leaf.authorityKeyId ?? ""));
    if (left.length > 0) throw new Error(left.map(({ id }) => id).join(", "));
    return Promise.resolve();
  });

  const [serial = ""] = own[0] ?? [];
  const { stdout } = await promisify(execFile)(ASSAY, [
    "audit",
    "find",
    "--serial",
    serial,
    "--socket",
    rig.adminSocket,
    "--output",
    "json",
  ]);
  t.match(JSON.parse(stdout), { kind: "issuance", subject: { serial } }, "audit find finds it");

  await rig.entry("/afterwards");
  await untilDone("a stream shows what comes next", () => {
    if (watch.ids.includes("spiffe://example.org/afterwards")) return Promise.resolve();
    throw new Error(`it shows ${watch.ids.length} others; agent:\n${rig.agent.log.slice(-3000)}`);
  });
});
