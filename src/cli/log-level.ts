import { LOG_LEVELS } from "../observe/logger.ts";
import type { Logger__Output } from "../rpc/gen/spire/api/types/Logger.ts";
import { PEER_OPTIONS, connectPeer } from "./connection/admin-peer.ts";
import type { Command } from "./program/command.ts";
import { factLines } from "./text/facts.ts";
import { UsageError } from "./program/grammar.ts";
import { OUTPUT_OPTION } from "./program/options.ts";

export const command: Command = {
  name: "log-level",
  operand: "level",
  options: [
    {
      name: "level",
      value: "LEVEL",
      help: "least severe lines to log from now on",
      choices: LOG_LEVELS,
      fallback: "show it",
    },
    { name: "reset", help: "go back to the level of the start" },
    ...PEER_OPTIONS,
    OUTPUT_OPTION,
  ],
  examples: ["assay log-level", "assay log-level debug", "assay log-level --reset"],
  notes: [
    "It holds until the next start, or until the configuration is read again and names another level than before.",
  ],
  async run(context) {
    const { options, output } = context;
    const level = options.text("level");
    const reset = options.flag("reset");
    if (reset && level !== undefined) {
      throw new UsageError("a level and --reset are both given; leave one out");
    }
    using peer = await connectPeer(context);
    const [method, request] = reset
      ? ["ResetLogLevel", {}]
      : level === undefined
        ? ["GetLogger", {}]
        : ["SetLogLevel", { new_level: level.toUpperCase() }];
    const logger = await peer.client.call<Logger__Output>(
      `spire.api.${peer.role}.logger.v1.Logger`,
      method,
      request,
    );
    const current = logger.current_level.toLowerCase();
    const launch = logger.launch_level.toLowerCase();
    output.data({ current, launch }, () =>
      factLines([
        ["now", current],
        ["at start", launch],
      ]),
    );
    return undefined;
  },
};
