/** The passphrase of an offline root: from a file or a pipe, or typed. */
import { closeSync, openSync, statSync } from "node:fs";
import { ReadStream, isatty } from "node:tty";
import { fail } from "../../base/errors.ts";
import type { CommandContext } from "../program/command.ts";
import { type OptionSpec, UsageError } from "../program/grammar.ts";
import { readNamedFile } from "../files/named-file.ts";
import { typeSecrets } from "./typed-secret.ts";

export const PASSPHRASE_OPTION: OptionSpec = {
  name: "passphrase-file",
  value: "FILE",
  help: "passphrase of the root's key, 12 characters or more; - is standard input",
  fallback: "asked for at the terminal",
};

/**
 * @param isNew it is asked for twice, as nobody sees what is typed
 * @throws invalid when it is too short to protect a root; cancelled when nothing is typed
 */
export async function readPassphrase(
  { options, signal }: Pick<CommandContext, "options" | "signal">,
  { isNew = false }: { readonly isNew?: boolean } = {},
): Promise<string> {
  const given = options.text("passphrase-file");
  const file = given === "-" ? STDIN : (given ?? STDIN);
  if (given === undefined && !isatty(0)) {
    throw new UsageError(
      "--passphrase-file is missing, and standard input is no terminal to ask at; - reads it from there, /dev/tty asks all the same",
    );
  }
  if (file !== STDIN && !statSync(file, { throwIfNoEntry: false })) {
    throw fail(
      "not_found",
      `--passphrase-file: there is no file ${file}; - reads it from standard input`,
    );
  }
  const terminal = terminalOf(file);
  if (terminal === undefined) {
    // By its descriptor: a socket, as some parents give for a pipe, cannot be opened by its name.
    const text = readNamedFile(file === STDIN ? "-" : file, "passphrase-file");
    return strongEnough(text.replace(/\r?\n$/, ""), "--passphrase-file: ");
  }
  const prompts = ["passphrase of the root's key: ", ...(isNew ? ["the same once more: "] : [])];
  const write = (text: string): void => void process.stderr.write(text);
  try {
    const [typed = "", again = typed] = await typeSecrets(prompts, {
      input: terminal,
      write,
      signal,
    });
    if (typed !== again) {
      throw fail("invalid", "two different passphrases were typed; run the command again");
    }
    return strongEnough(typed, "");
  } finally {
    if (terminal !== process.stdin) terminal.destroy();
  }
}

/** Where somebody sits and types: what they type is not to be shown. */
function terminalOf(file: string): ReadStream | undefined {
  if (file === STDIN) return process.stdin.isTTY ? process.stdin : undefined;
  if (statSync(file).isCharacterDevice()) {
    const fd = openSync(file, "r");
    if (isatty(fd)) return new ReadStream(fd);
    closeSync(fd);
  }
  return undefined;
}

function strongEnough(passphrase: string, where: string): string {
  if (passphrase.length >= LEAST_LENGTH) return passphrase;
  throw fail(
    "invalid",
    `${where}the passphrase has fewer than ${LEAST_LENGTH} characters; whoever copies the folder can try them all: take a longer one`,
  );
}

const STDIN = "/dev/stdin";
const LEAST_LENGTH = 12;
