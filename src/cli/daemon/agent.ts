import { AGENT_SETTINGS } from "../../config/agent/agent-settings.ts";
import { buildAgentConfig } from "../../config/agent/build-agent.ts";
import { makeAdminFolder, makePrivateFolder, makeSocketFolder } from "../../config/folders.ts";
import { defaultPaths } from "../../config/paths.ts";
import type { Command } from "../program/command.ts";
import { runDaemon } from "./daemon.ts";
import { exposedSecrets } from "../../config/settings/shown.ts";
import { currentUid } from "../connection/rpc-clients.ts";
import { orUsage } from "../program/grammar.ts";
import { reloader } from "./reload.ts";
import { PROCESS_OPTIONS, loadSettings, settingOptions } from "./settings.ts";

export const command: Command = {
  name: "agent",
  options: [...settingOptions(AGENT_SETTINGS), ...PROCESS_OPTIONS],
  examples: [
    "assay agent --server 127.0.0.1:8081 --trust-domain example.org --trust-bundle bundle.pem --join-token-file token",
    "assay agent --config /etc/assay/agent.yaml",
  ],
  notes: [
    "A restart needs neither bundle nor token while the agent's own SVID lives.",
    "SIGHUP reads the configuration again, as a whole or not at all.",
  ],
  async run(context) {
    const who = { uid: currentUid(), env: context.env };
    const settings = await loadSettings(AGENT_SETTINGS, context, who);
    const config = orUsage(() => buildAgentConfig(settings, who));
    if (settings.origin("trust-domain") === "default") {
      context.output.note(`assay: no --trust-domain was given, using ${config.trustDomain}`);
    }
    if (context.options.given("join-token") !== undefined) {
      context.output.note(
        "assay: --join-token can be read in the process list; use --join-token-file or ASSAY_JOIN_TOKEN",
      );
    }
    const exposed = exposedSecrets(settings, who);
    if (exposed !== undefined) context.output.note(`assay: ${exposed}`);
    const tokenFile = settings.get("join-token-file");
    if (tokenFile !== undefined && config.joinToken === undefined) {
      context.output.note(`assay: there is no token in ${tokenFile}; the stored identity must do`);
    }
    makePrivateFolder(config.dataDir, settings.where("data-dir"));
    makeSocketFolder(config.socket, defaultPaths(who).runtime, settings.where("socket"));
    if (config.adminSocket !== undefined) {
      makeAdminFolder(config.adminSocket, settings.where("admin-socket"));
    }
    const { startAgent } = await import("../../agent/main.ts");
    return runDaemon({
      context,
      log: config,
      socket: config.socket,
      start: (tools) => startAgent(config, tools),
      reload: reloader({ role: "agent", settings, build: buildAgentConfig, context, who }),
      ended: ({ stopped }) => stopped,
      ready: ({ socket, spiffeId, metricsAddress }) => ({
        socket,
        spiffeId: spiffeId.toString(),
        ...(metricsAddress === undefined ? {} : { metrics: metricsAddress }),
      }),
    });
  },
};
