/** The `token` attestor against a real issuer: whom a token binds to, and what is said when it cannot be checked. */
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t, { type Test } from "tap";
import { Attestation } from "../../src/agent/attestation/attestation.ts";
import { type Peer, openPeer } from "../../src/agent/peer/peer.ts";
import type { PresentedToken, ProcessFacts, SelectorGap } from "../../src/attestors/contract.ts";
import { OidcIssuer } from "../../src/attestors/issuer/issuer.ts";
import { OidcIssuers } from "../../src/attestors/issuer/issuers.ts";
import { ContainerLookup } from "../../src/attestors/workload/container/container-lookup.ts";
import type { K8sAttestor } from "../../src/attestors/workload/kubernetes/attest.ts";
import { tokenAttestor } from "../../src/attestors/workload/token/attest.ts";
import { bearerToken } from "../../src/attestors/workload/token/bearer.ts";
import { TokenHolders } from "../../src/attestors/workload/token/holders.ts";
import { OneTimeTokens } from "../../src/attestors/workload/token/one-time.ts";
import type { TokenReviews } from "../../src/attestors/workload/token/reviews.ts";
import { silentLogger } from "../../src/observe/logger.ts";
import { fail } from "../../src/base/errors.ts";
import { formatSelector, parseSelector } from "../../src/spiffe/selector.ts";
import { attestCall } from "../support/attest-call.ts";
import { end, temporaryFolder } from "../support/caller.ts";
import { TestIssuer } from "../support/oidc-issuer.ts";
import { refused } from "../support/refused.ts";
import { VirtualClock } from "../support/virtual-clock.ts";
import { workloadAttestorConformance } from "./workload-conformance.ts";

const AUDIENCE = "spiffe://example.org";
const POD = "11111111-2222-3333-4444-555555555555";
const OTHER_POD = "99999999-2222-3333-4444-555555555555";
const never = new AbortController().signal;

function podCgroup(podUid: string, container: string): string {
  return `0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${podUid.replaceAll("-", "_")}.slice/cri-containerd-${container.repeat(64)}.scope\n`;
}

interface Bench {
  readonly issuer: TestIssuer;
  readonly clock: VirtualClock;
  readonly attestor: ReturnType<typeof tokenAttestor>;
  readonly attestation: Attestation;
  /** Puts a process into a cgroup. */
  put(pid: number, cgroup: string): void;
  token(claims?: Record<string, unknown>): string;
}

interface More {
  readonly holders?: TokenHolders;
  readonly podIssuers?: ReadonlySet<string>;
  readonly reviews?: ReadonlyMap<string, Pick<TokenReviews, "check">>;
  readonly pods?: Pick<K8sAttestor, "selectorsOfPod">;
}

async function open(t: Test, more: More = {}): Promise<Bench> {
  const issuer = await TestIssuer.start();
  t.teardown(() => issuer[Symbol.asyncDispose]());
  const clock = new VirtualClock(Date.now());
  const procDir = temporaryFolder(t);
  const put = (pid: number | "self", cgroup: string): void => {
    mkdirSync(join(procDir, String(pid)), { recursive: true });
    writeFileSync(join(procDir, String(pid), "cgroup"), cgroup);
  };
  put("self", "0::/system.slice/assay.service\n");
  put(process.pid, "0::/system.slice/web.service\n");
  const issuers = new OidcIssuers([
    OidcIssuer.of({
      alias: "kube",
      issuerUrl: issuer.url,
      caFile: issuer.caFile,
      audiences: [AUDIENCE],
      clock,
    }),
  ]);
  t.teardown(() => issuers[Symbol.asyncDispose]());
  const attestor = tokenAttestor({
    issuers,
    requiredClaims: new Map([["kube", new Map([["tier", ["1", "2"]]])]]),
    aliases: ["kube"],
    containers: new ContainerLookup({ procDir }),
    clock,
    ...more,
  });
  return {
    issuer,
    clock,
    attestor,
    attestation: new Attestation({ attestors: [attestor], clock, logger: silentLogger }),
    put,
    token: (claims = {}) => issuer.token({ claims: { aud: AUDIENCE, tier: 1, ...claims } }),
  };
}

function podClaims(uid: string, name = "web-0"): Record<string, unknown> {
  return { "kubernetes.io": { namespace: "prod", pod: { name, uid } } };
}

