import { fieldsMessage } from "./entry-fields.ts";
import type { DesiredEntry } from "./entry-file.ts";

/** An entry of a file as the API has it. */
export function entryMessage(entry: DesiredEntry): object {
  return { id: entry.id ?? "", ...fieldsMessage(entry) };
}
