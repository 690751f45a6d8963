/** Settings of the SPIFFE Broker API. */
import t from "tap";
import { AGENT_SETTINGS } from "../../src/config/agent/agent-settings.ts";
import { buildAgentConfig } from "../../src/config/agent/build-agent.ts";
import { Settings } from "../../src/config/settings/source.ts";

const BROKER = { id: "spiffe://example.org/mesh" };

function broker(section: object, experimental = ["broker-api"]) {
  const context = { uid: 0, env: {} };
  const root = { server: "127.0.0.1:8081", socket: "/run/w/api.sock" };
  const settings = new Settings({
    table: AGENT_SETTINGS,
    given: () => undefined,
    fromEnv: () => undefined,
    file: { name: "agent.yaml", root: { ...root, experimental, broker: section } },
    context,
  });
  return buildAgentConfig(settings, context).broker;
}

t.test("a broker endpoint has an address and brokers", (t) => {
  t.same(broker({ socket: "/run/b/b.sock", brokers: [BROKER] }), {
    socket: "/run/b/b.sock",
    brokers: [{ ...BROKER, pidOverTcp: false, pods: false }],
  });
  t.match(broker({ listen: "127.0.0.1:0", brokers: [{ ...BROKER, pods: true }] }), {
    listen: "127.0.0.1:0",
    brokers: [{ pidOverTcp: false, pods: true }],
  });
  t.match(broker({ listen: "[::1]:1", brokers: [{ ...BROKER, pidOverTcp: true }] }), {
    brokers: [{ pidOverTcp: true, pods: false }],
  });
  for (const [section, message] of [
    [{ brokers: [BROKER] }, /neither socket nor listen/],
    [{ socket: "/run/w/b.sock", brokers: [BROKER] }, /folder of the Workload API socket/],
    [{ socket: "/run/b/b.sock" }, /brokers/],
    [{ socket: "/run/b/b.sock", brokers: [] }, /brokers/],
    [{ socket: "/run/b/b.sock", brokers: [{ id: "mesh" }] }, /brokers\[0\]\.id/],
    [{ socket: "/run/b/b.sock", brokers: [BROKER, BROKER] }, /two brokers have the same id/],
    [{ listen: "8081", brokers: [BROKER] }, /listen/],
  ] as const) {
    t.throws(() => broker(section), { message }, JSON.stringify(section));
  }
  const section = { listen: "127.0.0.1:0", brokers: [BROKER] };
  t.throws(() => broker(section, []), { message: /set experimental to broker-api/ });
  t.end();
});