/** A process that does nothing. */
function idle(t: Test): { readonly pid: number; readonly peer: Peer } {
  const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], {
    stdio: ["pipe", "ignore", "inherit"],
  });
  const pid = child.pid ?? 0;
  const peer = openPeer(pid);
  t.teardown(async () => {
    peer.release();
    await end(child);
  });
  return { pid, peer };
}

async function found({ attestation }: Bench, peer: Peer, token: string): Promise<string[]> {
  const selectors = await attestation.attest(peer, { signal: never }, token);
  const { refusal } = attestation.notesOn(selectors);
  if (refusal !== undefined) throw refusal;
  return selectors.map(formatSelector);
}

/** A caller without a PID here. */
function foreign(uid = 1000): Peer & { close(): void } {
  let open = true;
  return {
    pid: 0,
    uid,
    gid: 1000,
    pidfd: undefined,
    isForeign: true,
    read() {
      throw new TypeError("nothing can be read of it");
    },
    alive: () => open,
    release: () => undefined,
    close() {
      open = false;
    },
  };
}

await workloadAttestorConformance(t, async () => {
  const bench = await open(t);
  const subject: ProcessFacts = { pid: process.pid, uid: 0, gid: 0, groups: [] };
  const token: PresentedToken = {
    token: bench.token(),
    connection: { alive: () => true },
    process: () => "1 1",
    onEnd: () => undefined,
  };
  return { attestor: bench.attestor, subject, token };
});

t.test("the claims are selectors, nested ones by their path", async (t) => {
  const bench = await open(t);
  const { pid, peer } = idle(t);
  bench.put(pid, podCgroup(POD, "a"));
  const selectors = await found(
    bench,
    peer,
    bench.token({ ...podClaims(POD), sub: "s", admin: true, groups: ["a", "b"], iat: undefined }),
  );
  t.same(selectors.sort(), [
    `token:kube:admin:true`,
    `token:kube:aud:${AUDIENCE}`,
    "token:kube:groups:a",
    "token:kube:groups:b",
    "token:kube:kubernetes.io/namespace:prod",
    "token:kube:kubernetes.io/pod/name:web-0",
    `token:kube:kubernetes.io/pod/uid:${POD}`,
    "token:kube:sub:s",
    "token:kube:tier:1",
  ]);
});

t.test("a pod's token counts in that pod alone, for each of its processes", async (t) => {
  const bench = await open(t);
  const [web, sidecar, other, host] = [idle(t), idle(t), idle(t), idle(t)];
  bench.put(web.pid, podCgroup(POD, "a"));
  bench.put(sidecar.pid, podCgroup(POD, "b"));
  bench.put(other.pid, podCgroup(OTHER_POD, "c"));
  bench.put(host.pid, "0::/system.slice/cron.service\n");
  const token = bench.token(podClaims(POD));
  const wrong = { kind: "unauthenticated", message: /^token is of another pod than/ } as const;
  await refused(t, found(bench, other.peer, token), wrong, "first");
  t.ok((await found(bench, web.peer, token)).length > 0, "which binds nothing");
  t.ok((await found(bench, sidecar.peer, token)).length > 0);
  await refused(t, found(bench, other.peer, token), wrong, "later");
  await refused(t, found(bench, host.peer, token), { message: /the calling process is in no pod/ });
  await refused(t, found(bench, foreign(), token), { message: /shown by another process before/ });
  for (const pod of [{ name: "web-0" }, { uid: [POD] }, { uid: "" }, null, POD, []]) {
    const odd = bench.token({ "kubernetes.io": { pod } });
    for (const peer of [web.peer, host.peer, foreign()]) {
      await refused(t, found(bench, peer, odd), { message: /^token names a pod without its uid$/ });
    }
  }
});

t.test("a token that names no pod counts for the process that shows it first", async (t) => {
  const bench = await open(t);
  const [owner, thief] = [idle(t), idle(t)];
  const token = bench.token();
  t.ok((await found(bench, owner.peer, token)).length > 0);
  const stolen = {
    kind: "unauthenticated",
    message: /^token was shown by another process before/,
  } as const;
  await refused(t, found(bench, thief.peer, token), stolen);
  await refused(t, found(bench, foreign(), token), stolen);
  // The second way to write an ECDSA signature is no second token.
  const [head = "", body = "", signature = ""] = token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  const n = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const s = n - BigInt(`0x${bytes.subarray(32).toString("hex")}`);
  const other = Buffer.concat([
    bytes.subarray(0, 32),
    Buffer.from(s.toString(16).padStart(64, "0"), "hex"),
  ]);
  const twin = `${head}.${body}.${other.toString("base64url")}`;
  await refused(t, found(bench, thief.peer, twin), stolen, "its twin");
  const again = openPeer(owner.pid);
  t.ok((await found(bench, again, token)).length > 0, "its owner's second connection");
  again.release();
});

