import { fail } from "../../base/errors.ts";
import { DerCursor, TAG, contextTag, ia5Of, oidOf, openDer } from "../../x509/der.ts";
import { OID } from "../../x509/oids.ts";

/** What a certificate reader passes over: extensions it does not know and names of other sorts (addresses, mail). */
export interface LeafShape {
  readonly extensions: readonly string[];
  /** Subject alternative names of every sort. */
  readonly altNames: number;
  /** Where revocation lists are said to be: names of every sort, in all distribution points. */
  readonly crlUrls: readonly string[];
}

/** @throws invalid */
export function readLeafShape(tbs: Uint8Array): LeafShape {
  const fields = openDer(tbs, TAG.sequence, "certificate");
  let last = fields.readAny();
  while (!fields.done) last = fields.readAny();
  if (last.tag !== contextTag(3)) throw fail("invalid", "certificate has no extensions");
  const list = new DerCursor(last.content, "extensions").enter(TAG.sequence);
  const extensions: string[] = [];
  let altNames = 0;
  const crlUrls: string[] = [];
  while (!list.done) {
    const extension = list.enter(TAG.sequence);
    const id = oidOf(extension.read(TAG.oid), "extension");
    extension.optional(TAG.boolean);
    const { content } = extension.read(TAG.octetString);
    extensions.push(id);
    if (id === OID.subjectAltName) altNames += countElements(content);
    if (id === OID.crlDistributionPoints) crlUrls.push(...readCrlUrls(content));
  }
  return { extensions, altNames, crlUrls };
}

/** @throws invalid for a point that says anything but a full name */
function readCrlUrls(content: Uint8Array): string[] {
  const urls: string[] = [];
  const points = openDer(content, TAG.sequence, "crl distribution points");
  while (!points.done) {
    const point = points.enter(TAG.sequence);
    const names = point.enter(contextTag(0)).enter(contextTag(0));
    point.end();
    while (!names.done) {
      const { tag, content: name } = names.readAny();
      urls.push(tag === contextTag(6, false) ? ia5Of(name, "crl url") : `tag ${tag}`);
    }
  }
  return urls;
}

function countElements(content: Uint8Array): number {
  const names = openDer(content, TAG.sequence, "subject alternative names");
  let count = 0;
  for (; !names.done; count++) names.readAny();
  return count;
}
