/** Families of identities at the agent: who is which member, what is held for whom, and what reaches open streams. */
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import t from "tap";
import { type Channel, connectUnix } from "../../src/rpc/channel.ts";
import { parseSelector } from "../../src/spiffe/selector.ts";
import { explainUnfilled } from "../../src/agent/explain/unfilled-template.ts";
import { unfilledLine } from "../../src/cli/explain/obstacle-lines.ts";
import { memberOf } from "../../src/agent/cache/members.ts";
import type { AgentConfig } from "../../src/config/agent/agent-config.ts";
import { runProgram } from "../../src/cli/program/program.ts";
import { TestIssuer } from "../support/oidc-issuer.ts";
import { refused } from "../support/refused.ts";
import { Domain, OWN_SELECTOR, TRUST_DOMAIN, id } from "../support/running.ts";
import { WorkloadClient } from "../support/workload-client.ts";
import { Bench, S, entry } from "./cache-bench.ts";

const TEMPLATES = "assay.template.v1.Templates";
const AUDIENCE = `spiffe://${TRUST_DOMAIN}`;
const NS = id("/ns");

const pods = entry("e", {
  spiffeId: NS,
  selectors: S("k8s:ns:prod"),
  template: { id: `${NS}/{{k8s.ns}}/sa/{{k8s.sa}}`, trustAgent: false },
});

/** What the kubernetes attestor finds of a pod. */
function pod(account: string, uid: string, ...more: string[]) {
  return S(
    "k8s:ns:prod",
    `k8s:sa:${account}`,
    `k8s:pod-name:n-${uid}`,
    `k8s:pod-uid:${uid}`,
    ...more,
  );
}

t.test("a member is what the workload's own selectors say", (t) => {
  t.match(memberOf(pods, pod("web", "u1")), {
    spiffeId: `${NS}/prod/sa/web`,
    template: undefined,
    member: {
      entryId: "e",
      values: [
        { variable: "k8s.ns", value: "prod" },
        { variable: "k8s.sa", value: "web" },
      ],
      pod: { namespace: "prod", name: "n-u1", uid: "u1" },
    },
  });
  t.match(memberOf(pods, pod("db", "u2")), { spiffeId: `${NS}/prod/sa/db` });
  for (const [name, selectors] of [
    ["no value", S("k8s:ns:prod", "k8s:pod-name:x", "k8s:pod-uid:u")],
    ["two values", pod("web", "u1", "k8s:sa:admin")],
    ["two pods", pod("web", "u1", "k8s:pod-uid:u2")],
    ["no pod, and the agent is not trusted", S("k8s:ns:prod", "k8s:sa:web")],
    ["a slash", pod("a/b", "u1")],
    ["dots", pod("..", "u1")],
    ["a colon", pod("a:b", "u1")],
    ["no ascii", pod("é", "u1")],
    ["2 KB", pod("x".repeat(2048), "u1")],
  ] as const) {
    t.equal(memberOf(pods, selectors), undefined, name);
  }
  const label = {
    ...pods,
    template: { id: `${NS}/{{docker.label:app}}/{{docker.env:ROLE}}`, trustAgent: true },
  };
  t.match(
    memberOf(label, S("docker:label:app:web", "docker:label:app2:x", "docker:env:ROLE=main")),
    { spiffeId: `${NS}/web/main`, member: { pod: undefined } },
  );
  t.end();
});