t.test("without a PID a token counts for its connection", async (t) => {
  const bench = await open(t);
  const stolen = { message: /shown by another process before/ };
  const plain = bench.token({ job: 1 });
  const projected = bench.token(podClaims(POD));
  const first = foreign();
  for (const token of [plain, projected]) {
    t.ok((await found(bench, first, token)).length > 0);
    t.ok((await found(bench, first, token)).length > 0, "again");
    await refused(t, found(bench, foreign(), token), stolen);
  }
  const own = idle(t);
  await refused(t, found(bench, own.peer, plain), stolen, "a process with a PID");
  first.close();
  await refused(t, found(bench, first, plain), { message: /the caller is gone/ });
  await refused(t, found(bench, foreign(), plain), stolen, "for its life");
  await refused(t, found(bench, foreign(1001), projected), stolen, "another user's");
  t.ok((await found(bench, foreign(), projected)).length > 0, "a pod may connect again");
});

t.test("a claim that the host demands", async (t) => {
  const bench = await open(t);
  const { peer } = idle(t);
  t.ok((await found(bench, peer, bench.token({ tier: 2 }))).length > 0);
  for (const tier of [3, undefined, ["1"]]) {
    await refused(t, found(bench, peer, bench.token({ tier })), {
      kind: "unauthenticated",
      message: /^token claim tier is not one that counts on this host$/,
    });
  }
});

t.test(
  "an issuer that does not answer costs the token's selectors, and says nothing of itself",
  async (t) => {
    const cannot = {
      kind: "unavailable",
      message: /^the token cannot be checked now; retry$/,
    } as const;
    const answers: Record<string, TestIssuer["answer"]> = {
      down: (request) => (request.destroy(), true),
      "with an error": (_, response) => (response.writeHead(500).end("secret"), true),
      "with words": (_, response) => (response.end("secret"), true),
      "with a redirect": (_, response) => (
        response.writeHead(302, { location: "http://127.0.0.1:1/keys" }).end(), true
      ),
    };
    for (const [name, answer] of Object.entries(answers)) {
      const bench = await open(t);
      bench.issuer.answer = answer;
      await refused(t, found(bench, idle(t).peer, bench.token()), cannot, name);
      await refused(t, found(bench, foreign(), bench.token()), cannot, name);
    }
    const bench = await open(t);
    const asked = Promise.withResolvers<void>();
    bench.issuer.answer = () => (asked.resolve(), true);
    const waiting = found(bench, foreign(), bench.token());
    waiting.catch(() => undefined);
    await asked.promise;
    await bench.clock.advance(5000);
    await refused(t, waiting, cannot, "slow");
  },
);

t.test("whoever asks about the process learns what became of its tokens", async (t) => {
  const bench = await open(t);
  const { pid, peer } = idle(t);
  const reason = async (): Promise<string> => {
    const { findings } = await bench.attestation.examine(peer, never);
    return findings[0]?.gaps[0]?.reason ?? "";
  };
  t.match(await reason(), /no call from this PID had one lately$/);
  await found(bench, peer, bench.token());
  await bench.clock.advance(3000);
  t.match(await reason(), /the last token from this PID, 3 s ago, was accepted$/);
  await found(bench, peer, "words").catch(() => undefined);
  await found(bench, foreign(7), bench.token({ aud: "x" })).catch(() => undefined);
  t.match(
    await reason(),
    /from this PID, 0 s ago, was refused: token is not a jws in compact form/,
  );
  t.match(
    await reason(),
    /the last token from a caller without a PID here, 0 s ago, was refused: .* another audience \(uid 7\)$/,
  );
  await bench.attestor.attest({ pid, uid: 0, gid: 0, groups: [] }, attestCall());
});

