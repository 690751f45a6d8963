import { systemClock } from "../../base/clock.ts";
import { systemRandom } from "../../base/random.ts";
import { AGENT_SETTINGS } from "../../config/agent/agent-settings.ts";
import { buildAgentConfig } from "../../config/agent/build-agent.ts";
import { buildServerConfig } from "../../config/server/build-server.ts";
import type { ConfigFile } from "../../config/settings/config-file.ts";
import type { PathContext } from "../../config/paths.ts";
import { SERVER_SETTINGS } from "../../config/server/server-settings.ts";
import { type SettingTable, fileFields } from "../../config/settings/setting.ts";
import { Settings } from "../../config/settings/source.ts";
import type { CommandContext } from "../program/command.ts";
import { type OptionSpec, UsageError } from "../program/grammar.ts";
import { OUTPUT_OPTION } from "../program/options.ts";

type Role = "server" | "agent";

export const CONFIG_OPTIONS: readonly OptionSpec[] = [
  { name: "file", value: "FILE", help: "configuration file, YAML or JSON", required: true },
  { name: "server", help: "it is for 'assay server'; otherwise its keys tell" },
  { name: "agent", help: "it is for 'assay agent'" },
  OUTPUT_OPTION,
];

/** What `assay ROLE --config FILE`, started here, would be configured with. */
export interface RoleConfig {
  readonly role: Role;
  readonly settings: Settings<SettingTable>;
  /** Variables with secrets that are set, beside those that settings name. */
  readonly secretVariables: readonly string[];
  /** What the file leaves to the command line. */
  readonly missing: readonly string[];
  /** @throws ConfigError with all that is wrong; what making the attestors as a start does throws */
  readonly check: () => Promise<void>;
}

/** @throws UsageError when the options contradict each other or the file does not tell */
export function roleOf({ options }: CommandContext, file: ConfigFile): Role {
  const given = (["server", "agent"] as const).filter((role) => options.flag(role));
  if (given.length > 1) throw new UsageError("--server and --agent are both given; leave one out");
  if (given[0] !== undefined) return given[0];
  const strangers = (table: SettingTable): number => {
    const fields = fileFields(table);
    return Object.keys(file.root).filter((key) => !Object.hasOwn(fields, key)).length;
  };
  const [server, agent] = [strangers(SERVER_SETTINGS), strangers(AGENT_SETTINGS)];
  if (server === agent) {
    throw new UsageError(
      `${file.name} could be the server's or the agent's; say which with --server or --agent`,
    );
  }
  return server < agent ? "server" : "agent";
}

export function roleConfig(role: Role, file: ConfigFile, context: PathContext): RoleConfig {
  return role === "server" ? serverConfig(file, context) : agentConfig(file, context);
}

function serverConfig(file: ConfigFile, context: PathContext): RoleConfig {
  const settings = fileSettings(SERVER_SETTINGS, file, context);
  return {
    role: "server",
    settings,
    secretVariables: set(SERVER_SECRETS, context),
    missing: [],
    check: async () => {
      const config = buildServerConfig(settings, context);
      const { checkServerConfig } = await import("../../server/check-config.ts");
      await checkServerConfig(config, SYSTEM);
    },
  };
}

function agentConfig(file: ConfigFile, context: PathContext): RoleConfig {
  const settings = fileSettings(AGENT_SETTINGS, file, context);
  const isWhole = settings.origin("server") !== undefined;
  const checked = isWhole
    ? settings
    : fileSettings(AGENT_SETTINGS, file, context, { server: "server.invalid:8081" });
  return {
    role: "agent",
    settings,
    secretVariables: set(["ASSAY_JOIN_TOKEN"], context),
    missing: isWhole ? [] : ["server"],
    check: async () => {
      const config = buildAgentConfig(checked, context);
      const { checkAgentConfig } = await import("../../agent/check-config.ts");
      await checkAgentConfig(config, SYSTEM);
    },
  };
}

/** @param given stands in for what only a command line can tell */
function fileSettings<T extends SettingTable>(
  table: T,
  file: ConfigFile,
  context: PathContext,
  given: Readonly<Record<string, string>> = {},
): Settings<T> {
  return new Settings({
    table,
    given: (name) => given[name],
    fromEnv: (name) => {
      const { env } = table[name] ?? {};
      const value = env === undefined ? undefined : context.env[env];
      return value === "" ? undefined : value;
    },
    file,
    context,
  });
}

const SYSTEM = { clock: systemClock, random: systemRandom };

function set(names: readonly string[], { env }: PathContext): readonly string[] {
  return names.filter((name) => (env[name] ?? "") !== "");
}

const SERVER_SECRETS = ["ASSAY_KEY_ENCRYPTION_KEY", "ASSAY_PKCS11_PIN", "ASSAY_VAULT_TOKEN"];
