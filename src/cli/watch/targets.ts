/** What `assay watch` is to write: the options' one target, or the targets of a file. */
import { AssayError, fail } from "../../base/errors.ts";
import { readConfigFile } from "../../config/settings/config-file.ts";
import {
  DELIVERY_FILE_FIELDS,
  TARGET_FIELDS,
  type TargetValues,
} from "../../config/delivery-settings.ts";
import type { PathContext } from "../../config/paths.ts";
import { ConfigError, allOf, problemsOf } from "../../config/settings/problems.ts";
import { nodeOfText, readSection } from "../../config/settings/read-value.ts";
import { readSecretFile } from "../../config/secret.ts";
import type { SectionValue } from "../../config/settings/shape.ts";
import {
  type FileNames,
  type Target,
  type Tell,
  checkTarget,
  defaultNames,
} from "../../delivery/target.ts";
import { parsePid } from "../../delivery/tell.ts";
import { SpiffeId } from "../../spiffe/spiffe-id.ts";
import type { CommandContext } from "../program/command.ts";
import { type OptionSpec, UsageError, orUsage } from "../program/grammar.ts";
import { currentUid } from "../connection/rpc-clients.ts";
import { settingOptions } from "../daemon/settings.ts";
import { accountId } from "./accounts.ts";

const FIELDS = Object.entries(TARGET_FIELDS).map(
  ([key, field]) => [optionName(key), field] as const,
);
export const TARGET_OPTIONS = settingOptions(Object.fromEntries(FIELDS));

export const DELIVERY_OPTIONS: readonly OptionSpec[] = [
  { name: "dir", value: "DIR", help: "write files there instead of printing, and keep them new" },
  ...TARGET_OPTIONS,
  {
    name: "jwt-svid",
    value: "FILE=AUDIENCE,...",
    help: "with --dir: write a JWT-SVID to this file, too",
    many: true,
  },
  {
    name: "config",
    value: "FILE",
    help: "several folders, each with the options above as camelCase keys",
  },
  { name: "once", help: "with --dir or --config: write once and end, as an init container does" },
];

export interface Wanted {
  readonly targets: readonly Target[];
  /** Named in the file. */
  readonly socket?: string;
}

/** @returns undefined when nothing is to be written. @throws UsageError, ConfigError */
export async function wantedTargets(context: CommandContext): Promise<Wanted | undefined> {
  const { options, env } = context;
  const dir = options.text("dir");
  const file = options.text("config");
  const given = DELIVERY_OPTIONS.filter(({ name, value, many }) =>
    value === undefined
      ? options.flag(name)
      : many
        ? options.list(name).length > 0
        : options.given(name) !== undefined,
  ).map(({ name }) => name);
  if (dir !== undefined && file !== undefined) {
    throw new UsageError("--dir and --config are both given; a file names its own folders");
  }
  if (file !== undefined) {
    const stray = given.find((name) => !["config", "once"].includes(name));
    if (stray !== undefined)
      throw new UsageError(`--${stray} has no meaning with --config; the file says it`);
    return fromFile(file, { uid: currentUid(), env });
  }
  if (dir !== undefined) return { targets: [targetFromOptions(dir, context, TARGET_OPTIONS)] };
  if (given[0] !== undefined) throw new UsageError(`--${given[0]} has a meaning with --dir only`);
  return undefined;
}

/**
 * One folder by a command's own options.
 * @param offered those of `TARGET_OPTIONS` that the command has @param names of files where they differ @throws UsageError
 */
export function targetFromOptions(
  dir: string,
  { options, env }: CommandContext,
  offered: readonly OptionSpec[],
  names?: Partial<FileNames>,
): Target {
  const node: Record<string, unknown> = { dir };
  for (const [key, { shape }] of Object.entries(TARGET_FIELDS)) {
    const name = optionName(key);
    if (!offered.some((option) => option.name === name)) continue;
    if (shape.kind === "flag") node[key] = options.flag(name);
    else {
      const text = options.given(name);
      if (text !== undefined) node[key] = nodeOfText(shape, text);
    }
  }
  if (offered === TARGET_OPTIONS) node["jwtSvids"] = options.list("jwt-svid").map(tokenFileOf);
  // A store has its own names.
  if (names !== undefined && (node["format"] ?? "pem") === "pem") node["names"] = names;
  return orUsage(() => {
    const problems: string[] = [];
    const values = readSection(TARGET_SECTION_FIELDS, node, "", {
      context: { uid: currentUid(), env },
      report: (path, problem) => problems.push(`--${optionOf(path)}: ${problem}`),
    });
    if (problems.length > 0 || values === undefined) throw new ConfigError(problems);
    return targetOf(values as TargetValues, env);
  });
}

