/**
 * From the taint of an authority to the last of many open streams with an SVID of the next one: `node bench/taint.ts
 * [STREAMS] [ENTRIES] [RUNS]`, against a real server and agent. Each stream holds an SVID of every entry.
 */
import { Stack } from "../test/support/stack.ts";
import { connectUnix } from "../src/rpc/channel.ts";
import type { X509SVIDResponse__Output } from "../src/rpc/gen/X509SVIDResponse.ts";
import { parseCertificates } from "../src/x509/certificate.ts";

const [streams = 1000, entries = 1, runs = 3] = process.argv.slice(2).map(Number);
const STREAMS_PER_CONNECTION = 100;
const AUTHORITY = "spire.api.server.localauthority.v1.LocalAuthority";

await using stack = await Stack.start("error");
for (let n = 0; n < entries; n++)
  await stack.entry(`/bench/${n}`, `unix:uid:${process.getuid?.() ?? 0}`);
using admin = connectUnix(stack.adminSocket);
const stop = new AbortController();
const socket = stack.endpoint.slice("unix://".length);
/** By stream: key ids of the authorities that signed what it was sent last. */
const held: ReadonlySet<string>[] = [];
let onView: () => void = () => undefined;

const channels = Array.from({ length: Math.ceil(streams / STREAMS_PER_CONNECTION) }, () =>
  connectUnix(socket),
);
const ends = Array.from({ length: streams }, async (_, n) => {
  const channel = channels[n % channels.length];
  if (channel === undefined) throw new TypeError("there is a channel");
  using stream = channel.stream<object, X509SVIDResponse__Output>(
    "SpiffeWorkloadAPI",
    "FetchX509SVID",
    { signal: stop.signal, metadata: { "workload.spiffe.io": "true" } },
  );
  stream.send({}).catch(() => undefined); // iterating tells
  stream.end();
  try {
    for await (const { svids } of stream) {
      held[n] = new Set(
        svids.map(({ x509_svid }) => parseCertificates(x509_svid)[0]?.authorityKeyId ?? ""),
      );
      onView();
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
});

await reached((ids) => ids.size > 0);
for (let run = 1; run <= runs; run++) {
  const { active } = await step<{ active: { authority_id: string } }>("GetX509AuthorityState");
  const { prepared_authority: next } = await step<{ prepared_authority: { authority_id: string } }>(
    "PrepareX509Authority",
  );
  await step("ActivateX509Authority", { authority_id: next.authority_id });
  // The server's own SVID moves within a second of that; an agent that is told of a taint reconnects.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const began = performance.now();
  const done = reached((ids) => ids.size === 1 && ids.has(next.authority_id));
  await step("TaintX509Authority", { authority_id: active.authority_id });
  const first = performance.now() - began;
  await done;
  const ms = Math.round(performance.now() - began);
  process.stdout.write(
    `run ${run}: ${streams} streams, ${entries} entries: taint answered after ${Math.round(first)} ms, the last stream has new SVIDs after ${ms} ms\n`,
  );
  await step("RevokeX509Authority", { authority_id: active.authority_id });
}
stop.abort();
for (const channel of channels) channel.close();
await Promise.all(ends);

function step<Response extends object>(method: string, request: object = {}): Promise<Response> {
  return admin.unary<Response>(AUTHORITY, method, request);
}

function reached(holds: (ids: ReadonlySet<string>) => boolean): Promise<void> {
  return new Promise((resolve) => {
    onView = () => {
      if (held.filter((ids) => holds(ids)).length === streams) resolve();
    };
    onView();
  });
}
