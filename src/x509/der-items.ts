import { readTlv } from "./der.ts";

/** Each certificate of concatenated DER, sharing its memory; nothing within is looked at. @throws invalid when one is cut off */
export function derItems(concatenated: Uint8Array): Uint8Array[] {
  const items: Uint8Array[] = [];
  for (let at = 0; at < concatenated.length; ) {
    const { raw } = readTlv(concatenated, at, "certificate list");
    items.push(raw);
    at += raw.length;
  }
  return items;
}
