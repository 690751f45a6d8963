import type { Options } from "../program/options.ts";
import { type DesiredEntry, readEntryFile } from "./entry-file.ts";
import { requireOwnType, selectorMessage } from "./fields.ts";

/** The file that `plan` and `apply` were given. @throws invalid; UsageError for a foreign selector type with `--strict` */
export async function readDesired(options: Options): Promise<readonly DesiredEntry[]> {
  const desired = await readEntryFile(options.required("file"));
  if (options.flag("strict")) {
    for (const { selectors } of desired) selectors.map(selectorMessage).forEach(requireOwnType);
  }
  return desired;
}
