import type { Status__Output } from "../../rpc/gen/spire/api/types/Status.ts";
import { type Command, EXIT_FAILURE } from "../program/command.ts";
import {
  CLAIMS_SERVICE,
  ENTRY_SERVICE,
  type RpcClient,
  TEMPLATE_SERVICE,
  connectServer,
} from "../connection/rpc-clients.ts";
import { itemError } from "../text/status.ts";
import { createMessage, createService } from "./beside.ts";
import { CLAIMS_KEY, claimsMessage } from "./claims.ts";
import { type RegistryDiff, plainFields } from "./diff.ts";
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
    for (const service of new Set(diff.create.map(createService))) {
      const wanted = diff.create.filter((entry) => createService(entry) === service);
      for (const part of parts(wanted)) {
        const entries = part.map((entry) => createMessage(entryMessage(entry), entry));
        const results = await call(server, "BatchCreateEntry", { entries }, service);
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

/** @returns a result for each call that it takes */
async function updateEntry(
  server: RpcClient,
  { id, desired: entry, changes }: RegistryDiff["update"][number],
): Promise<readonly Result[]> {
  const fields = plainFields(changes);
  const results: Result[] = [];
  if (changes.some(({ field }) => field === "template")) {
    const template = entry.template && templateMessage(entry.template);
    const request = { templates: [{ id, template }] };
    results.push(...(await call(server, "BatchSetTemplate", request, TEMPLATE_SERVICE)));
  }
  // The mask is one for a whole batch, and no field may be written that somebody else changed meanwhile.
  const changed = { entry: { ...entryMessage(entry), id }, input_mask: fieldsMask(fields) };
  if (changes.some(({ field }) => field === CLAIMS_KEY)) {
    // Together: claims may name selectors that come or go with them.
    const request = { claims: [{ id, claims: claimsMessage(entry.claims), ...changed }] };
    return [...results, ...(await call(server, "BatchSetClaims", request, CLAIMS_SERVICE))];
  }
  if (fields.length === 0) return results;
  const request = { entries: [changed.entry], input_mask: changed.input_mask };
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
