/** What the server would say to a plan. */
import { isKind } from "../../base/errors.ts";
import type { Status__Output } from "../../rpc/gen/spire/api/types/Status.ts";
import { PLAN_SERVICE, type RpcClient } from "../connection/rpc-clients.ts";
import { itemError } from "../text/status.ts";
import { besideMessage } from "./beside.ts";
import { CLAIMS_KEY, claimsMessage } from "./claims.ts";
import { type RegistryDiff, plainFields } from "./diff.ts";
import { fieldsMask } from "./entry-fields.ts";
import { entryMessage } from "./entry-message.ts";
import { templateMessage } from "./templates.ts";

export interface Objection {
  /** As `apply` would name it. */
  readonly subject: string;
  readonly message: string;
  /** Otherwise it would be done all the same. */
  readonly isRefusal: boolean;
}

interface Item {
  readonly list: "creates" | "updates" | "deletes";
  readonly message: unknown;
  readonly subject: string;
}

type Answer = Partial<
  Record<Item["list"], readonly { status: Status__Output | null; warnings: readonly string[] }[]>
>;

/** @returns `undefined` when the server has no answer to such a question, as SPIRE's has not */
export async function objections(
  server: RpcClient,
  diff: RegistryDiff,
  prune: boolean,
): Promise<readonly Objection[] | undefined> {
  const items = itemsOf(diff, prune);
  const found: Objection[] = [];
  try {
    for (let at = 0; at < items.length; at += PART) {
      found.push(...(await objectionsTo(server, items.slice(at, at + PART))));
    }
  } catch (thrown) {
    if (isKind(thrown, "unsupported")) return undefined;
    throw thrown;
  }
  return found;
}

/** In the order in which `apply` does it. */
function itemsOf({ create, update, extra }: RegistryDiff, prune: boolean): readonly Item[] {
  return [
    ...create.map((entry): Item => {
      const message = { entry: entryMessage(entry), ...besideMessage(entry) };
      return { list: "creates", message, subject: entry.spiffeId };
    }),
    ...update.map(({ id, desired, changes }): Item => {
      const isChanged = (name: string) => changes.some(({ field }) => field === name);
      const { template } = desired;
      const message = {
        entry: { ...entryMessage(desired), id },
        input_mask: fieldsMask(plainFields(changes)),
        ...(isChanged("template") && template && { template: templateMessage(template) }),
        ...(isChanged(CLAIMS_KEY) && { claims: claimsMessage(desired.claims) }),
      };
      return { list: "updates", message, subject: `${desired.spiffeId} (${id})` };
    }),
    ...(prune ? extra : []).map(({ id }): Item => ({ list: "deletes", message: id, subject: id })),
  ];
}

async function objectionsTo(
  server: RpcClient,
  part: readonly Item[],
): Promise<readonly Objection[]> {
  const of = (list: Item["list"]): readonly Item[] => part.filter((item) => item.list === list);
  const messages = (list: Item["list"]): unknown[] => of(list).map(({ message }) => message);
  const answer = await server.call<Answer>(PLAN_SERVICE, "CheckEntries", {
    creates: messages("creates"),
    updates: messages("updates"),
    deletes: messages("deletes"),
  });
  return LISTS.flatMap((list) =>
    of(list).flatMap(({ subject }, index): Objection[] => {
      const { status, warnings = [] } = answer[list]?.[index] ?? {};
      const error = itemError(status);
      if (error !== undefined) return [{ subject, message: error.message, isRefusal: true }];
      return warnings.map((message) => ({ subject, message, isRefusal: false }));
    }),
  );
}

const LISTS = ["creates", "updates", "deletes"] as const;
const PART = 500;
