import t from "tap";
import { callMetrics } from "../../src/observe/metric-names.ts";
import { type MetricSpec, Metrics } from "../../src/observe/metrics.ts";
import { Readiness } from "../../src/observe/readiness.ts";
import { parsePrometheus } from "../support/prometheus.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const spec = (type: MetricSpec["type"], labels: readonly string[] = []): MetricSpec => ({
  name: `test_${type}`,
  type,
  help: 'one "help"\nwith \\ in it',
  labels,
});

t.test("what is counted can be read, whatever the labels hold", async (t) => {
  const metrics = new Metrics();
  t.equal(metrics.render(), "");
  const counter = spec("counter", ["a", "b"]);
  const hard = 'quote " back \\ line \n end';
  metrics.add(counter, ["x", hard]);
  metrics.add(counter, ["x", hard], 4);
  metrics.add(counter, [hard, ""]);
  metrics.read(spec("gauge"), () => [{ labels: [], value: -1.5 }]);
  const summary = spec("summary");
  metrics.observe(summary, [], 2);
  metrics.observe(summary, [], 5);
  const histogram = { ...spec("histogram"), buckets: [1, 2, 5] };
  for (const value of [0.5, 1, 1.5, 7]) metrics.observe(histogram, [], value);
  const { value, types } = parsePrometheus(metrics.render());
  t.equal(value("test_counter", { a: "x", b: hard }), 5);
  t.equal(value("test_counter", { a: hard, b: "" }), 1);
  t.equal(value("test_gauge"), -1.5);
  t.equal(value("test_summary_sum"), 7);
  t.equal(value("test_summary_count"), 2);
  t.same(
    ["1", "2", "5", "+Inf"].map((le) => value("test_histogram_bucket", { le })),
    [2, 3, 3, 4],
  );
  t.equal(value("test_histogram_count"), 4);
  t.same([...types.values()], ["counter", "summary", "histogram", "gauge"]);
});

t.test(
  "series have a bound; a reading that fails is left out; labels are those of the metric",
  async (t) => {
    const metrics = new Metrics();
    const counter = spec("counter", ["a"]);
    for (let n = 0; n < 2000; n++) metrics.add(counter, [`value ${n}`]);
    metrics.read(spec("gauge"), () => {
      throw new Error("not there yet");
    });
    const { samples } = parsePrometheus(metrics.render());
    t.equal(samples.length, 500);
    t.throws(() => metrics.add(counter, []), TypeError);
  },
);

t.test("a tally is its metric with the labels said", (t) => {
  const metrics = new Metrics();
  const counter = spec("counter", ["a"]);
  const tally = metrics.tally(counter, ["x"]);
  t.equal(parsePrometheus(metrics.render()).value("test_counter", { a: "x" }), 0, "shown at once");
  tally.add();
  metrics.add(counter, ["x"], 2);
  metrics.tally(counter, ["x"]).add(4);
  const histogram = { ...spec("histogram"), buckets: [1, 2] };
  metrics.tally(histogram).observe(1.5);
  metrics.observe(histogram, [], 9);
  const { value } = parsePrometheus(metrics.render());
  t.equal(value("test_counter", { a: "x" }), 7);
  t.equal(value("test_histogram_bucket", { le: "2" }), 1);
  t.equal(value("test_histogram_count"), 2);
  t.equal(value("test_histogram_sum"), 10.5);
  for (let n = 0; n < 2000; n++) metrics.tally(counter, [`value ${n}`]).add();
  t.equal(parsePrometheus(metrics.render()).samples.length < 510, true, "within the bound");
  t.throws(() => metrics.tally(counter), TypeError);
  t.end();
});

// SPIRE's own spelling of these (pkg/common/api/middleware, doc/telemetry/telemetry.md).
t.test("calls have SPIRE's names", async (t) => {
  const names: readonly ["server" | "agent", string, string][] = [
    [
      "server",
      "/spire.api.server.svid.v1.SVID/MintX509SVID",
      "spire_server_rpc_svid_v1_svid_mint_x509svid",
    ],
    [
      "server",
      "/spire.api.server.svid.v1.SVID/NewJWTSVID",
      "spire_server_rpc_svid_v1_svid_new_jwtsvid",
    ],
    [
      "server",
      "/spire.api.server.entry.v1.Entry/BatchCreateEntry",
      "spire_server_rpc_entry_v1_entry_batch_create_entry",
    ],
    [
      "server",
      "/spire.api.server.localauthority.v1.LocalAuthority/GetX509AuthorityState",
      "spire_server_rpc_localauthority_v1_local_authority_get_x509_authority_state",
    ],
    ["server", "/grpc.health.v1.Health/Check", "spire_server_rpc_health_check"],
    ["agent", "/SpiffeWorkloadAPI/FetchX509SVID", "spire_agent_rpc_workload_api_fetch_x509svid"],
    [
      "agent",
      "/SpiffeWorkloadAPI/FetchJWTBundles",
      "spire_agent_rpc_workload_api_fetch_jwt_bundles",
    ],
  ];
  for (const [role, method, name] of names) {
    t.equal(callMetrics(role, method).count.name, name);
    t.equal(callMetrics(role, method).elapsed.name, `${name}_elapsed_time`);
  }
});

t.test(
  "readiness: what is missing by name, a check that throws or never answers included",
  async (t) => {
    const clock = new VirtualClock();
    let broken = false;
    let asked = 0;
    const readiness = new Readiness(clock, [
      { name: "good", missing: () => void (asked += 1) },
      {
        name: "throws",
        missing: () => {
          if (broken) throw new Error("it is closed");
          return undefined;
        },
      },
      { name: "hangs", missing: () => (broken ? new Promise(() => undefined) : undefined) },
    ]);
    t.ok(await readiness.isReady());
    broken = true;
    t.ok(await readiness.isReady(), "an answer holds for a moment");
    t.equal(asked, 1);
    clock.step(1000);
    const results = readiness.results();
    await clock.advance(2000);
    t.same(await results, [
      { name: "good", missing: undefined },
      { name: "throws", missing: "it is closed" },
      { name: "hangs", missing: "no answer within 2 s" },
    ]);
    t.equal(clock.timers, 0);
  },
);