t.test(
  "what is remembered of tokens has a bound, and none is forgotten before its end",
  async (t) => {
    const bench = await open(t, { holders: new TokenHolders({ max: 2, maxEach: 3 }) });
    const { peer } = idle(t);
    const now = Math.floor(Date.now() / 1000);
    const short = bench.token({ exp: now + 5 });
    await found(bench, peer, short);
    await found(bench, peer, bench.token({ job: 2 }));
    const third = bench.token({ job: 3 });
    await refused(t, found(bench, peer, third), {
      kind: "limited",
      message: /more than 2 tokens are in use/,
    });
    await refused(t, found(bench, foreign(), short), { message: /another process/ });
    await bench.clock.advance(66_000);
    t.ok((await found(bench, peer, third)).length > 0, "one has ended");
  },
);

t.test("one with many tokens has a share of the places", async (t) => {
  const bench = await open(t, { holders: new TokenHolders({ max: 8, maxEach: 2 }) });
  let jobs = 0;
  const one = (claims: Record<string, unknown> = {}): string =>
    bench.token({ ...claims, job: (jobs += 1) });
  const limited = {
    kind: "limited",
    message: /^more than 2 tokens of one user, container/,
  } as const;
  const [first, second, inPod, inOther] = [idle(t), idle(t), idle(t), idle(t)];
  for (const { pid } of [first, second]) bench.put(pid, "0::/system.slice/web.service\n");
  bench.put(inPod.pid, podCgroup(POD, "a"));
  bench.put(inOther.pid, podCgroup(OTHER_POD, "b"));
  const now = Math.floor(Date.now() / 1000);
  const held = one({ exp: now + 5 });
  await found(bench, first.peer, held);
  await found(bench, second.peer, one());
  await refused(t, found(bench, first.peer, one()), limited, "a user, by whatever process");
  t.ok((await found(bench, first.peer, held)).length > 0, "what is held goes on");
  await found(bench, inPod.peer, one());
  await found(bench, inPod.peer, one(podClaims(POD)));
  await refused(t, found(bench, inPod.peer, one()), limited, "a pod, whatever its tokens name");
  await refused(t, found(bench, foreign(7), one(podClaims(POD))), limited, "without a PID too");
  t.ok((await found(bench, inOther.peer, one())).length > 0, "the same user in another pod");
  await found(bench, foreign(7), one());
  await found(bench, foreign(7), one());
  await refused(t, found(bench, foreign(7), one()), limited, "a user without a PID here");
  t.ok((await found(bench, foreign(8), one())).length > 0, "another such user");
  await refused(t, found(bench, foreign(9), one()), { message: /^more than 8 tokens are in use/ });
  await bench.clock.advance(66_000);
  t.ok((await found(bench, first.peer, one())).length > 0, "one of its own has ended");
  await refused(t, found(bench, second.peer, one()), limited, "and one only");
});

t.test("the header", (t) => {
  t.equal(bearerToken([]), undefined);
  t.equal(bearerToken(["Bearer a.b-_~+/=c"]), "a.b-_~+/=c");
  t.equal(bearerToken(["bEARER   x"]), "x");
  for (const bad of [
    "",
    "Bearer",
    "Bearer ",
    "Basic x",
    "x",
    "Bearer x y",
    "Bearer\tx",
    "Bearer x\n",
    "Bearer é",
  ]) {
    t.equal(bearerToken([bad]), "", JSON.stringify(bad));
  }
  t.equal(bearerToken(["Bearer x", "Bearer x"]), "");
  t.equal(bearerToken([`Bearer ${"x".repeat(16 * 1024)}`]), "");
  t.end();
});

