import { join, resolve } from "node:path";
import { fail } from "../../base/errors.ts";
import { DEFAULT_TRUST_DOMAIN } from "../../config/sections/common-settings.ts";
import { makePrivateFolder } from "../../config/folders.ts";
import { defaultPaths, socketPathOf } from "../../config/paths.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { Command, CommandContext } from "../program/command.ts";
import { UsageError } from "../program/grammar.ts";
import { followX509 } from "../fetch/streams.ts";
import { type FetchedSvid, fetchedSvids } from "../fetch/svid.ts";
import { connectTo, currentUid } from "../connection/rpc-clients.ts";
import { callingUser } from "./caller.ts";
import { endLines, firstSvidLines, nextStepLines, rotationLine } from "./messages.ts";
import { DevProcesses, type DevSettings } from "./processes.ts";
import { makeRuntimeFolder, removeRuntimeFolder } from "./runtime-folder.ts";
import { lockState } from "./state-lock.ts";

export const command: Command = {
  name: "dev",
  options: [
    {
      name: "trust-domain",
      value: "TD",
      help: "name of the trust domain",
      fallback: DEFAULT_TRUST_DOMAIN,
    },
    {
      name: "data-dir",
      value: "DIR",
      help: "state folder, kept between starts",
      fallback: "assay/dev below $XDG_STATE_HOME or ~/.local/state",
    },
    {
      name: "socket",
      value: "PATH",
      help: "Workload API socket",
      fallback: "in a private runtime folder",
    },
    {
      name: "x509-ttl",
      value: "DURATION",
      help: "life of X.509-SVIDs; 20s shows a rotation every ten seconds",
      fallback: "1h",
    },
    { name: "once", help: "end after the first SVID" },
  ],
  examples: ["assay dev", "assay dev --x509-ttl 20s", "assay dev --once"],
  notes: ["Ctrl-C ends both processes; what stays is the state folder."],
  async run(context) {
    const { options, env } = context;
    const trustDomain = trustDomainOption(options.text("trust-domain") ?? DEFAULT_TRUST_DOMAIN);
    const given = options.text("socket");
    const x509TtlSeconds = options.seconds("x509-ttl");
    const { devData } = defaultPaths({ uid: currentUid(), env });
    const state = resolve(options.text("data-dir") ?? devData);
    makePrivateFolder(state, "--data-dir");
    using _lock = lockState(state);
    const runtime = makeRuntimeFolder(state, env);
    const socket =
      given === undefined ? join(runtime, "api.sock") : socketPathOf(given, "--socket");
    const adminSocket = join(runtime, "server.sock");
    // Not where workloads look; of no use to somebody who sees the first SVID and no more.
    const agentRuntime = options.flag("once")
      ? undefined
      : makeRuntimeFolder(state, env, "assay-dev-agent");
    const agentAdminSocket = agentRuntime && join(agentRuntime, "admin.sock");
    const dev = { trustDomain, state, socket, adminSocket, agentAdminSocket, x509TtlSeconds, env };
    try {
      await runDev(context, dev);
    } finally {
      removeRuntimeFolder(runtime);
      if (agentRuntime !== undefined) removeRuntimeFolder(agentRuntime);
    }
    if (context.signal.aborted) for (const line of endLines(dev)) context.output.line(line);
    return undefined;
  },
};

async function runDev(context: CommandContext, dev: DevSettings): Promise<void> {
  const { output, options, signal } = context;
  await using processes = await DevProcesses.start(dev, signal).catch((thrown: unknown) => {
    // Ctrl-C while starting is no failure.
    if (signal.aborted) return undefined;
    throw thrown;
  });
  if (processes === undefined) return;
  const end = new AbortController();
  processes.died.catch((thrown: unknown) => end.abort(thrown));
  const until = AbortSignal.any([signal, end.signal]);
  using agent = await connectTo("agent", dev.socket, until);
  const patience = setTimeout(() => {
    const logs = `agent.log and server.log in ${dev.state}`;
    end.abort(fail("deadline", `no SVID came within two minutes; the reason stands in ${logs}`));
  }, FIRST_SVID_MS);
  using _patience = { [Symbol.dispose]: () => clearTimeout(patience) };
  let shown: FetchedSvid | undefined;
  for await (const view of followX509(agent, until, output.note)) {
    const [svid] = fetchedSvids(view);
    if (svid === undefined || svid.serialNumber === shown?.serialNumber) continue;
    const nowMs = Date.now();
    if (shown === undefined) {
      clearTimeout(patience);
      const once = options.flag("once");
      for (const line of firstSvidLines({ ...dev, svid, nowMs, caller: callingUser(), once })) {
        output.line(line);
      }
      if (once) return;
      for (const line of nextStepLines(dev)) output.line(line);
    } else {
      output.line(rotationLine(svid, nowMs));
    }
    shown = svid;
  }
  if (end.signal.aborted) throw end.signal.reason;
}

function trustDomainOption(text: string): string {
  try {
    return TrustDomain.parse(text).name;
  } catch (error) {
    throw new UsageError(`--trust-domain: ${error instanceof Error ? error.message : "is wrong"}`);
  }
}

const FIRST_SVID_MS = 120_000;
