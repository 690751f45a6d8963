/** What the tables of hostile requests share. */
import type { Test } from "tap";
import type { Channel } from "../../../src/rpc/channel.ts";
import { refused } from "../../support/refused.ts";
import type { VirtualClock } from "../../support/virtual-clock.ts";

/** `types.SPIFFEID`. */
export const id = (path: string, trust_domain = "example.org") => ({ trust_domain, path });
export const AGENT_ID = id("/spire/agent/join_token/abc");
export const long = (length: number) => "x".repeat(length);
export const many = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);
export const selector = { type: "unix", value: "uid:1" };

/** What is wrong with an ID as such, whatever it is for. */
export const BAD_IDS: [string, object | null][] = [
  ["missing", null],
  ["empty", {}],
  ["no trust domain", id("/a", "")],
  ["foreign", id("/a", "other.org")],
  ["upper case", id("/a", "Example.org")],
  ["scheme", id("/a", "spiffe://example.org")],
  ["two paths", id("/a", "example.org/b")],
  ["no path", id("")],
  ["relative", id("a")],
  ["trailing slash", id("/a/")],
  ["dots", id("/a/../b")],
  ["percent", id("/%61")],
  ["blank", id("/a b")],
  ["not ASCII", id("/ä")],
  ["too long", id(`/${long(2048)}`)],
];

export type Row = [name: string, method: string, request: object, field: RegExp];

/** Each request is refused as invalid, with the field in the text. */
export async function refuseAll(
  t: Test,
  channel: Channel,
  service: string,
  rows: readonly Row[],
  clock?: VirtualClock,
): Promise<void> {
  for (const [name, method, request, field] of rows) {
    clock?.step(1000); // for those that have a rate
    const expected = { kind: "invalid", message: field } as const;
    await refused(t, channel.unary(service, method, request), expected, `${method}: ${name}`);
  }
}
