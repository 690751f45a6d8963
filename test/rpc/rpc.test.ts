import t from "tap";
import { fail } from "../../src/base/errors.ts";
import type { AgentHandlers } from "../../src/rpc/gen/spire/api/server/agent/v1/Agent.ts";
import type { Agent__Output } from "../../src/rpc/gen/spire/api/types/Agent.ts";
import type { Implementation } from "../../src/rpc/service.ts";
import { TestCa } from "../support/test-ca.ts";
import { caOfToday, dial, leafOfToday, rejection, startTlsServer } from "./support.ts";

const AGENT = "spire.api.server.agent.v1.Agent";
const ca = await TestCa.create(caOfToday());
const identity = await leafOfToday(ca);

const echo: Implementation<AgentHandlers> = {
  GetAgent: async (request, call) => ({ id: request.id, agent_version: call.peer }),
  BanAgent: async () => {
    throw fail("denied", "agent is banned", { reason: "AGENT_BANNED" });
  },
  async AttestAgent(call) {
    for await (const request of call.requests) {
      await call.send({ challenge: request.challenge_response ?? Buffer.from("none") });
    }
  },
};

t.test("unary and bidi over TLS", async (t) => {
  await using test = await startTlsServer(identity);
  test.server.addService(AGENT, echo);
  using channel = dial(test, ca);
  const id = { trust_domain: "example.org", path: "/x" };
  const answer = await channel.unary<Agent__Output>(AGENT, "GetAgent", { id });
  t.same(answer.id, id);
  t.ok(test.chains.has(answer.agent_version), "the peer is the label given");
  t.match(await rejection(channel.unary(AGENT, "BanAgent", {})), {
    kind: "denied",
    reason: "AGENT_BANNED",
    message: "agent is banned",
  });
  t.match(await rejection(channel.unary(AGENT, "RenewAgent", {})), { kind: "unsupported" });
  using stream = channel.stream<object, { challenge: Buffer }>(AGENT, "AttestAgent");
  await stream.send({ challenge_response: Buffer.from("a") });
  await stream.send({ challenge_response: Buffer.from("b") });
  stream.end();
  const got: string[] = [];
  for await (const response of stream) got.push(response.challenge.toString());
  t.same(got, ["a", "b"]);
});
