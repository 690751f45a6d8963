import type { Status__Output } from "../../rpc/gen/spire/api/types/Status.ts";
import { type Command, EXIT_FAILURE } from "../command.ts";
import { ENTRY_SERVICE, type RpcClient, TEMPLATE_SERVICE, connectServer } from "../rpc-clients.ts";
import { itemError } from "../status.ts";
import type { RegistryDiff } from "./diff.ts";
import { fieldsMask } from "./entry-fields.ts";
import type { DesiredEntry } from "./entry-file.ts";
import { entryMessage } from "./entry-message.ts";
import { readDesired } from "./desired.ts";
import { PLAN_OPTIONS, printDiff, registryDiff } from "./plan.ts";
import { templateMessage } from "./templates.ts";

export const command: Command = {
  name: "entry apply",
  operand: "file",
  options: PLAN_OPTIONS,
  examples: ["assay entry apply entries.yaml", "assay entry apply entries.yaml --prune"],
  notes: [
    "'assay entry plan' shows what it would do, its --help what the file looks like. Each entry is changed by itself:",
    "what was done is printed, what failed is named.",
  ],
  async run(context) {
    const { options, output } = context;
    const desired = await readDesired(options);
    using server = await connectServer(context);
    const diff = await registryDiff(server, desired);
    const failures: string[] = [];
    const isDone = (subject: string, status: Status__Output | null | undefined): boolean => {
      const error = itemError(status);
      if (error !== undefined) failures.push(`assay: ${subject}: ${error.message}`);
      return error === undefined;
    };
    const created = new Set<DesiredEntry>();
    const update: RegistryDiff["update"][number][] = [];
    const deleted: RegistryDiff["extra"][number][] = [];
    for (const isFamily of [false, true]) {
      const wanted = diff.create.filter(({ template }) => (template !== undefined) === isFamily);
      for (const part of parts(wanted)) {
        const results = await createEntries(server, part, isFamily);
        for (const [index, entry] of part.entries()) {
          if (isDone(entry.spiffeId, results[index]?.status)) created.add(entry);
        }
      }
    }
    for (const each of diff.update) {
      const { id, desired: entry } = each;
      const results = await updateEntry(server, each);
      const refused = results.find(({ status }) => itemError(status) !== undefined);
      if (isDone(`${entry.spiffeId} (${id})`, (refused ?? results[0])?.status)) update.push(each);
    }
    for (const part of parts(options.flag("prune") ? diff.extra : [])) {
      const results = await call(server, "BatchDeleteEntry", { ids: part.map(({ id }) => id) });
      deleted.push(...part.filter(({ id }, index) => isDone(id, results[index]?.status)));
    }
    // As the file has them.
    const create = diff.create.filter((entry) => created.has(entry));
    const extra = options.flag("prune") ? deleted : diff.extra;
    printDiff(context, { ...diff, create, update, extra }, "");
    for (const failure of failures) output.note(failure);
    return failures.length === 0 ? undefined : EXIT_FAILURE;
  },
};

interface Result {
  readonly status: Status__Output | null;
}

function createEntries(
  server: RpcClient,
  entries: readonly DesiredEntry[],
  areFamilies: boolean,
): Promise<readonly Result[]> {
  if (!areFamilies) {
    return call(server, "BatchCreateEntry", { entries: entries.map(entryMessage) });
  }
  const templated = entries.map((entry) => ({
    entry: entryMessage(entry),
    template: entry.template && templateMessage(entry.template),
  }));
  return call(server, "BatchCreateEntry", { entries: templated }, TEMPLATE_SERVICE);
}

/** @returns a result for each call that it takes */
async function updateEntry(
  server: RpcClient,
  { id, desired: entry, changes }: RegistryDiff["update"][number],
): Promise<readonly Result[]> {
  const fields = changes.flatMap(({ field }) => (field === "template" ? [] : [field]));
  const results: Result[] = [];
  if (fields.length < changes.length) {
    const template = entry.template && templateMessage(entry.template);
    const request = { templates: [{ id, template }] };
    results.push(...(await call(server, "BatchSetTemplate", request, TEMPLATE_SERVICE)));
  }
  if (fields.length === 0) return results;
  // The mask is one for a whole batch, and no field may be written that somebody else changed meanwhile.
  const request = { entries: [{ ...entryMessage(entry), id }], input_mask: fieldsMask(fields) };
  return [...results, ...(await call(server, "BatchUpdateEntry", request))];
}

async function call(
  server: RpcClient,
  method: string,
  request: object,
  service = ENTRY_SERVICE,
): Promise<readonly Result[]> {
  const response = await server.call<{ results: readonly Result[] }>(service, method, request);
  return response.results;
}

function* parts<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += PART) yield items.slice(at, at + PART);
}

const PART = 500;
