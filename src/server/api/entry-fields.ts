import type { EntryDraft, EntryFields, EntryPatch } from "../entries/draft.ts";
import type { EntryMask__Output } from "../../rpc/gen/spire/api/types/EntryMask.ts";
import type { Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import { epochField, inField, memberIdField, textField, workloadIdField } from "./fields.ts";
import { checkSelectorName } from "../../attestors/selector-types.ts";
import { checkSelector } from "../../spiffe/selector.ts";
import { checkTrustDomainName } from "../../spiffe/trust-domain.ts";
import { fail } from "../../base/errors.ts";
import { EVERY_DOMAIN } from "../entries/every-domain.ts";

/** Whose rules hold for what an entry federates with: SPIRE knows no `*`, and no domain without a bundle. */
export type EntryDialect = "spire" | "assay";

/** A new entry. What the server counts (revision, creation) is ignored. @throws invalid, naming the field */
export function draftFields(
  entry: Entry__Output,
  trustDomain: TrustDomain,
  dialect: EntryDialect = "assay",
): EntryDraft {
  // Without a mask every field is converted, so the three required ones are there.
  return { ...entryFields(entry, null, trustDomain, dialect), id: entry.id } as EntryDraft;
}

/** The masked fields of an entry; without a mask all of them. @throws invalid, naming the field */
export function patchFields(
  entry: Entry__Output,
  mask: EntryMask__Output | null,
  trustDomain: TrustDomain,
  dialect: EntryDialect = "assay",
): EntryPatch {
  if (entry.id === "") throw fail("invalid", "id: is missing");
  return { ...entryFields(entry, mask, trustDomain, dialect), id: entry.id };
}

function entryFields(
  entry: Entry__Output,
  mask: EntryMask__Output | null,
  trustDomain: TrustDomain,
  dialect: EntryDialect,
): Partial<EntryFields> {
  const fields: { [K in MaskedField]: () => Partial<EntryFields> } = {
    spiffe_id: () => ({
      spiffeId: workloadIdField("spiffe_id", entry.spiffe_id, trustDomain).toString(),
    }),
    parent_id: () => ({
      parentId: memberIdField("parent_id", entry.parent_id, trustDomain).toString(),
    }),
    selectors: () => ({ selectors: selectors(entry) }),
    x509_svid_ttl: () => ({ x509SvidTtl: ttl("x509_svid_ttl", entry.x509_svid_ttl) }),
    jwt_svid_ttl: () => ({ jwtSvidTtl: ttl("jwt_svid_ttl", entry.jwt_svid_ttl) }),
    federates_with: () => ({ federatesWith: federatesWith(entry, dialect) }),
    admin: () => ({ admin: entry.admin }),
    downstream: () => ({ downstream: entry.downstream }),
    store_svid: () => ({ storeSvid: entry.store_svid }),
    expires_at: () => ({ expiresAt: epochField("expires_at", entry.expires_at) }),
    dns_names: () => ({ dnsNames: entry.dns_names }),
    hint: () => ({ hint: textField("hint", entry.hint, MAX_HINT_LENGTH) }),
    additional_attributes: () => ({
      disableX509SvidPrefetch: entry.additional_attributes?.disable_x509_svid_prefetch ?? false,
      jwtSvidIncludeJti: entry.additional_attributes?.jwt_svid_include_jti ?? false,
    }),
  };
  const wanted = MASKED_FIELDS.filter((name) => mask === null || mask[name]);
  return Object.assign({}, ...wanted.map((name) => fields[name]())) as Partial<EntryFields>;
}

function selectors({ selectors: given }: Entry__Output): EntryFields["selectors"] {
  if (given.length === 0) throw fail("invalid", "selectors: is empty");
  return given.map(({ type, value }, index) =>
    inField(`selectors[${index}]`, () => {
      textField("type", type, MAX_SELECTOR_LENGTH);
      textField("value", value, MAX_SELECTOR_LENGTH);
      const selector = checkSelector({ type, value });
      checkSelectorName(selector);
      return selector;
    }),
  );
}

function federatesWith(
  { federates_with }: Entry__Output,
  dialect: EntryDialect,
): readonly string[] {
  return federates_with.map((text, index) =>
    inField(`federates_with[${index}]`, () => {
      if (text === EVERY_DOMAIN && dialect === "assay") return text;
      const name = text.startsWith(SCHEME) ? text.slice(SCHEME.length) : text;
      checkTrustDomainName(name);
      return name;
    }),
  );
}

function ttl(name: string, seconds: number): number {
  if (seconds < 0) throw fail("invalid", `${name}: is negative`);
  return seconds;
}

const MASKED_FIELDS = [
  "spiffe_id",
  "parent_id",
  "selectors",
  "x509_svid_ttl",
  "jwt_svid_ttl",
  "federates_with",
  "admin",
  "downstream",
  "store_svid",
  "expires_at",
  "dns_names",
  "hint",
  "additional_attributes",
] as const;

type MaskedField = (typeof MASKED_FIELDS)[number];

const SCHEME = "spiffe://";
const MAX_HINT_LENGTH = 1024;
const MAX_SELECTOR_LENGTH = 4096;