t.test(
  "a pod's token is the pod where no PID tells it, and its issuer is the cluster",
  async (t) => {
    const asked: unknown[] = [];
    const holders = new TokenHolders({ max: 1 });
    let error: Error | undefined;
    let gap: SelectorGap | undefined;
    const pods = {
      selectorsOfPod: async (claim: unknown, { onGap }: { onGap: (gap: SelectorGap) => void }) => {
        asked.push(claim);
        if (gap !== undefined) onGap(gap);
        if (error !== undefined) throw error;
        return [parseSelector("k8s:ns:prod")];
      },
    };
    const bench = await open(t, { pods, podIssuers: new Set(["kube"]), holders });
    const claims = { ...podClaims(POD), sub: "system:serviceaccount:prod:web" };
    const token = bench.token(claims);
    error = fail("denied", "token is of a pod that is not on this node");
    await refused(t, found(bench, foreign(), token), {
      kind: "unauthenticated",
      message: /not on/,
    });
    error = undefined;
    const caller = foreign();
    t.ok(
      (await found(bench, caller, bench.token(claims))).includes("k8s:ns:prod"),
      "it took no place",
    );
    t.match(asked.at(-1), { uid: POD, namespace: "prod", name: "web-0", nodeName: undefined });
    const { pid, peer } = idle(t);
    bench.put(pid, podCgroup(POD, "a"));
    const before = asked.length;
    const own = await open(t, { pods, podIssuers: new Set(["kube"]) });
    own.put(pid, podCgroup(POD, "a"));
    t.notOk(
      (await found(own, peer, own.token(claims))).includes("k8s:ns:prod"),
      "its PID tells it",
    );
    t.notOk((await found(own, foreign(), own.token())).includes("k8s:ns:prod"), "it names no pod");
    const other = await open(t, { pods, podIssuers: new Set(["other"]) });
    t.notOk((await found(other, foreign(), other.token(claims))).includes("k8s:ns:prod"));
    t.equal(asked.length, before);
    gap = { names: ["ns-label"], reason: "no labels", isTransient: true };
    const partial = await own.attestation.examine(foreign(), never, own.token(claims));
    t.equal(partial.isComplete, false, "whoever matches nothing comes back");
    t.match(partial.findings, [{ type: "token", gaps: [{ names: [], reason: "no labels" }] }]);
  },
);

t.test("worthless one-time tokens of one caller reach the server a few times", async (t) => {
  const clock = new VirtualClock();
  const spent: string[] = [];
  let answer: () => string = () => "entry";
  const spend = async (token: string): Promise<string> => {
    spent.push(token);
    return answer();
  };
  const tokens = new OneTimeTokens(spend, clock);
  const show = (share: string) => tokens.entryOf(`t${spent.length}`, { alive: () => true }, share);
  for (let i = 0; i < 30; i++) t.equal(await show("user 1"), "entry");
  answer = () => {
    throw fail("unavailable", "no server");
  };
  for (let i = 0; i < 30; i++) await refused(t, show("user 1"), { kind: "unavailable" });
  answer = () => {
    throw fail("denied", "unknown");
  };
  const worthless = { kind: "denied", message: /^one-time token is unknown/ } as const;
  const limited = { kind: "limited", message: /too many worthless one-time tokens/ } as const;
  for (let i = 0; i < 10; i++) await refused(t, show("user 1"), worthless);
  const asked = spent.length;
  for (let i = 0; i < 100; i++) await refused(t, show("user 1"), limited);
  t.equal(spent.length, asked, "the server hears no more of it");
  await refused(t, show("container 2"), worthless, "others are not held up");
  clock.step(6000);
  await refused(t, show("user 1"), worthless);
  await refused(t, show("user 1"), limited);
  clock.step(3_600_000);
  for (let i = 0; i < 10; i++) await refused(t, show("user 1"), worthless);
  await refused(t, show("user 1"), limited);
});

t.test("what the cluster has taken back counts no more", async (t) => {
  const asked: string[] = [];
  let error: Error | undefined;
  const check = async (token: string): Promise<void> => {
    asked.push(token);
    if (error !== undefined) throw error;
  };
  const holders = new TokenHolders({ max: 1 });
  const bench = await open(t, { holders, reviews: new Map([["kube", { check }]]) });
  const { peer } = idle(t);
  error = fail("denied", "the cluster does not accept the token");
  const gone = bench.token({ job: 1 });
  await refused(t, found(bench, peer, gone), { kind: "unauthenticated", message: /not accept/ });
  t.same(asked, [gone]);
  error = fail("unavailable", "https://10.0.0.1 cannot be reached");
  const away = {
    kind: "unavailable",
    message: /^the token cannot be checked now; retry$/,
  } as const;
  await refused(t, found(bench, peer, gone), away);
  error = undefined;
  t.ok((await found(bench, peer, bench.token({ job: 2 }))).length > 0, "they took no place");
  asked.length = 0;
  await refused(t, found(bench, peer, bench.token({ exp: 1000 })), { message: /expired/ });
  t.same(asked, [], "only about tokens that are good otherwise");
});