t.test("SVIDs of members are made on demand, held while used and forgotten then", (t) => {
  const bench = new Bench({ maxIdleSvids: 2 });
  const make = (): void => {
    const { awaited, others } = bench.cache.due(new Set());
    bench.sign(...awaited, ...others);
  };
  const last = ({ seen }: { seen: string[] }): string | undefined => seen.at(-1)?.split(" ")[1];
  bench.sync([pods]);
  t.same(bench.due(), [], "nothing is made for nobody");
  const web = bench.watch(pod("web", "u1"));
  const db = bench.watch(pod("db", "u2"));
  const twin = bench.watch(pod("web", "u3"));
  const ids = [`e ${NS}/prod/sa/web u1`, `e ${NS}/prod/sa/db u2`, `e ${NS}/prod/sa/web u3`];
  t.same(bench.due(), ids, "one for each pod");
  make();
  t.same([web, db, twin].map(last), [
    `${NS}/prod/sa/web#0.0`,
    `${NS}/prod/sa/db#0.0`,
    `${NS}/prod/sa/web#0.0`,
  ]);
  t.same(bench.due(), []);
  t.same(bench.due(["aa"]), ids, "replaced with their authority");
  bench.sync([{ ...pods, revisionNumber: 1 }]);
  t.same(bench.due(), ids, "a changed entry has them made anew");
  t.equal(bench.cache.svidCount, 3, "and they go on with what there is");
  make();
  t.equal(last(web), `${NS}/prod/sa/web#0.1`);
  const before = pods;
  const rotated = { ...pods, revisionNumber: 2 };
  bench.sync([rotated]);
  bench.cache.rotate(
    new Map([["e", { ...before, revisionNumber: 1 }]]),
    bench.clock.nowMs() + 9000,
  );
  t.same(bench.due(), [], "a rotation waits for its turn");

  const moved = { id: `${NS}/x/{{k8s.sa}}`, trustAgent: false };
  bench.sync([{ ...pods, revisionNumber: 3, template: moved }]);
  t.equal(bench.cache.svidCount, 0, "another template: other identities");
  make();
  t.equal(last(web), `${NS}/x/web#0.3`);
  t.equal(bench.cache.svidCount, 3);
  for (const watch of [web, db, twin]) watch.close();
  t.same(bench.due(), []);
  t.equal(bench.cache.svidCount, 2, "of those that nobody holds no more than the bound");
  const again = bench.watch(pod("db", "u2"));
  t.equal(last(again), `${NS}/x/db#0.3`, "and those are at hand");
  const { awaited } = (bench.watch(pod("new", "u9")), bench.cache.due(new Set()));
  bench.cache.applySvids([], awaited);
  t.same(bench.due(), [], "one that was refused is not asked for at once");
  bench.sync([], ["e"]);
  t.equal(again.seen.at(-1), "none", "a deleted entry takes its members along");
  t.equal(bench.cache.svidCount, 0);
  bench.sign(...awaited);
  t.equal(bench.cache.svidCount, 0, "what is signed too late is not taken");
  t.end();
});

function config({ url, caFile }: TestIssuer): Pick<AgentConfig, "workloadAttestors"> {
  const issuer = { alias: "ci", url, caFile, loopbackHttp: false, maxLife: 86_400, pods: false };
  return { workloadAttestors: { token: { issuers: [issuer], oneTime: false } } };
}

async function create(admin: Channel, path: string, template: string): Promise<string> {
  const { results } = await admin.unary<{
    results: { status: { code: number; message: string }; entry: { id: string } }[];
  }>(TEMPLATES, "BatchCreateEntry", {
    entries: [
      {
        entry: {
          spiffe_id: { trust_domain: TRUST_DOMAIN, path },
          parent_id: { trust_domain: TRUST_DOMAIN, path: "/host" },
          selectors: [parseSelector(OWN_SELECTOR)],
        },
        template: { id: template, trust_agent: true },
      },
    ],
  });
  const [result] = results;
  if (result?.status.code !== 0) throw new Error(result?.status.message);
  return result.entry.id;
}

t.test("each value that keeps a workload from a family is told, and why", (t) => {
  const findings = [
    {
      type: "k8s",
      names: ["ns", "sa"],
      selectors: [],
      gaps: [{ names: ["sa"], reason: "gone", isTransient: false }],
    },
  ];
  const told = (selectors: ReturnType<typeof S>) => explainUnfilled(pods, selectors, findings);
  const none = { found: [], missing_reason: "ABSENT", detail: "", names_pod: false };
  t.same(told(pod("web", "u1")), []);
  t.match(told(S("k8s:ns:prod", "k8s:pod-name:x", "k8s:pod-uid:u")), [
    {
      ...none,
      variable: "k8s.sa",
      reason: "NO_VALUE",
      missing_reason: "UNREADABLE",
      detail: "gone",
    },
  ]);
  t.match(told(pod("web", "u1", "k8s:sa:admin", "k8s:sa:web")), [
    { ...none, variable: "k8s.sa", reason: "SEVERAL_VALUES", found: ["web", "admin"] },
  ]);
  t.match(told(pod("a/b", "u1")), [
    { ...none, variable: "k8s.sa", reason: "NO_SEGMENT", found: ["a/b"] },
  ]);
  t.match(told(pod("web", "u1", "k8s:pod-uid:u2")), [
    { variable: "k8s.pod-uid", reason: "SEVERAL_VALUES", found: ["u1", "u2"], names_pod: true },
  ]);
  t.match(told(S("k8s:ns:a b")), [
    { variable: "k8s.ns", reason: "NO_SEGMENT" },
    { variable: "k8s.sa", reason: "NO_VALUE" },
    {
      variable: "k8s.pod-name",
      reason: "NO_VALUE",
      missing_reason: "UNKNOWN_NAME",
      names_pod: true,
    },
    { variable: "k8s.pod-uid", reason: "NO_VALUE", names_pod: true },
  ]);
  t.equal(told(S("k8s:ns:a b")).length, 4, "each once");
  const lines = told(pod("a\nb".repeat(60), "u1")).map((each) =>
    // What was made here has every field, as what comes over the wire.
    unfilledLine(each as Parameters<typeof unfilledLine>[0], []),
  );
  t.match(lines, [
    /^its template wants \{\{k8s\.sa\}\}; the process has "a\\n.{70,140}\.\.\.", which is no path/,
  ]);
  t.end();
});

