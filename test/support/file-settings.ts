/** Settings as a configuration file alone gives them, for tests of what follows from them. */
import { buildServerConfig } from "../../src/config/server/build-server.ts";
import type { PathContext } from "../../src/config/paths.ts";
import { SERVER_SETTINGS } from "../../src/config/server/server-settings.ts";
import type { ServerConfig } from "../../src/config/server/server-config.ts";
import type { SettingTable } from "../../src/config/settings/setting.ts";
import { Settings } from "../../src/config/settings/source.ts";

/** Not root, without a runtime folder. */
export const USER: PathContext = { uid: 1000, env: { HOME: "/home/u" } };

interface FileSettingsOptions {
  readonly context?: PathContext;
  /** Options of the command line. */
  readonly given?: Readonly<Record<string, string>>;
}

/** @param root what the file says; errors call it FILE */
export function fileSettings<T extends SettingTable>(
  table: T,
  root: object,
  { context = USER, given = {} }: FileSettingsOptions = {},
): Settings<T> {
  return new Settings({
    table,
    given: (name) => given[name],
    fromEnv: () => undefined,
    file: { name: "FILE", root: { ...root } },
    context,
  });
}

/** @throws ConfigError */
export function serverConfigOf(root: object, options: FileSettingsOptions = {}): ServerConfig {
  return buildServerConfig(fileSettings(SERVER_SETTINGS, root, options), options.context ?? USER);
}
