import { rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../base/clock.ts";
import { errorFrom } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { type HeldIdentity, type IdentitySource, firstIdentity } from "../../provision/identity.ts";
import { type IdentityFileNames, IdentityFiles } from "../../provision/identity-files.ts";
import { Renewal } from "../../provision/renewal.ts";
import type { Command, CommandContext } from "../program/command.ts";
import { AUTHORIZE_OPTIONS, authorize } from "./authorize.ts";
import { noteOf, reloadSignal } from "./client.ts";
import { type Container, ContainerCommand } from "./container-command.ts";
import { giveToken, identityEnvironment, makeRoom, targetOf } from "./gift.ts";
import {
  type CommandEnd,
  EXIT_NOT_FOUND,
  EXIT_NOT_STARTED,
  RunningCommand,
  endLike,
} from "./run-command.ts";
import {
  FILE_OPTIONS,
  IDENTITY_OPTIONS,
  SERVER_OPTIONS,
  fileNames,
  identitySource,
  ownerOf,
  waitMs,
} from "./wanted-identity.ts";

export const command: Command = {
  name: "provision exec",
  operand: "command",
  options: [
    ...SERVER_OPTIONS,
    ...AUTHORIZE_OPTIONS,
    ...IDENTITY_OPTIONS,
    {
      name: "give",
      value: "WHAT",
      help: "what the container gets: files of its identity, or the token, for an image whose entrypoint is 'assay provision client'",
      choices: ["identity", "token"],
      fallback: "identity",
    },
    {
      name: "dir",
      value: "DIR",
      help: "folder in the container",
      fallback: "/run/assay/identity, with --give token /run/assay/provision",
    },
    ...FILE_OPTIONS,
    {
      name: "no-renew",
      help: "one certificate; do not stay beside a container that runs detached",
    },
    {
      name: "reload-signal",
      value: "NAME",
      help: "tell the container of a new certificate with this signal, HUP for example",
      fallback: "it is not told",
    },
    { name: "command", value: "COMMAND...", help: "what to run", rest: true, many: true },
  ],
  examples: [
    "assay provision exec --server https://ca.example.org:33004 --ca-file ca.pem --name web.example.org -- docker run --rm nginx",
  ],
  notes: [
    "Authorizes the name, has the certificate made on this host, in memory, and gives the container a read-only folder with",
    "key, certificate and authorities, and ASSAY_KEY_FILE, ASSAY_CERT_FILE and ASSAY_CA_FILE. They are renewed until the",
    "container has ended, and then removed. The engine must run on this host. See doc/provision-client.md.",
  ],
  async run(context) {
    const started = new ContainerCommand(context.options.list("command"));
    const plan = {
      started,
      names: fileNames(context),
      owner: ownerOf(context),
      reload: reloadSignal(context.options.text("reload-signal")),
      target: targetOf(context.options.text("dir"), context.options.text("give") === "token"),
      source: { ...(await identitySource(context, {})), mayHaveMore: true },
    };
    const room = makeRoom(context);
    let left: Left = { isDone: true };
    try {
      left = await startWithGift(context, plan, room);
    } finally {
      if (left.isDone) rmSync(room, { recursive: true, force: true });
    }
    if (!left.isDone) context.output.note(`assay: what the container was given stays in ${room}`);
    return left.end === undefined ? left.code : endLike(left.end);
  },
};

interface Plan {
  readonly started: ContainerCommand;
  readonly names: IdentityFileNames;
  readonly owner: { readonly uid?: number; readonly gid?: number };
  readonly reload: NodeJS.Signals | undefined;
  /** In the container. */
  readonly target: string;
  readonly source: IdentitySource;
}

interface Left {
  /** Nobody needs the gift any more. */
  readonly isDone: boolean;
  readonly end?: CommandEnd;
  readonly code?: number;
}

async function startWithGift(context: CommandContext, plan: Plan, room: string): Promise<Left> {
  const { options, output, signal } = context;
  const { started, names, owner, source, target } = plan;
  const [given, idFile] = [join(room, "given"), join(room, "id")];
  using files = new IdentityFiles({ dir: given, names, ...owner, random: systemRandom });
  files.check();
  const token = await authorize(context, source);
  await using background = new AsyncDisposableStack();
  let env: Readonly<Record<string, string>>;
  if (options.text("give") === "token") {
    env = giveToken({ token, source, owner, given, target, url: options.text("server") ?? "" });
  } else {
    const first = await firstIdentity(source, { token, waitMs: waitMs(context) }, signal);
    await files.write(first);
    if (!options.flag("no-renew")) {
      background.use(renewal(plan, { first, files, idFile, note: output.note }));
    }
    env = identityEnvironment(source, target, names);
  }
  context.releaseSignals();
  let end: CommandEnd;
  try {
    const argv = started.with({ mount: { source: given, target }, env, idFile });
    end = await RunningCommand.start(argv, context.env).ended;
  } catch (thrown) {
    const { kind, message } = errorFrom(thrown);
    output.note(`assay: ${message}`);
    return { isDone: true, code: kind === "not_found" ? EXIT_NOT_FOUND : EXIT_NOT_STARTED };
  }
  if (started.isCreate) return { isDone: end.code !== 0, end };
  const container = started.container(idFile);
  if (container === undefined || !(await container.isRunning())) return { isDone: true, end };
  if (options.flag("no-renew")) return { isDone: false, end };
  output.note("assay: the container runs detached; staying to renew its certificate");
  return { isDone: await endOrSignal(container), end };
}

function renewal(
  { source, started, reload }: Plan,
  {
    first,
    files,
    idFile,
    note,
  }: {
    readonly first: HeldIdentity;
    readonly files: IdentityFiles;
    readonly idFile: string;
    readonly note: (text: string) => void;
  },
): Renewal {
  return new Renewal({
    source,
    first,
    clock: systemClock,
    random: systemRandom,
    async onRenewed(identity) {
      await files.write(identity);
      if (reload !== undefined) await started.container(idFile)?.signal(reload);
    },
    onError: noteOf(note),
  });
}

/** @returns whether the container has ended; false when this process was asked to end first */
async function endOrSignal(container: Container): Promise<boolean> {
  const asked = Promise.withResolvers<false>();
  const stop = new AbortController();
  const onSignal = (): void => {
    stop.abort();
    asked.resolve(false);
  };
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, onSignal);
  return Promise.race([container.ended(stop.signal).then(() => true), asked.promise]);
}