t.test("a real server signs for the members of a real agent, and changes reach them", async (t) => {
  await using issuer = await TestIssuer.start();
  await using domain = await Domain.start();
  const adminSocket = join(domain.dir, "admin", "admin.sock");
  const agent = await domain.startAgent({ ...config(issuer), adminSocket });
  const admin = connectUnix(domain.server.socket);
  t.teardown(() => admin.close());
  const entryId = await create(admin, "/ci", id("/ci/job/{{token.ci:job}}"));
  const client = (job: string): WorkloadClient => {
    const token = issuer.token({ claims: { aud: AUDIENCE, job } });
    const made = new WorkloadClient(agent.socket, token);
    t.teardown(() => made[Symbol.dispose]());
    return made;
  };
  using build = client("build").x509();
  const idsOf = async (watch: typeof build): Promise<string[]> =>
    (await watch.next()).svids.map(({ spiffe_id }) => spiffe_id);
  t.same(await idsOf(build), [id("/ci/job/build")]);
  using deploy = client("deploy").x509();
  t.same(await idsOf(deploy), [id("/ci/job/deploy")], "one entry, another identity");
  const { svids } = await client("deploy").fetchJwt(["db"]);
  t.same(
    svids.map(({ spiffe_id }) => spiffe_id),
    [id("/ci/job/deploy")],
  );
  for (const job of ["a/b", "..", "é", "x".repeat(2048), ""]) {
    await refused(t, client(job).fetchX509(), { kind: "denied" }, JSON.stringify(job));
  }

  const explained = async (): Promise<string> => {
    const out: string[] = [];
    await runProgram({
      args: ["explain", String(process.pid)],
      env: { HOME: "/nowhere", ASSAY_AGENT_ADMIN_SOCKET: adminSocket },
      stdout: (text) => out.push(text),
      stderr: (text) => out.push(text),
    });
    return out.join("");
  };
  const refusal = await explained();
  t.match(refusal, /ci\/job\/\{\{token.ci:job\}\}/, "the family by its template");
  t.match(
    refusal,
    /its template wants \{\{token\.ci:job\}\}; that could not be found out: a token comes with a call/,
  );

  const changed = { id: id("/ci/run/{{token.ci:job}}"), trust_agent: true };
  await admin.unary(TEMPLATES, "BatchSetTemplate", {
    templates: [{ id: entryId, template: changed }],
  });
  t.same(await idsOf(build), [id("/ci/run/build")], "pushed to an open stream");
  t.same(await idsOf(deploy), [id("/ci/run/deploy")]);
  t.match((await client("deploy").fetchJwt(["db"])).svids, [{ spiffe_id: id("/ci/run/deploy") }]);
  await domain.deleteEntry(entryId);
  await refused(t, build.next(), { kind: "denied" }, "and its end");
  await refused(t, client("deploy").fetchJwt(["db"]), { kind: "denied" });

  await create(admin, "/u", id("/u/{{unix.uid}}"));
  using plain = new WorkloadClient(agent.socket);
  const own = id(`/u/${process.geteuid?.()}`);
  using held = plain.x509();
  t.same(await idsOf(held), [own], "of what the kernel says");
  const served = await explained();
  t.ok(served.includes(`${own} `), served);

  const gone = await domain.entry({ path: "/plain" });
  const said = async (expected: RegExp): Promise<string> => {
    for (;;) {
      const text = await explained();
      if (expected.test(text)) return text;
      await setImmediate();
    }
  };
  await said(/\/plain {2}\(entry \S+, X.509-SVID until/);
  await domain.deleteEntry(gone);
  await create(admin, "/pods", id("/pods/{{k8s.ns}}/{{unix.uid}}"));
  const after = await said(/\/pods[^]*taken from this agent|taken from this agent[^]*\/pods/);
  t.match(after, /wants \{\{k8s\.ns\}\}; no attestor of this agent has the type k8s/);
  t.notMatch(after, /wants \{\{unix\.uid/, "what is there is not missing");
  t.ok(
    after.indexOf("its template wants") < after.indexOf("taken from this agent"),
    "what it could have comes before what it had",
  );
});
