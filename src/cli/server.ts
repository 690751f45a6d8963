import { buildServerConfig } from "../config/build-server.ts";
import { makePrivateFolder, makeSocketFolder } from "../config/folders.ts";
import { defaultPaths } from "../config/paths.ts";
import { SERVER_SETTINGS } from "../config/server-settings.ts";
import type { Command } from "./command.ts";
import { runDaemon } from "./daemon.ts";
import { exposedSecrets } from "../config/shown.ts";
import { currentUid } from "./rpc-clients.ts";
import { orUsage } from "./grammar.ts";
import { reloader } from "./reload.ts";
import { PROCESS_OPTIONS, loadSettings, settingOptions } from "./settings.ts";

export const command: Command = {
  name: "server",
  options: [...settingOptions(SERVER_SETTINGS), ...PROCESS_OPTIONS],
  examples: [
    "assay server --trust-domain example.org --listen 0.0.0.0:8081",
    "assay server --config /etc/assay/server.yaml",
  ],
  notes: ["SIGHUP reads the configuration again, as a whole or not at all."],
  async run(context) {
    const who = { uid: currentUid(), env: context.env };
    const settings = await loadSettings(SERVER_SETTINGS, context, who);
    const config = orUsage(() => buildServerConfig(settings, who));
    if (settings.origin("trust-domain") === "default") {
      context.output.note(`assay: no --trust-domain was given, using ${config.trustDomain}`);
    }
    const exposed = exposedSecrets(settings, who);
    if (exposed !== undefined) context.output.note(`assay: ${exposed}`);
    makePrivateFolder(config.dataDir, settings.where("data-dir"));
    makeSocketFolder(config.socket, defaultPaths(who).runtime, settings.where("socket"));
    const { startServer } = await import("../server/main.ts");
    return runDaemon({
      context,
      log: config,
      socket: config.socket,
      start: (tools) => startServer(config, tools),
      reload: reloader({ role: "server", settings, build: buildServerConfig, context, who }),
      ready: ({ tcpAddress, socket, metricsAddress, provisionAddress }) => ({
        listen: tcpAddress,
        socket,
        ...(metricsAddress === undefined ? {} : { metrics: metricsAddress }),
        ...(provisionAddress === undefined ? {} : { provision: provisionAddress }),
      }),
    });
  },
};
