import { fail } from "../../../base/errors.ts";

export interface HpackEntry {
  readonly name: string;
  readonly value: string;
}

/** The static table and one client's dynamic table as its server sees it (RFC 7541 §2.3). */
export class HpackTable {
  /** Oldest first. */
  readonly #entries: HpackEntry[] = [];
  #bytes = 0;
  #maxBytes = MAX_TABLE_BYTES;

  /** The entry of an index from 1 on; throws `invalid` where there is none. */
  entry(index: number): HpackEntry {
    const found =
      index <= STATIC_ENTRIES.length
        ? STATIC_ENTRIES[index - 1]
        : this.#entries[this.#entries.length - (index - STATIC_ENTRIES.length)];
    if (found === undefined) throw fail("invalid", "a header refers to an entry that is not there");
    return found;
  }

  /** Adds an entry; one larger than the table empties it (RFC 7541 §4.4). */
  insert(entry: HpackEntry): void {
    this.#bytes += sizeOf(entry);
    this.#entries.push(entry);
    this.#evict();
  }

  /** A dynamic table size update (RFC 7541 §6.3); throws `invalid` above the 4,096 that we leave announced. */
  resize(maxBytes: number): void {
    if (maxBytes > MAX_TABLE_BYTES) {
      throw fail("invalid", "the dynamic table was made larger than announced");
    }
    this.#maxBytes = maxBytes;
    this.#evict();
  }

  #evict(): void {
    while (this.#bytes > this.#maxBytes) {
      const oldest = this.#entries.shift();
      if (oldest === undefined) break;
      this.#bytes -= sizeOf(oldest);
    }
  }
}

/** RFC 7541 §4.1. */
export function sizeOf(entry: HpackEntry): number {
  return entry.name.length + entry.value.length + 32;
}

/** SETTINGS_HEADER_TABLE_SIZE, which the server leaves at its default (RFC 9113 §6.5.2). */
const MAX_TABLE_BYTES = 4096;

/** RFC 7541 appendix A: names in order, `=` before a value. */
const STATIC_ENTRIES: readonly HpackEntry[] = (
  ":authority|:method=GET|:method=POST|:path=/|:path=/index.html|:scheme=http|:scheme=https|:status=200|" +
  ":status=204|:status=206|:status=304|:status=400|:status=404|:status=500|accept-charset|" +
  "accept-encoding=gzip, deflate|accept-language|accept-ranges|accept|access-control-allow-origin|age|allow|" +
  "authorization|cache-control|content-disposition|content-encoding|content-language|content-length|" +
  "content-location|content-range|content-type|cookie|date|etag|expect|expires|from|host|if-match|" +
  "if-modified-since|if-none-match|if-range|if-unmodified-since|last-modified|link|location|max-forwards|" +
  "proxy-authenticate|proxy-authorization|range|referer|refresh|retry-after|server|set-cookie|" +
  "strict-transport-security|transfer-encoding|user-agent|vary|via|www-authenticate"
)
  .split("|")
  .map((field) => {
    const [name = "", value = ""] = field.split("=");
    return { name, value };
  });

const STATIC_INDICES = new Map<string, number>();
for (const [at, { name, value }] of STATIC_ENTRIES.entries()) {
  for (const key of [name, `${name}=${value}`]) {
    if (!STATIC_INDICES.has(key)) STATIC_INDICES.set(key, at + 1);
  }
}

/** The first entry of the static table with that name, and that value if one is given; 0 without one. */
export function staticIndex(name: string, value?: string): number {
  return STATIC_INDICES.get(value === undefined ? name : `${name}=${value}`) ?? 0;
}
