/** Which names an authority, and every authority below it, may give (RFC 5280 §4.2.1.10). */
import { DerCursor, TAG, contextTag, ia5Of, malformed, openDer } from "./der.ts";

/** Subtrees of the three sorts of names that are understood here; a sort without any is not constrained. */
export interface NameSubtrees {
  /** `example.org` and all below; `.example.org` all below. Lower case. */
  readonly dns: readonly string[];
  /** Hosts of URIs: `example.org` alone, `.example.org` all below. Lower case. */
  readonly uri: readonly string[];
  /** An address and a mask of the same length, one behind the other: 8 or 32 bytes. */
  readonly ip: readonly Uint8Array[];
}

export interface NameConstraints {
  readonly permitted: NameSubtrees;
  readonly excluded: NameSubtrees;
  /** Whether it has subtrees of other sorts: whoever does not understand those must not go on, where it is critical. */
  readonly hasOthers: boolean;
}

const NOBODY = "no-uri.invalid";

/**
 * For authorities that sign no SPIFFE IDs: the one host that is permitted is excluded, so that none is left (nobody's,
 * RFC 2606 §2). An excluded subtree for all URIs, which the standard has no words for, means nothing to OpenSSL, and
 * permitted ones alone are not looked at by GnuTLS.
 */
export const NO_URIS: NameConstraints = {
  permitted: { dns: [], uri: [NOBODY], ip: [] },
  excluded: { dns: [], uri: [NOBODY], ip: [] },
  hasOthers: false,
};

/** Whether they leave no URI, as `NO_URIS` does. */
export function hasNoUris({ permitted: { uri } }: NameConstraints): boolean {
  return uri.length > 0 && uri.every((host) => host.endsWith(".invalid"));
}

/** @param content of the extension. @throws invalid */
export function readNameConstraints(content: Uint8Array): NameConstraints {
  const inner = openDer(content, TAG.sequence, WHAT);
  if (inner.done) throw malformed(WHAT, "are empty");
  const permitted = readSubtrees(inner.optional(contextTag(0))?.content);
  const excluded = readSubtrees(inner.optional(contextTag(1))?.content);
  inner.end();
  const { hasOthers: first, ...named } = permitted;
  const { hasOthers: second, ...barred } = excluded;
  return { permitted: named, excluded: barred, hasOthers: first || second };
}

interface ReadSubtrees extends NameSubtrees {
  readonly hasOthers: boolean;
}

function readSubtrees(content: Uint8Array | undefined): ReadSubtrees {
  const dns: string[] = [];
  const uri: string[] = [];
  const ip: Uint8Array[] = [];
  let hasOthers = false;
  if (content === undefined) return { dns, uri, ip, hasOthers };
  const list = new DerCursor(content, WHAT);
  let count = 0;
  do {
    if (++count > MAX_SUBTREES) throw malformed(WHAT, "have too many subtrees");
    const subtree = list.enter(TAG.sequence, WHAT);
    const { tag, content: base } = subtree.readAny();
    // §4.2.1.10: minimum is 0, which DER leaves out, and maximum is absent.
    subtree.end();
    if (tag === DNS) dns.push(ia5Of(base, WHAT).toLowerCase());
    else if (tag === URI) uri.push(ia5Of(base, WHAT).toLowerCase());
    else if (tag === IP) ip.push(networkOf(base));
    else hasOthers = true;
  } while (!list.done);
  return { dns, uri, ip, hasOthers };
}

function networkOf(base: Uint8Array): Uint8Array {
  if (base.length === 8 || base.length === 32) return base;
  throw malformed(WHAT, "have a network that is no address with a mask");
}

const DNS = contextTag(2, false);
const URI = contextTag(6, false);
const IP = contextTag(7, false);
const WHAT = "name constraints";
/** Of each of the two lists. */
const MAX_SUBTREES = 256;
