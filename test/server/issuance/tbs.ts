/** To-be-signed bytes taken apart and put together otherwise. */
import { context, oid, readTlv, seq } from "../../../src/x509/der.ts";

export type Parts = readonly Uint8Array[];

/** The elements of a constructed one. */
export function partsOf(der: Uint8Array): Uint8Array[] {
  const { content } = readTlv(der);
  const parts: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += parts.at(-1)?.length ?? 0) {
    parts.push(readTlv(content, at).raw);
  }
  return parts;
}

export function changeFields(tbs: Uint8Array, change: (fields: Parts) => Parts): Uint8Array {
  return seq(...change(partsOf(tbs)));
}

export function changeExtensions(tbs: Uint8Array, change: (list: Parts) => Parts): Uint8Array {
  return changeFields(tbs, (fields) => {
    const [list = new Uint8Array()] = partsOf(fields.at(-1) ?? new Uint8Array());
    return [...fields.slice(0, -1), context(3, seq(...change(partsOf(list))))];
  });
}

export function isExtension(extension: Uint8Array, id: string): boolean {
  const [own = new Uint8Array()] = partsOf(extension);
  return Buffer.from(own).equals(oid(id));
}
