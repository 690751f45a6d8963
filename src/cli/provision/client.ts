import { resolve } from "node:path";
import { errorFrom } from "../../base/errors.ts";
import { systemClock } from "../../base/clock.ts";
import { systemRandom } from "../../base/random.ts";
import { readSecretFile } from "../../config/secret.ts";
import { type HeldIdentity, firstIdentity } from "../../provision/identity.ts";
import { type IdentityFileNames, IdentityFiles } from "../../provision/identity-files.ts";
import {
  type MemoryFolder,
  memoryCandidates,
  memoryFolder,
} from "../../provision/memory-folder.ts";
import { Renewal } from "../../provision/renewal.ts";
import type { Command, CommandContext } from "../program/command.ts";
import { isoTime, timeText } from "../text/facts.ts";
import { UsageError } from "../program/grammar.ts";
import {
  EXIT_NOT_FOUND,
  EXIT_NOT_STARTED,
  RunningCommand,
  becomeCommand,
  endLike,
} from "./run-command.ts";
import {
  FILE_OPTIONS,
  IDENTITY_OPTIONS,
  SERVER_OPTIONS,
  fileNames,
  identitySource,
  ownerOf,
  tokenOfFile,
  waitMs,
} from "./wanted-identity.ts";

export const command: Command = {
  name: "provision client",
  operand: "command",
  options: [
    ...SERVER_OPTIONS,
    ...IDENTITY_OPTIONS,
    {
      name: "token-file",
      value: "FILE",
      help: "the one-time token; never taken from the command line, which others can read",
      env: "ASSAY_PROVISION_TOKEN_FILE",
      fallback: "$ASSAY_PROVISION_TOKEN, which the command does not get to see",
    },
    {
      name: "dir",
      value: "DIR",
      help: "folder of the files; made a tmpfs where this process may, else one in memory elsewhere",
      env: "ASSAY_PROVISION_DIR",
      fallback: defaultDir(),
    },
    ...FILE_OPTIONS,
    { name: "more-names", help: "take names that were authorized and not asked for" },
    {
      name: "key-passphrase-file",
      value: "FILE",
      help: "encrypt the key's file with it; then any folder will do, a volume for example",
    },
    { name: "allow-disk", help: "write the key to a disk where there is no folder in memory" },
    { name: "no-renew", help: "one certificate, and then become the command for good" },
    {
      name: "reload-signal",
      value: "NAME",
      help: "tell the command of a new certificate with this signal, HUP for example",
      fallback: "it is not told",
    },
    { name: "command", value: "COMMAND...", help: "what to run", rest: true, many: true },
  ],
  examples: [
    "assay provision client --server https://ca.example.org:33004 --ca-file /ca.pem --name web.example.org --token-file /run/token -- nginx -g 'daemon off;'",
  ],
  notes: [
    "Makes a key, has it certified, checks the answer, writes id.key, id.crt and cacert.pem, and runs the command with",
    "ASSAY_KEY_FILE, ASSAY_CERT_FILE and ASSAY_CA_FILE in its environment: its signals, its standard streams and its exit",
    "code. The certificate is renewed by itself while the command runs. Without a command it is had once. Pollendina's",
    "environment is understood: COMMON_NAME, CA_IP, POLLENDINA_TOKEN (and POLLENDINA_TOCKEN).",
    "See doc/provision-client.md.",
  ],
  async run(context) {
    const { options, output, env, signal, releaseSignals } = context;
    const old = oldWords(env);
    const names = fileNames(context);
    const owner = ownerOf(context);
    const reload = reloadSignal(options.text("reload-signal"));
    const source = {
      ...(await identitySource(context, old)),
      mayHaveMore: options.flag("more-names"),
    };
    const token = tokenOf(context);
    const passphrase = passphraseOf(options.text("key-passphrase-file"));
    const folder = place(context, old.dir, passphrase !== undefined);
    using files = new IdentityFiles({
      dir: folder.path,
      names,
      ...owner,
      ...(passphrase === undefined ? {} : { passphrase }),
      random: systemRandom,
    });
    files.check();
    const first = await firstIdentity(source, { token, waitMs: waitMs(context) }, signal);
    await files.write(first);
    const argv = options.list("command");
    if (argv.length === 0) {
      output.line(factOf(first, files.paths));
      return undefined;
    }
    const childEnv = environmentOf(env, files.paths);
    releaseSignals();
    try {
      if (options.flag("no-renew")) becomeCommand(argv, childEnv);
      const running = RunningCommand.start(argv, childEnv);
      await using _ = new Renewal({
        source,
        first,
        clock: systemClock,
        random: systemRandom,
        async onRenewed(identity) {
          await files.write(identity);
          if (reload !== undefined) running.signal(reload);
        },
        onError: noteOf(output.note),
      });
      return endLike(await running.ended);
    } catch (thrown) {
      const { kind, message } = errorFrom(thrown);
      output.note(`assay: ${message}`);
      return kind === "not_found" ? EXIT_NOT_FOUND : EXIT_NOT_STARTED;
    }
  },
};

