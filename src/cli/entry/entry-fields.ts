/** What an entry says, field by field: how the API, `--output json` and a file have it. Nothing else lists the fields. */
import type { Entry, Entry__Output } from "../../rpc/gen/spire/api/types/Entry.ts";
import { isoTime } from "../text/facts.ts";
import { idMessage, idText } from "../text/ids.ts";
import { selectorMessage } from "./fields.ts";
import {
  readFlag,
  readId,
  readSeconds,
  readSelectors,
  readTextOrNone,
  readTexts,
  readTime,
  readTrustDomains,
} from "./file-values.ts";

/** Complete: what was not said is the default. The names are those of the JSON and of files. */
export interface EntryFields {
  readonly spiffeId: string;
  readonly parentId: string;
  /** `type:value`, in canonical order. */
  readonly selectors: readonly string[];
  /** Seconds; 0 = the server's. */
  readonly x509SvidTtl: number;
  readonly jwtSvidTtl: number;
  /** Sorted. */
  readonly federatesWith: readonly string[];
  readonly dnsNames: readonly string[];
  readonly hint: string;
  readonly admin: boolean;
  readonly downstream: boolean;
  readonly storeSvid: boolean;
  readonly disableX509SvidPrefetch: boolean;
  readonly jwtSvidIncludeJti: boolean;
  /** Seconds since 1970; 0 = never. */
  readonly expiresAt: number;
}

export type EntryField = keyof EntryFields;

interface FieldRule<T> {
  /** The field of the API's message, and of its mask. */
  readonly wire: keyof Entry;
  readonly from: (message: Entry__Output) => T;
  readonly to: (value: T) => unknown;
  /** From a file. @throws invalid */
  readonly read: (given: unknown) => T;
  /** What the JSON has; `undefined` = nothing. The value itself unless given. */
  readonly json?: (value: T) => unknown;
}

// Before the table, which is made while this file loads.
const ATTRIBUTES = "additional_attributes";

const RULES: { readonly [F in EntryField]: FieldRule<EntryFields[F]> } = {
  spiffeId: {
    wire: "spiffe_id",
    from: ({ spiffe_id }) => idText(spiffe_id),
    to: (id) => idMessage(id, "file"),
    read: readId,
  },
  parentId: {
    wire: "parent_id",
    from: ({ parent_id }) => idText(parent_id),
    to: (id) => idMessage(id, "file"),
    read: readId,
  },
  selectors: {
    wire: "selectors",
    from: ({ selectors }) => selectors.map(({ type, value }) => `${type}:${value}`),
    to: (selectors) => selectors.map(selectorMessage),
    read: readSelectors,
  },
  x509SvidTtl: plain("x509_svid_ttl", readSeconds, (entry) => entry.x509_svid_ttl),
  jwtSvidTtl: plain("jwt_svid_ttl", readSeconds, (entry) => entry.jwt_svid_ttl),
  federatesWith: plain("federates_with", readTrustDomains, (entry) =>
    [...entry.federates_with].sort(),
  ),
  dnsNames: plain("dns_names", readTexts, (entry) => entry.dns_names),
  hint: plain("hint", readTextOrNone, (entry) => entry.hint),
  admin: plain("admin", readFlag, (entry) => entry.admin),
  downstream: plain("downstream", readFlag, (entry) => entry.downstream),
  storeSvid: plain("store_svid", readFlag, (entry) => entry.store_svid),
  disableX509SvidPrefetch: attribute("disable_x509_svid_prefetch"),
  jwtSvidIncludeJti: attribute("jwt_svid_include_jti"),
  expiresAt: {
    ...plain("expires_at", readTime, (entry) => Number(entry.expires_at)),
    json: (seconds) => (seconds === 0 ? undefined : isoTime(seconds)),
  },
};

export const ENTRY_FIELDS = Object.keys(RULES) as readonly EntryField[]; // the mapped type above: all of them

export function fieldsOf(message: Entry__Output): EntryFields {
  return collect((field) => RULES[field].from(message));
}

/** @param read hands over the value under a key, and names the place in what the reader throws */
export function readFields(
  read: <T>(key: string, reader: (given: unknown) => T) => T,
): EntryFields {
  return collect((field) => read<unknown>(field, RULES[field].read));
}

/** Everything that the fields say, as the API takes it. */
export function fieldsMessage(fields: EntryFields): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  for (const field of ENTRY_FIELDS) {
    const { wire, to } = RULES[field] as FieldRule<unknown>;
    const value = to(fields[field]);
    // Both of them have a part of it.
    message[wire] =
      wire === ATTRIBUTES ? { ...(message[wire] as object), ...(value as object) } : value;
  }
  return message;
}

/** The names that masks have for the fields. */
export function fieldsMask(fields: readonly EntryField[]): Record<string, boolean> {
  return Object.fromEntries(fields.map((field) => [RULES[field].wire, true]));
}

/** As `--output json` prints them. */
export function fieldsJson(fields: EntryFields): Record<string, unknown> {
  return Object.fromEntries(
    ENTRY_FIELDS.flatMap((field) => {
      const { json } = RULES[field] as FieldRule<unknown>;
      const value = json === undefined ? fields[field] : json(fields[field]);
      return value === undefined ? [] : [[field, value]];
    }),
  );
}

/** @param valueOf gives each field what its type in `EntryFields` is */
function collect(valueOf: (field: EntryField) => unknown): EntryFields {
  const entries = ENTRY_FIELDS.map((field) => [field, valueOf(field)]);
  return Object.fromEntries(entries) as EntryFields; // by the rules' types, one for each field
}

function plain<T>(
  wire: keyof Entry,
  read: (given: unknown) => T,
  from: (message: Entry__Output) => T,
): FieldRule<T> {
  return { wire, from, to: (value) => value, read };
}

/** The mask takes those of `additional_attributes` together. */
function attribute(
  name: "disable_x509_svid_prefetch" | "jwt_svid_include_jti",
): FieldRule<boolean> {
  return {
    wire: ATTRIBUTES,
    from: (message) => message.additional_attributes?.[name] ?? false,
    to: (value) => ({ [name]: value }),
    read: readFlag,
  };
}
