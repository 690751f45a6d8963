import type { Status__Output } from "../../rpc/gen/spire/api/types/Status.ts";
import { type Command, EXIT_FAILURE } from "../command.ts";
import { ENTRY_SERVICE, type RpcClient, connectServer } from "../rpc-clients.ts";
import { itemError } from "../status.ts";
import { type RegistryDiff, diffRegistry } from "./diff.ts";
import { fieldsMask, fieldsMessage } from "./entry-fields.ts";
import type { DesiredEntry } from "./entry-file.ts";
import { readDesired } from "./desired.ts";
import { listEntries } from "./list.ts";
import { PLAN_OPTIONS, printDiff } from "./plan.ts";

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
    const diff = diffRegistry(desired, await listEntries(server, {}));
    const failures: string[] = [];
    const isDone = (subject: string, status: Status__Output | null | undefined): boolean => {
      const error = itemError(status);
      if (error !== undefined) failures.push(`assay: ${subject}: ${error.message}`);
      return error === undefined;
    };
    const create: DesiredEntry[] = [];
    const update: RegistryDiff["update"][number][] = [];
    const deleted: RegistryDiff["extra"][number][] = [];
    for (const part of parts(diff.create)) {
      const results = await call(server, "BatchCreateEntry", {
        entries: part.map((entry) => entryMessage(entry)),
      });
      create.push(
        ...part.filter(({ spiffeId }, index) => isDone(spiffeId, results[index]?.status)),
      );
    }
    for (const each of diff.update) {
      const { id, desired: entry, changes } = each;
      // The mask is one for a whole batch, and no field may be written that somebody else changed meanwhile.
      const results = await call(server, "BatchUpdateEntry", {
        entries: [{ ...entryMessage(entry), id }],
        input_mask: fieldsMask(changes.map(({ field }) => field)),
      });
      if (isDone(`${entry.spiffeId} (${id})`, results[0]?.status)) update.push(each);
    }
    for (const part of parts(options.flag("prune") ? diff.extra : [])) {
      const results = await call(server, "BatchDeleteEntry", { ids: part.map(({ id }) => id) });
      deleted.push(...part.filter(({ id }, index) => isDone(id, results[index]?.status)));
    }
    const extra = options.flag("prune") ? deleted : diff.extra;
    printDiff(context, { ...diff, create, update, extra }, "");
    for (const failure of failures) output.note(failure);
    return failures.length === 0 ? undefined : EXIT_FAILURE;
  },
};

interface Result {
  readonly status: Status__Output | null;
}

async function call(
  server: RpcClient,
  method: string,
  request: object,
): Promise<readonly Result[]> {
  const response = await server.call<{ results: readonly Result[] }>(
    ENTRY_SERVICE,
    method,
    request,
  );
  return response.results;
}

function* parts<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += PART) yield items.slice(at, at + PART);
}

function entryMessage(entry: DesiredEntry): object {
  return { id: entry.id ?? "", ...fieldsMessage(entry) };
}

const PART = 500;
