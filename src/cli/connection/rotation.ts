/** Has SVIDs replaced before their time, in parts that the server takes, and says which. */
import type { Status__Output } from "../../rpc/gen/spire/api/types/Status.ts";
import { EXIT_FAILURE } from "../program/command.ts";
import type { Output } from "../program/output.ts";
import type { RpcClient } from "./rpc-clients.ts";
import { itemError } from "../text/status.ts";

export interface RotationParams<T> {
  readonly method: "BatchRotateEntry" | "BatchRotateAgent";
  readonly ids: readonly T[];
  /** The ID as people write it. */
  readonly name: (id: T) => string;
  /** The field of the JSON output that has it. */
  readonly field: "id" | "spiffeId";
  /** The command that shows what there is. */
  readonly listedBy: string;
  /** Said once when some were not told just now; without it nobody need be told. */
  readonly later?: string;
}

/** @returns the exit code */
export async function rotateEach<T>(
  server: RpcClient,
  output: Output,
  { method, ids, name, field, listedBy, later }: RotationParams<T>,
): Promise<number | undefined> {
  const done: { readonly id: string; readonly told: boolean }[] = [];
  const notes: string[] = [];
  for (let at = 0; at < ids.length; at += PART) {
    const part = ids.slice(at, at + PART);
    const { results } = await server.call<{
      readonly results: readonly {
        readonly status: Status__Output | null;
        readonly told?: boolean;
      }[];
    }>(ROTATION_SERVICE, method, { ids: part });
    for (const [index, id] of part.entries()) {
      const error = itemError(results[index]?.status, listedBy);
      const told = later === undefined || results[index]?.told === true;
      if (error === undefined) done.push({ id: name(id), told });
      else notes.push(`assay: ${name(id)}: ${error.message}`);
    }
  }
  output.data(
    done.map(({ id, told }) => ({ [field]: id, ...(later === undefined ? {} : { told }) })),
    () => done.map(({ id, told }) => `rotated ${id}${told ? "" : " (not told yet)"}`),
  );
  if (later !== undefined && done.some(({ told }) => !told)) output.note(later);
  for (const note of notes) output.note(note);
  return notes.length === 0 ? undefined : EXIT_FAILURE;
}

const ROTATION_SERVICE = "assay.rotation.v1.Rotation";
const PART = 500;
