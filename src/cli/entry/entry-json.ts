import { formatDuration } from "../../config/settings/duration.ts";
import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import { factLines, isoTime, timeText } from "../text/facts.ts";
import { fieldsJson, fieldsOf } from "./entry-fields.ts";
import type { EntryBeside } from "./beside.ts";
import { claimsJson } from "./claims.ts";
import { templateJson } from "./templates.ts";

/** An entry as `--output json` prints it: the keys of a file, and what the server says of it. */
export function entryJson(
  entry: Entry__Output,
  { template, claims }: EntryBeside,
): Record<string, unknown> {
  return {
    id: entry.id,
    ...fieldsJson(fieldsOf(entry)),
    ...templateJson(template),
    ...claimsJson(claims),
    revisionNumber: Number(entry.revision_number),
    createdAt: isoTime(Number(entry.created_at)),
  };
}

/** The text form: the SPIFFE ID, or those of a family, then what differs from the defaults. */
export function entryLines(
  entry: Entry__Output,
  { template, claims }: EntryBeside,
  nowMs: number,
): string[] {
  const fields = fieldsOf(entry);
  const rights = [
    ...(fields.admin ? ["admin"] : []),
    ...(fields.downstream ? ["downstream"] : []),
    ...(fields.storeSvid ? ["store svid"] : []),
    ...(fields.disableX509SvidPrefetch ? ["no x509 prefetch"] : []),
    ...(fields.jwtSvidIncludeJti ? ["jwt with jti"] : []),
  ];
  return [
    template?.id ?? fields.spiffeId,
    ...factLines(
      [
        ["id", entry.id],
        ["values from", template && (template.trustAgent ? AGENT_ALONE : SERVER_CHECKED)],
        ["parent", fields.parentId],
        ...fields.selectors.map((selector) => ["selector", selector] as const),
        ["proven by", isTokensAlone(entry) ? TOKENS_ALONE : undefined],
        ["x509 ttl", fields.x509SvidTtl === 0 ? undefined : formatDuration(fields.x509SvidTtl)],
        ["jwt ttl", fields.jwtSvidTtl === 0 ? undefined : formatDuration(fields.jwtSvidTtl)],
        ["dns names", listText(fields.dnsNames)],
        ["federates with", listText(fields.federatesWith)],
        ...Object.entries(claims ?? {}).map(
          ([name, value]) => ["jwt claim", `${name} ${JSON.stringify(value)}`] as const,
        ),
        ["hint", fields.hint === "" ? undefined : fields.hint],
        ["rights", listText(rights)],
        ["created", timeText(Number(entry.created_at), nowMs)],
        ["expires", fields.expiresAt === 0 ? undefined : timeText(fields.expiresAt, nowMs)],
        ["revision", entry.revision_number === "0" ? undefined : entry.revision_number],
      ],
      "  ",
    ),
  ];
}

/** No selector is one that the kernel's word stands behind. */
function isTokensAlone({ selectors }: Entry__Output): boolean {
  return selectors.length > 0 && selectors.every(({ type }) => type === "token");
}

function listText(items: readonly string[]): string | undefined {
  return items.length === 0 ? undefined : items.join(", ");
}

const AGENT_ALONE = "the agent alone, which can have any SPIFFE ID of the family signed";
const SERVER_CHECKED = "the agent, checked by the server with its cluster";
const TOKENS_ALONE = "tokens alone: it goes to whoever shows one, whatever the process is";
