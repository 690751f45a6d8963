import { buildServerConfig } from "../../config/server/build-server.ts";
import { makePrivateFolder, makeSocketFolder } from "../../config/folders.ts";
import { defaultPaths } from "../../config/paths.ts";
import { SERVER_SETTINGS } from "../../config/server/server-settings.ts";
import type { Command } from "../program/command.ts";
import { runDaemon } from "./daemon.ts";
import { exposedSecrets } from "../../config/settings/shown.ts";
import { orUsage } from "../program/grammar.ts";
import { reloader } from "./reload.ts";
import { checkSameFolder, enterDataFolder } from "./server-folder.ts";
import { PROCESS_OPTIONS, loadSettings, settingOptions } from "./settings.ts";

export const command: Command = {
  name: "server",
  options: [
    ...settingOptions(SERVER_SETTINGS),
    ...PROCESS_OPTIONS,
    {
      name: "init",
      help: "where the data folder holds nothing yet, first make a CA in it, as 'assay ca init' does",
    },
    {
      name: "as-owner",
      help: "started as root: become the user whose folder the data folder is",
    },
  ],
  examples: [
    "assay server --trust-domain example.org --listen 0.0.0.0:8081",
    "assay server --config /etc/assay/server.yaml",
  ],
  notes: [
    "Without --config, server.yaml in the data folder is the configuration, and paths in it are below that folder.",
    "SIGHUP reads the configuration again, as a whole or not at all.",
  ],
  async run(context) {
    const { found, who } = await enterDataFolder(context);
    const settings = await loadSettings(SERVER_SETTINGS, context, who, found);
    const config = orUsage(() => buildServerConfig(settings, who));
    if (settings.origin("trust-domain") === "default") {
      context.output.note(`assay: no --trust-domain was given, using ${config.trustDomain}`);
    }
    if (found !== undefined) {
      checkSameFolder(found, config.dataDir);
      context.output.note(`assay: configured by ${found}`);
    }
    const exposed = exposedSecrets(settings, who);
    if (exposed !== undefined) context.output.note(`assay: ${exposed}`);
    makePrivateFolder(config.dataDir, settings.where("data-dir"));
    makeSocketFolder(config.socket, defaultPaths(who).runtime, settings.where("socket"));
    const { startServer } = await import("../../server/main.ts");
    return runDaemon({
      context,
      log: config,
      socket: config.socket,
      start: (tools) => startServer(config, tools),
      reload: reloader({ role: "server", settings, build: buildServerConfig, context, who, found }),
      ready: ({ tcpAddress, socket, metricsAddress, provisionAddress }) => ({
        listen: tcpAddress,
        socket,
        ...(metricsAddress === undefined ? {} : { metrics: metricsAddress }),
        ...(provisionAddress === undefined ? {} : { provision: provisionAddress }),
      }),
    });
  },
};
