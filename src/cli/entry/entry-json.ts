import { formatDuration } from "../../config/duration.ts";
import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import { factLines, isoTime, timeText } from "../facts.ts";
import { idText } from "../ids.ts";

/** An entry as `--output json` prints it. Times of life are seconds; 0 is the server's default. */
export interface EntryJson {
  readonly id: string;
  readonly spiffeId: string;
  readonly parentId: string;
  readonly selectors: readonly string[];
  readonly x509SvidTtl: number;
  readonly jwtSvidTtl: number;
  readonly federatesWith: readonly string[];
  readonly dnsNames: readonly string[];
  readonly hint: string;
  readonly admin: boolean;
  readonly downstream: boolean;
  readonly storeSvid: boolean;
  readonly disableX509SvidPrefetch: boolean;
  readonly jwtSvidIncludeJti: boolean;
  readonly revisionNumber: number;
  readonly createdAt: string;
  /** Absent: never. */
  readonly expiresAt?: string;
}

export function entryJson(entry: Entry__Output): EntryJson {
  const expiresAt = Number(entry.expires_at);
  return {
    id: entry.id,
    spiffeId: idText(entry.spiffe_id),
    parentId: idText(entry.parent_id),
    selectors: entry.selectors.map(({ type, value }) => `${type}:${value}`),
    x509SvidTtl: entry.x509_svid_ttl,
    jwtSvidTtl: entry.jwt_svid_ttl,
    federatesWith: entry.federates_with,
    dnsNames: entry.dns_names,
    hint: entry.hint,
    admin: entry.admin,
    downstream: entry.downstream,
    storeSvid: entry.store_svid,
    disableX509SvidPrefetch: entry.additional_attributes?.disable_x509_svid_prefetch ?? false,
    jwtSvidIncludeJti: entry.additional_attributes?.jwt_svid_include_jti ?? false,
    revisionNumber: Number(entry.revision_number),
    createdAt: isoTime(Number(entry.created_at)),
    ...(expiresAt === 0 ? {} : { expiresAt: isoTime(expiresAt) }),
  };
}

/** The text form: the SPIFFE ID, then what differs from the defaults. */
export function entryLines(entry: Entry__Output, nowMs: number): string[] {
  const json = entryJson(entry);
  const rights = [
    ...(json.admin ? ["admin"] : []),
    ...(json.downstream ? ["downstream"] : []),
    ...(json.storeSvid ? ["store svid"] : []),
    ...(json.disableX509SvidPrefetch ? ["no x509 prefetch"] : []),
    ...(json.jwtSvidIncludeJti ? ["jwt with jti"] : []),
  ];
  return [
    json.spiffeId,
    ...factLines(
      [
        ["id", json.id],
        ["parent", json.parentId],
        ...json.selectors.map((selector) => ["selector", selector] as const),
        ["x509 ttl", json.x509SvidTtl === 0 ? undefined : formatDuration(json.x509SvidTtl)],
        ["jwt ttl", json.jwtSvidTtl === 0 ? undefined : formatDuration(json.jwtSvidTtl)],
        ["dns names", listText(json.dnsNames)],
        ["federates with", listText(json.federatesWith)],
        ["hint", json.hint === "" ? undefined : json.hint],
        ["rights", listText(rights)],
        ["created", timeText(Number(entry.created_at), nowMs)],
        ["expires", json.expiresAt && timeText(Number(entry.expires_at), nowMs)],
        ["revision", json.revisionNumber === 0 ? undefined : String(json.revisionNumber)],
      ],
      "  ",
    ),
  ];
}

function listText(items: readonly string[]): string | undefined {
  return items.length === 0 ? undefined : items.join(", ");
}
