import { checkVariable, isServerChecked } from "../../attestors/template-values.ts";
import { checkSelectorName } from "../../attestors/selector-types.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import { fail } from "../../base/errors.ts";
import { checkDnsName } from "../../spiffe/dns-name.ts";
import { IdTemplate } from "../../spiffe/id-template.ts";
import { type Selector, canonicalSelectors, checkSelector } from "../../spiffe/selector.ts";
import { SpiffeId, isReservedPath } from "../../spiffe/spiffe-id.ts";
import { TrustDomain } from "../../spiffe/trust-domain.ts";
import type { EntryRecord, EntryTemplate } from "../datastore/contract.ts";
import { isAgentSelf } from "./agent-selectors.ts";
import { checkJwtClaims } from "./jwt-claims.ts";
import { EVERY_DOMAIN } from "./every-domain.ts";
import { isNodeAlias } from "./node-aliases.ts";

/** The part of a registration entry that its maker decides; absent fields take their zero. */
export interface EntryFields {
  /** A workload's ID: in the trust domain, with a path, outside `/spire`. */
  readonly spiffeId: string;
  /** An agent, another entry's ID, or `/spire/server` (then the entry is a node alias). */
  readonly parentId: string;
  readonly selectors: readonly Selector[];
  readonly x509SvidTtl?: number;
  readonly jwtSvidTtl?: number;
  /** Trust domain names or IDs, or `EVERY_DOMAIN` for all that have a bundle. */
  readonly federatesWith?: readonly string[];
  readonly admin?: boolean;
  readonly downstream?: boolean;
  readonly storeSvid?: boolean;
  readonly expiresAt?: EpochSeconds;
  /** The order is kept: the first one is the certificate's common name. */
  readonly dnsNames?: readonly string[];
  readonly hint?: string;
  readonly disableX509SvidPrefetch?: boolean;
  readonly jwtSvidIncludeJti?: boolean;
  /** JSON (spiffe/claim-templates.ts); empty = none. */
  readonly jwtClaims?: string;
  /** The SPIFFE ID is the prefix of a family then. */
  readonly template?: EntryTemplate;
}

export interface EntryDraft extends EntryFields {
  /** `[A-Za-z0-9._-]{1,255}`; absent or empty = made by the server. */
  readonly id?: string;
}

/** An update: fields that are present replace the old ones, absent ones stay. */
export interface EntryPatch extends Partial<EntryFields> {
  readonly id: string;
}

export interface NewEntry {
  readonly trustDomain: TrustDomain;
  readonly id: string;
  readonly now: EpochSeconds;
}

/** The record of a new entry. @throws invalid, naming the field and the rule */
export function recordFromDraft(
  draft: EntryDraft,
  { trustDomain, id, now }: NewEntry,
): EntryRecord {
  checkEntryId(id);
  return check({ ...EMPTY_ENTRY, ...checkFields(draft, trustDomain), id, createdAt: now });
}

/** The record after an update; its revision number has risen by one. @throws invalid, naming the field and the rule */
export function patchRecord(
  old: EntryRecord,
  patch: EntryPatch,
  trustDomain: TrustDomain,
): EntryRecord {
  return check({
    ...old,
    ...checkFields(patch, trustDomain),
    revisionNumber: old.revisionNumber + 1,
  });
}

/** SPIRE's rule for entry IDs. @throws invalid */
export function checkEntryId(id: string): void {
  if (!ENTRY_ID.test(id)) {
    throw fail(
      "invalid",
      "entry id is not made of 1 to 255 letters, numbers, dots, dashes and underscores",
    );
  }
}

type CheckedFields = Partial<Omit<EntryRecord, "id" | "createdAt" | "revisionNumber">>;

/** Each present field by itself, in its stored form. */
function checkFields(fields: Partial<EntryFields>, trustDomain: TrustDomain): CheckedFields {
  const {
    spiffeId,
    parentId,
    selectors,
    federatesWith,
    dnsNames,
    hint,
    x509SvidTtl,
    jwtSvidTtl,
    expiresAt,
    template,
    jwtClaims,
    ...flags
  } = fields;
  return {
    ...pickFlags(flags),
    ...(jwtClaims === undefined ? {} : { jwtClaims }),
    ...(template === undefined ? {} : { template }),
    ...(spiffeId === undefined ? {} : { spiffeId: checkWorkloadId(spiffeId, trustDomain) }),
    ...(parentId === undefined ? {} : { parentId: checkParentId(parentId, trustDomain) }),
    ...(selectors === undefined ? {} : { selectors: checkSelectors(selectors) }),
    ...(federatesWith === undefined ? {} : { federatesWith: checkFederatesWith(federatesWith) }),
    ...(dnsNames === undefined ? {} : { dnsNames: checkDnsNames(dnsNames) }),
    ...(hint === undefined ? {} : { hint: checkHint(hint) }),
    ...(x509SvidTtl === undefined ? {} : { x509SvidTtl: checkTtl("x509", x509SvidTtl) }),
    ...(jwtSvidTtl === undefined ? {} : { jwtSvidTtl: checkTtl("jwt", jwtSvidTtl) }),
    ...(expiresAt === undefined ? {} : { expiresAt: checkExpiry(expiresAt) }),
  };
}

/** The rules between fields. */
function check(entry: EntryRecord): EntryRecord {
  if (entry.template !== undefined) checkTemplate(entry, entry.template);
  checkJwtClaims(entry);
  if (!entry.storeSvid) return entry;
  if (entry.disableX509SvidPrefetch) {
    throw fail("invalid", "an entry with a stored SVID cannot switch off its prefetch");
  }
  if (entry.selectors.some(({ type }) => type !== entry.selectors[0]?.type)) {
    throw fail("invalid", "selectors of an entry with a stored SVID must all be of one type");
  }
  return entry;
}

