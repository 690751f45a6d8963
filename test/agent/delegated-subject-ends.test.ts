import { spawn } from "node:child_process";
import { once } from "node:events";
import t from "tap";
import { Attestation } from "../../src/agent/attestation/attestation.ts";
import type { Cache } from "../../src/agent/cache/cache.ts";
import { KnownBundles } from "../../src/agent/cache/known-bundles.ts";
import {
  type DelegatedIdentityOptions,
  routeDelegatedIdentity,
} from "../../src/agent/delegated/service.ts";
import { openPeer, type Peer } from "../../src/agent/peer/peer.ts";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { silentLogger as logger } from "../../src/observe/logger.ts";
import type { GrpcCall, GrpcHandler } from "../../src/rpc/grpc/call.ts";
import type { SocketGrpcServer } from "../../src/rpc/grpc/server.ts";
import { serviceDefinition } from "../../src/rpc/protos.ts";

t.test("a process that ends while it is looked at ends the call alone", async (t) => {
  const child = spawn("/bin/sleep", ["1000"]);
  const sweeps: (() => void)[] = [];
  const clock: Clock = {
    nowMs: () => systemClock.nowMs(),
    after: (delayMs, run) => {
      if (delayMs <= 1000) sweeps.push(run);
      return () => undefined;
    },
  };
  const attestation = new Attestation({
    attestors: [
      {
        type: "slow",
        names: [],
        attest: async ({ pid }) => {
          if (pid !== child.pid) return [{ type: "slow", value: "self" }];
          child.kill("SIGKILL");
          await once(child, "exit");
          for (const sweep of sweeps.splice(0)) sweep();
          await new Promise(setImmediate);
          return [];
        },
      },
    ],
    clock,
    logger,
  });
  const spiffeId = "spiffe://domain.test/delegate";
  const cache = {
    synced: true,
    match: () => [{ spiffeId }],
    subscribe: () => ({ close: () => undefined }),
  } as unknown as Cache;
  const handlers = new Map<string, GrpcHandler<Peer>>();
  const server = {
    route: (path: string, handler: GrpcHandler<Peer>) => handlers.set(path, handler),
  };
  const options = { attestation, cache, bundles: new KnownBundles(), clock, logger };
  routeDelegatedIdentity(
    server as unknown as SocketGrpcServer<Peer>,
    { ...options, authorizedDelegates: () => [spiffeId] } as unknown as DelegatedIdentityOptions,
  );
  const methods = serviceDefinition("spire.api.agent.delegatedidentity.v1.DelegatedIdentity");
  const method = methods["SubscribeToX509SVIDs"];
  if (method === undefined) throw new TypeError("no method");
  const context = openPeer(process.pid);
  const call = {
    path: method.path,
    context,
    signal: new AbortController().signal,
    request: async () => method.request.encode({ pid: child.pid }),
  } as unknown as GrpcCall<Peer>;
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  await t.rejects(handlers.get(method.path)?.(call) ?? Promise.resolve());
  await new Promise(setImmediate);
  process.off("unhandledRejection", note);
  context.release();
  t.same(unhandled, [], "nothing that would end the agent");
});