function tokenFileOf(text: string): object {
  const at = text.indexOf("=");
  return {
    file: at < 0 ? text : text.slice(0, at),
    audience: at < 0 ? [] : text.slice(at + 1).split(","),
  };
}

async function fromFile(name: string, context: PathContext): Promise<Wanted> {
  const file = await readConfigFile(name);
  const problems: string[] = [];
  const values = readSection(DELIVERY_FILE_FIELDS, file.root, "", {
    context,
    report: (path, problem) => problems.push(`${path} in ${name}: ${problem}`),
  });
  if (problems.length > 0 || values === undefined) throw usage(problems);
  const { socket, targets } = values as SectionValue<typeof DELIVERY_FILE_FIELDS>;
  const made = targets.map((target, index) => {
    try {
      return targetOf(target, context.env);
    } catch (thrown) {
      if (!(thrown instanceof AssayError)) throw thrown;
      problems.push(
        ...problemsOf(thrown).map((problem) => `targets[${index}] in ${name}: ${problem}`),
      );
      return undefined;
    }
  });
  const twice = targets.find(
    ({ dir }, index) => targets.findIndex((other) => other.dir === dir) < index,
  );
  if (twice !== undefined) problems.push(`${name}: two targets have the folder ${twice.dir}`);
  if (problems.length > 0) throw usage(problems);
  return {
    targets: made.filter((target) => target !== undefined),
    ...(socket === undefined ? {} : { socket }),
  };
}

function usage(problems: readonly string[]): UsageError {
  return new UsageError(new ConfigError(problems).message);
}

/** @throws ConfigError with all that is wrong */
function targetOf(values: TargetValues, env: NodeJS.ProcessEnv): Target {
  const { dir, format, fileMode, keyMode, includeFederated, omitExpired, jwtBundle, storeCipher } =
    values;
  const made = allOf({
    pick: () => ({
      ...(values.spiffeId === undefined
        ? {}
        : { spiffeId: SpiffeId.parse(values.spiffeId).toString() }),
      ...(values.hint === undefined ? {} : { hint: values.hint }),
    }),
    ids: () => ({
      ...(values.owner === undefined ? {} : { uid: accountId("owner", values.owner) }),
      ...(values.group === undefined ? {} : { gid: accountId("group", values.group) }),
    }),
    password: () => passwordOf(values, env),
    tell: () => tellOf(values),
  });
  const target: Target = {
    dir,
    format,
    pick: made.pick,
    names: { ...defaultNames(format), ...values.names },
    ...made.ids,
    fileMode: Number.parseInt(fileMode, 8),
    keyMode: Number.parseInt(keyMode, 8),
    includeFederated,
    omitExpired,
    jwtBundle,
    crl: values.crl,
    tokens: values.jwtSvids,
    ...made.password,
    storeCipher,
    tell: made.tell,
  };
  checkTarget(target);
  return target;
}

function passwordOf(
  { format, passwordFile }: TargetValues,
  env: NodeJS.ProcessEnv,
): { readonly password?: string } {
  if (format !== "pkcs12") {
    if (passwordFile === undefined) return {};
    throw fail("invalid", "a password has a meaning with the format pkcs12 only");
  }
  if (passwordFile !== undefined)
    return { password: readSecretFile(passwordFile, "password file") };
  const inherited = env["ASSAY_PKCS12_PASSWORD"] ?? "";
  return inherited === "" ? {} : { password: inherited };
}

function tellOf({ run, runTimeout, signal, signalName }: TargetValues): Tell {
  return {
    ...(run === undefined ? {} : { run }),
    runTimeoutMs: runTimeout * 1000,
    ...(signal === undefined ? {} : { signal: pidOrFile(signal) }),
    signalName: `SIG${signalName}`,
  };
}

function pidOrFile(text: string): number | string {
  if (!/^-?\d+$/.test(text)) return text;
  const pid = parsePid(text);
  if (pid === undefined) throw fail("invalid", `signal: ${text} is no PID of one process`);
  return pid;
}

function optionName(key: string): string {
  return key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `jwtSvids[0].file` is the option `jwt-svid`. */
function optionOf(path: string): string {
  return path.startsWith("jwtSvids") ? "jwt-svid" : optionName(path);
}

const TARGET_SECTION_FIELDS = DELIVERY_FILE_FIELDS.targets.shape.of.fields;
