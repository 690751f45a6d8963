import { fail } from "../../../base/errors.ts";
import type { SelectorMatch } from "../contract.ts";

/** A lookup table over the items of a list column. */
export interface SetIndex {
  readonly table: string;
  /** Joins the lookup table `s` with the wanted items `g` (json_each). */
  readonly on: string;
  readonly owner: string;
  /** Column of the owner that holds how many items its list has. */
  readonly countColumn: string;
}

/** One condition of a WHERE clause with its parameters in order. */
export interface Condition {
  readonly sql: string;
  readonly parameters: readonly (string | number)[];
}

/**
 * The rows whose set relates to the wanted one: `exact` equal, `subset` nothing but wanted items (and at least one),
 * `superset` all wanted items, `any` at least one of them.
 * @param wanted without repetitions
 * @throws invalid when nothing is wanted, as SPIRE does
 */
export function setCondition(
  index: SetIndex,
  match: SelectorMatch,
  wanted: readonly unknown[],
): Condition {
  if (wanted.length === 0) throw fail("invalid", "the set to filter by is empty");
  const { table, on, owner, countColumn } = index;
  const rows = `SELECT s.n FROM json_each(?) AS g CROSS JOIN ${table} AS s ON ${on}`;
  const json = JSON.stringify(wanted);
  const size = wanted.length;
  switch (match) {
    case "any":
      return { sql: `n IN (${rows})`, parameters: [json] };
    case "superset":
      return {
        sql: `n IN (${rows} GROUP BY s.n HAVING count(*) = ?)`,
        parameters: [json, size],
      };
    case "exact":
      return {
        sql: `${countColumn} = ? AND n IN (${rows} GROUP BY s.n HAVING count(*) = ?)`,
        parameters: [size, json, size],
      };
    case "subset":
      return {
        sql: `n IN (${rows} GROUP BY s.n HAVING count(*) = (SELECT o.${countColumn} FROM ${owner} AS o WHERE o.n = s.n))`,
        parameters: [json],
      };
  }
}

/** `WHERE a AND b`, or nothing. */
export function whereClause(conditions: readonly Condition[]): string {
  if (conditions.length === 0) return "";
  return ` WHERE ${conditions.map(({ sql }) => sql).join(" AND ")}`;
}
