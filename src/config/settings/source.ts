import type { ConfigFile } from "./config-file.ts";
import type { PathContext } from "../paths.ts";
import { ConfigError } from "./problems.ts";
import { NO_SECTIONS } from "./no-sections.ts";
import { defaultNode, nodeOfText, readValue, reportStrangers } from "./read-value.ts";
import { type Got, type SettingTable, camelCase, fileFields } from "./setting.ts";

export type Origin = "option" | "environment" | "file" | "default";

/** Where one program's settings come from: the command line, then the environment, then the configuration file. */
export interface SettingSources<T extends SettingTable> {
  readonly table: T;
  readonly given: (name: string) => string | undefined;
  readonly fromEnv: (name: string) => string | undefined;
  readonly file?: ConfigFile;
  /** For defaults that depend on the user. */
  readonly context: PathContext;
}

interface Found {
  /** As a file would have it. */
  readonly node: unknown;
  readonly origin: Origin;
  /** What an error calls the setting: `--data-dir`, or `dataDir in FILE`. */
  readonly where: (path: string) => string;
}

/** Reads settings as typed values by their shapes; every error names the place that the value came from. */
export class Settings<T extends SettingTable> {
  readonly table: T;
  readonly #sources: SettingSources<T>;

  constructor(sources: SettingSources<T>) {
    this.table = sources.table;
    this.#sources = sources;
  }

  get file(): ConfigFile | undefined {
    return this.#sources.file;
  }

  /** @throws ConfigError naming each place in it that is wrong */
  get<N extends keyof T & string>(name: N): Got<T[N]> {
    const problems: string[] = [];
    const value = this.#read(name, problems);
    if (problems.length > 0) throw new ConfigError(problems);
    // `Got` says when there may be none: that is what the table's defaults decide.
    return value as Got<T[N]>;
  }

  /** @throws ConfigError with everything that is wrong by itself, unknown keys of the file included */
  check(): void {
    const problems: string[] = [];
    const { file, table } = this.#sources;
    if (file !== undefined) {
      reportStrangers(fileFields(table), file.root, "", {
        report: (path, problem) => problems.push(`${path} in ${file.name}: ${problem}`),
      });
    }
    for (const name of Object.keys(table)) this.#read(name, problems);
    if (problems.length > 0) throw new ConfigError(problems);
  }

  /** How a sentence should call the setting, or a field within it (`web.keyType`). */
  where(name: keyof T & string, path = ""): string {
    return this.#find(name)?.where(path) ?? `--${name}`;
  }

  /** Undefined when there is no value. */
  origin(name: keyof T & string): Origin | undefined {
    return this.#find(name)?.origin;
  }

  /** The value as a file would have it, for comparing and showing. */
  node(name: keyof T & string): unknown {
    return this.#find(name)?.node;
  }

  #read(name: string, problems: string[]): unknown {
    const found = this.#find(name);
    const setting = this.#setting(name);
    if (found === undefined) {
      if (setting.required === true) problems.push(`--${name} is missing`);
      return undefined;
    }
    return readValue(setting.shape, found.node, "", {
      context: this.#sources.context,
      report: (path, problem) => {
        const said = NO_SECTIONS.get(`${camelCase(name)}.${path}`) ?? problem;
        problems.push(`${found.where(path)}: ${said}`);
      },
    });
  }

  #find(name: string): Found | undefined {
    const { given, fromEnv, file, context } = this.#sources;
    const setting = this.#setting(name);
    const { shape } = setting;
    const option = `--${name}`;
    const ofText = (text: string, origin: Origin, where: string): Found => ({
      node: nodeOfText(shape, text),
      origin,
      where: (path) => (path === "" ? where : `${where}: ${path}`),
    });
    const text = given(name);
    if (text !== undefined) return ofText(text, "option", option);
    const inherited = fromEnv(name);
    if (inherited !== undefined) {
      return ofText(inherited, "environment", `${option} (from the environment)`);
    }
    const key = camelCase(name);
    if (file !== undefined && Object.hasOwn(file.root, key)) {
      return {
        node: file.root[key],
        origin: "file",
        where: (path) => `${key}${within(path)} in ${file.name}`,
      };
    }
    const node = defaultNode(setting, context);
    return node === undefined ? undefined : { node, origin: "default", where: () => option };
  }

  #setting(name: string): T[string] {
    const setting = this.table[name];
    if (setting === undefined) throw new TypeError(`there is no setting '${name}' in the table`);
    return setting as T[string];
  }
}

/** `[0].url` follows its key at once, `oidc` with a dot. */
function within(path: string): string {
  return path === "" || path.startsWith("[") ? path : `.${path}`;
}
