import { type Command, type CommandContext, EXIT_FAILURE } from "../program/command.ts";
import type { OptionSpec } from "../program/grammar.ts";
import { idText } from "../text/ids.ts";
import { OUTPUT_OPTION } from "../program/options.ts";
import { type RpcClient, SERVER_SOCKET_OPTION, connectServer } from "../connection/rpc-clients.ts";
import { type RegistryDiff, diffRegistry } from "./diff.ts";
import { readDesired } from "./desired.ts";
import type { DesiredEntry } from "./entry-file.ts";
import { readBeside } from "./beside.ts";
import { objections } from "./objections.ts";
import { STRICT_OPTION } from "./fields.ts";
import { listEntries } from "./list.ts";

export const PLAN_OPTIONS: readonly OptionSpec[] = [
  {
    name: "file",
    value: "FILE",
    help: "YAML or JSON with 'entries'; - for standard input",
    required: true,
  },
  { name: "prune", help: "delete entries that are not in the file" },
  STRICT_OPTION,
  SERVER_SOCKET_OPTION,
  OUTPUT_OPTION,
];

export const command: Command = {
  name: "entry plan",
  operand: "file",
  options: PLAN_OPTIONS,
  examples: ["assay entry plan entries.yaml", "assay entry plan entries.yaml --prune"],
  notes: [
    "The keys are those that 'assay entry list --output json' prints. An entry without an id is the one with the",
    "same SPIFFE ID, parent and selectors. Names that join tokens gave to hosts are never pruned. The server is asked what",
    "it would say; what it would refuse is named, and the exit code is 1 then.",
  ],
  async run(context) {
    const desired = await readDesired(context.options);
    using server = await connectServer(context);
    const diff = await registryDiff(server, desired);
    const said = await objections(server, diff, context.options.flag("prune"));
    printDiff(context, diff, "would ");
    if (said === undefined) {
      context.output.note("the server cannot check a plan; what it refuses, 'apply' will say");
      return undefined;
    }
    for (const { subject, message, isRefusal } of said) {
      context.output.note(`assay: ${isRefusal ? "" : "warning: "}${subject}: ${message}`);
    }
    return said.some(({ isRefusal }) => isRefusal) ? EXIT_FAILURE : undefined;
  },
};

/** What has to be done, from the whole registry as it is. */
export async function registryDiff(
  server: RpcClient,
  desired: readonly DesiredEntry[],
): Promise<RegistryDiff> {
  const present = await listEntries(server, {});
  const ids = present.map(({ id }) => id);
  return diffRegistry(desired, present, await readBeside(server, ids));
}

/** @param verb what stands before what is done: `would ` or nothing */
export function printDiff({ options, output }: CommandContext, diff: RegistryDiff, verb: string) {
  const { create, update, extra, unchanged } = diff;
  const prune = options.flag("prune") ? extra : [];
  output.data(
    {
      create,
      update: update.map(({ id, desired, changes }) => ({
        id,
        spiffeId: desired.spiffeId,
        changes,
      })),
      delete: prune.map(({ id, spiffe_id }) => ({ id, spiffeId: idText(spiffe_id) })),
      unchanged,
    },
    () => [
      ...create.map(
        ({ spiffeId, selectors, template }) =>
          `+ ${template?.id ?? spiffeId}  ${selectors.join(" ")}`,
      ),
      ...update.flatMap(({ id, desired, changes }) => [
        `~ ${desired.spiffeId}  ${id}`,
        ...changes.map(
          ({ field, from, to }) => `    ${field}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`,
        ),
      ]),
      ...prune.map(({ id, spiffe_id }) => `- ${idText(spiffe_id)}  ${id}`),
      `${verb}create ${create.length}, update ${update.length}, delete ${prune.length}; ${unchanged} unchanged`,
    ],
  );
  if (prune.length === 0 && extra.length > 0 && output.format === "text") {
    output.note(
      extra.length === 1
        ? "1 entry is not in the file; --prune deletes it"
        : `${extra.length} entries are not in the file; --prune deletes them`,
    );
  }
}