interface OldEnvironment {
  readonly server?: string;
  readonly name?: string;
  readonly caFile?: string;
  readonly dir?: string;
}

/** Pollendina's entrypoint: its variables, and its folder where they are used. */
function oldWords(env: NodeJS.ProcessEnv): OldEnvironment {
  const server = filled(env["CA_IP"]);
  const name = filled(env["COMMON_NAME"]);
  return {
    ...(server === undefined ? {} : { server, dir: OLD_DIR, caFile: `${OLD_DIR}/cacert.pem` }),
    ...(name === undefined ? {} : { name }),
  };
}

function tokenOf({ options, env }: CommandContext): string {
  const file = options.text("token-file");
  if (file !== undefined) return tokenOfFile(file);
  const token = TOKEN_VARIABLES.map((name) => filled(env[name])).find(
    (value) => value !== undefined,
  );
  if (token === undefined) {
    throw new UsageError("--token-file is missing; 'assay provision token --write FILE' makes one");
  }
  if (/^[\x21-\x7e]{1,1024}$/.test(token)) return token;
  throw new UsageError("the token of the environment has spaces or odd characters, and is none");
}

/** @throws denied when there is no place that a key may be in */
function place(
  { options, env, output }: CommandContext,
  oldDir: string | undefined,
  isSealed: boolean,
): Pick<MemoryFolder, "path"> {
  const dir = options.text("dir") ?? oldDir ?? defaultDir();
  if (isSealed) return { path: resolve(dir) };
  const folder = memoryFolder({
    dir,
    candidates: memoryCandidates(env),
    mayUseDisk: options.flag("allow-disk"),
  });
  if (folder.how === "disk") {
    output.note(`assay: warning: the key is written to a disk, in ${folder.path}`);
  } else if (folder.how === "elsewhere" && folder.isLinked !== true) {
    output.note(`assay: the files are in ${folder.path}, which lies in memory`);
  }
  return folder;
}

/** @throws invalid when it is too short to be worth anything */
function passphraseOf(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  const passphrase = readSecretFile(file, "--key-passphrase-file");
  if (passphrase.length >= LEAST_PASSPHRASE) return passphrase;
  throw new UsageError(
    `--key-passphrase-file: the passphrase has fewer than ${LEAST_PASSPHRASE} characters`,
  );
}

/** @throws UsageError */
export function reloadSignal(name: string | undefined): NodeJS.Signals | undefined {
  if (name === undefined) return undefined;
  const signal = RELOAD_SIGNALS.find((known) => known === `SIG${name.replace(/^SIG/, "")}`);
  if (signal !== undefined) return signal;
  throw new UsageError(`--reload-signal: '${name}' is none of HUP, USR1, USR2, WINCH`);
}

function environmentOf(env: NodeJS.ProcessEnv, paths: IdentityFileNames): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !TOKEN_VARIABLES.includes(name));
  return {
    ...Object.fromEntries(kept),
    ASSAY_KEY_FILE: paths.key,
    ASSAY_CERT_FILE: paths.certificate,
    ASSAY_CA_FILE: paths.authorities,
  };
}

function factOf(identity: HeldIdentity, { certificate }: IdentityFileNames): string {
  const until = timeText(identity.notAfter, systemClock.nowMs());
  return `wrote ${certificate}, until ${until}`;
}

/** One line for each new sentence, not for each attempt. */
export function noteOf(note: (text: string) => void): (error: Error) => void {
  let noted = "";
  return ({ message }) => {
    const now = isoTime(Math.floor(systemClock.nowMs() / 1000));
    if (message !== noted) note(`assay: ${now} the certificate was not renewed: ${message}`);
    noted = message;
  };
}

function filled(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

/** A declaration, as the table above is made while this file loads. */
function defaultDir(): string {
  return "/run/assay/identity";
}

const LEAST_PASSPHRASE = 12;
const OLD_DIR = "/certs";
/** The misspelt one is Pollendina's own; its guides have the other. */
const TOKEN_VARIABLES: readonly string[] = [
  "ASSAY_PROVISION_TOKEN",
  "POLLENDINA_TOKEN",
  "POLLENDINA_TOCKEN",
];
const RELOAD_SIGNALS = ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;
