/** A command line that starts a container: where to put what it is given, and what became of the container. */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { promisify } from "node:util";
import { errorFrom, fail } from "../../base/errors.ts";
import { UsageError } from "../program/grammar.ts";

/** What the container is given beside its own options. */
export interface ContainerGift {
  /** Folder of this host, and where it is in the container, read-only. */
  readonly mount: { readonly source: string; readonly target: string };
  /** Nothing secret: it stands in `docker inspect`. */
  readonly env: Readonly<Record<string, string>>;
  /** Where the engine writes the container's ID. */
  readonly idFile: string;
}

/** `docker run ...`, `docker --context x create ...`, and the same of programs that are called alike. */
export class ContainerCommand {
  readonly #argv: readonly string[];
  /** Of `run` or `create`. */
  readonly #at: number;

  /** @throws UsageError when it starts no container */
  constructor(argv: readonly string[]) {
    const at = argv.findIndex((word, index) => index > 0 && STARTS.has(word));
    if (argv.length === 0 || at < 0) {
      throw new UsageError(
        "no container is started by that command; write it as you would alone, 'docker run IMAGE' for example",
      );
    }
    this.#argv = argv;
    this.#at = at;
  }

  /** Only made, to be started later. */
  get isCreate(): boolean {
    return this.#argv[this.#at] === "create";
  }

  with({ mount, env, idFile }: ContainerGift): readonly string[] {
    return [
      ...this.#argv.slice(0, this.#at + 1),
      "--mount",
      `type=bind,source=${mount.source},target=${mount.target},readonly`,
      ...Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
      ...(this.#ownIdFile === undefined ? ["--cidfile", idFile] : []),
      ...this.#argv.slice(this.#at + 1),
    ];
  }

  /** The container, once the engine has said which it is. */
  container(idFile: string): Container | undefined {
    const file = this.#ownIdFile ?? idFile;
    if (!existsSync(file)) return undefined;
    const id = readFileSync(file, "utf8").trim();
    return CONTAINER_ID.test(id) ? new Container(this.#argv.slice(0, this.#at), id) : undefined;
  }

  get #ownIdFile(): string | undefined {
    const at = this.#argv.findIndex((word) => /^--cidfile(=|$)/.test(word));
    const word = this.#argv[at];
    return word?.includes("=") === true
      ? word.slice(word.indexOf("=") + 1)
      : this.#argv[at + 1 || -1];
  }
}

/** One container of the engine that the command talks to. */
export class Container {
  readonly #engine: readonly string[];
  readonly #id: string;

  /** @param engine the words before `run`; those of a group, `docker container`, do for all of its commands */
  constructor(engine: readonly string[], id: string) {
    this.#engine = engine;
    this.#id = id;
  }

  /** False also when it is gone. */
  async isRunning(): Promise<boolean> {
    const status = await this.#ask("inspect", ["--format", "{{.State.Status}}"]).catch(() => "");
    return LIVING.has(status.trim());
  }

  /** Resolves when it has ended for good, or is gone. @throws the signal's reason */
  async ended(signal: AbortSignal): Promise<void> {
    while (await this.isRunning()) {
      await this.#ask("wait", [], signal).catch(() => undefined);
      signal.throwIfAborted();
    }
  }

  /** @throws unavailable */
  async signal(name: NodeJS.Signals): Promise<void> {
    await this.#ask("kill", [`--signal=${name}`]);
  }

  async #ask(verb: string, options: readonly string[], signal?: AbortSignal): Promise<string> {
    const [program = "", ...words] = this.#engine;
    const group = words.at(-1) === "container" ? words : [...words, "container"];
    try {
      const { stdout } = await run(program, [...group, verb, ...options, this.#id], { signal });
      return stdout;
    } catch (cause) {
      throw fail(
        "unavailable",
        `'${basename(program)} ${verb}' failed: ${errorFrom(cause).message.split("\n").at(-2) ?? ""}`,
        { cause },
      );
    }
  }
}

const run = promisify(execFile);
const STARTS: ReadonlySet<string> = new Set(["run", "create"]);
const LIVING: ReadonlySet<string> = new Set(["running", "paused", "restarting"]);
const CONTAINER_ID = /^[0-9a-f]{12,64}$/;