/** A family is for workloads: rights and stores are given to one identity by name. */
function checkTemplate(entry: EntryRecord, { id, trustAgent }: EntryTemplate): void {
  const { spiffeId, admin, downstream, storeSvid } = entry;
  if (admin || downstream || storeSvid) {
    throw fail("invalid", "an entry with a template has no admin, downstream or stored SVID");
  }
  if (isNodeAlias(entry) || isAgentSelf(entry)) {
    throw fail("invalid", "an entry with a template is for workloads, and cannot name agents");
  }
  const { variables } = IdTemplate.parse(id, spiffeId);
  for (const variable of variables) {
    checkVariable(variable);
    if (trustAgent || isServerChecked(variable)) continue;
    throw fail(
      "invalid",
      `the server cannot check the value of {{${variable.text}}}; say that the agent is trusted for it (--template-trust-agent)`,
    );
  }
}

function pickFlags(flags: Flags): Flags {
  const { admin, downstream, storeSvid, disableX509SvidPrefetch, jwtSvidIncludeJti } = flags;
  return {
    ...(admin === undefined ? {} : { admin }),
    ...(downstream === undefined ? {} : { downstream }),
    ...(storeSvid === undefined ? {} : { storeSvid }),
    ...(disableX509SvidPrefetch === undefined ? {} : { disableX509SvidPrefetch }),
    ...(jwtSvidIncludeJti === undefined ? {} : { jwtSvidIncludeJti }),
  };
}

type Flags = Partial<
  Pick<
    EntryRecord,
    "admin" | "downstream" | "storeSvid" | "disableX509SvidPrefetch" | "jwtSvidIncludeJti"
  >
>;

function checkWorkloadId(text: string, trustDomain: TrustDomain): string {
  const id = checkMember("SPIFFE ID", text, trustDomain);
  if (isReservedPath(id.path)) {
    throw fail("invalid", `SPIFFE ID '${text}' is in the reserved namespace '/spire'`);
  }
  return text;
}

function checkParentId(text: string, trustDomain: TrustDomain): string {
  checkMember("parent ID", text, trustDomain);
  return text;
}

function checkMember(what: string, text: string, trustDomain: TrustDomain): SpiffeId {
  const id = SpiffeId.parse(text);
  if (!id.memberOf(trustDomain)) {
    throw fail("invalid", `${what} '${text}' is not in the trust domain '${trustDomain.name}'`);
  }
  if (id.path === "") throw fail("invalid", `${what} '${text}' has no path`);
  return id;
}

function checkSelectors(selectors: readonly Selector[]): readonly Selector[] {
  if (selectors.length === 0) throw fail("invalid", "an entry needs at least one selector");
  checkCount("selectors", selectors.length, MAX_SELECTORS);
  for (const selector of selectors) checkSelectorName(checkSelector(selector));
  return canonicalSelectors(selectors);
}

function checkFederatesWith(names: readonly string[]): readonly string[] {
  checkCount("federated trust domains", names.length, MAX_FEDERATES_WITH);
  const parsed = names.map((name) => (name === EVERY_DOMAIN ? name : TrustDomain.parse(name).name));
  return parsed.includes(EVERY_DOMAIN) ? [EVERY_DOMAIN] : [...new Set(parsed)].sort();
}

function checkDnsNames(names: readonly string[]): readonly string[] {
  checkCount("dns names", names.length, MAX_DNS_NAMES);
  for (const name of names) checkDnsName(name);
  return [...new Set(names)];
}

function checkCount(what: string, count: number, most: number): void {
  if (count > most) throw fail("invalid", `an entry has at most ${most} ${what}, not ${count}`);
}

function checkHint(hint: string): string {
  if (Buffer.byteLength(hint) > MAX_HINT_BYTES) {
    throw fail("invalid", `hint is longer than ${MAX_HINT_BYTES} bytes`);
  }
  return hint;
}

function checkTtl(what: string, seconds: number): number {
  if (!Number.isInteger(seconds) || seconds < 0 || seconds > MAX_TTL) {
    throw fail("invalid", `${what} SVID ttl is not a number of seconds from 0 to ${MAX_TTL}`);
  }
  return seconds;
}

function checkExpiry(seconds: number): number {
  if (!Number.isSafeInteger(seconds) || seconds < 0) {
    throw fail("invalid", "expiry is not a time in seconds since 1970 (0 = never)");
  }
  return seconds;
}

export const MAX_SELECTORS = 256;
export const MAX_DNS_NAMES = 64;
export const MAX_FEDERATES_WITH = 128;
/** SPIRE's bound. */
export const MAX_HINT_BYTES = 1024;

/** Stands in the API as int32. */
const MAX_TTL = 2 ** 31 - 1;
const ENTRY_ID = /^[A-Za-z0-9._-]{1,255}$/;

/** What an entry has where nothing is said. */
export const EMPTY_ENTRY: EntryRecord = {
  id: "",
  spiffeId: "",
  parentId: "",
  selectors: [],
  x509SvidTtl: 0,
  jwtSvidTtl: 0,
  federatesWith: [],
  admin: false,
  downstream: false,
  storeSvid: false,
  expiresAt: 0,
  dnsNames: [],
  hint: "",
  disableX509SvidPrefetch: false,
  jwtSvidIncludeJti: false,
  revisionNumber: 0,
  createdAt: 0,
};
