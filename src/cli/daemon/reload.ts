import { type SettingChanges, settingChanges } from "../../config/settings/changes.ts";
import type { PathContext } from "../../config/paths.ts";
import type { ConfigChange } from "../../config/reload.ts";
import type { SettingTable } from "../../config/settings/setting.ts";
import type { Settings } from "../../config/settings/source.ts";
import type { LogLevel } from "../../observe/logger.ts";
import type { CommandContext } from "../program/command.ts";
import { loadSettings } from "./settings.ts";

/** A daemon that can take over another configuration while it runs. */
export interface Reloadable<Config> {
  reload(load: () => Promise<ConfigChange<Config>>): Promise<void>;
}

export interface ReloaderParams<T extends SettingTable, Config> {
  readonly role: string;
  /** Those that the daemon was started with. */
  readonly settings: Settings<T>;
  readonly build: (settings: Settings<T>, who: PathContext) => Config;
  readonly context: CommandContext;
  readonly who: PathContext;
  /** As `loadSettings` had it. */
  readonly found?: string | undefined;
}

/** What a reload did. */
export interface Reloaded {
  readonly logLevel: LogLevel;
  readonly changes: SettingChanges;
}

/** Reads the configuration again as at the start: the same command line and environment, and the file as it is now. */
export function reloader<T extends SettingTable, Config extends { readonly logLevel: LogLevel }>({
  role,
  settings,
  build,
  context,
  who,
  found,
}: ReloaderParams<T, Config>): (running: Reloadable<Config>) => Promise<Reloaded> {
  let current = settings;
  return async (running) => {
    let next = current;
    let reloaded: Reloaded | undefined;
    await running.reload(async () => {
      next = await loadSettings(current.table, context, who, found);
      const config = build(next, who);
      const changes = settingChanges(current, next, role);
      reloaded = { logLevel: config.logLevel, changes };
      return { config, settings: [...changes.now, ...changes.start] };
    });
    if (reloaded === undefined) throw new TypeError("a reload that succeeds has read something");
    current = next;
    return reloaded;
  };
}
