/**
 * What the server keeps. One contract, split by aggregate, readers apart from writers: a reader cannot write, and a
 * writer exists only inside a transaction. Asynchronous, though SQLite is not: PostgreSQL will implement it too.
 *
 * Revisions: every committed transaction that changes one of `CHANGE_SUBJECTS` appends rows to the change feed in the
 * same transaction. Revisions are given out so that a reader that has seen revision r never
 * learns later of a change with a revision <= r, even when commits finish out of order (an implementation with
 * concurrent writers takes the next revision under a lock that it holds until its commit).
 */
import type { Selector } from "../../spiffe/selector.ts";
import type { EpochSeconds } from "../../base/clock.ts";
import type { Page, PageRequest } from "./page.ts";
import type {
  AcmeExternalAccountReader,
  AcmeExternalAccountWriter,
} from "./acme-external-accounts.ts";
import type {
  ProvisionApiTokenReader,
  ProvisionApiTokenWriter,
  ProvisionGrantReader,
  ProvisionGrantWriter,
} from "./provision.ts";
import type { AcmeReader, AcmeWriter } from "./acme.ts";
import type {
  RenewableCertificateReader,
  RenewableCertificateWriter,
} from "./renewable-certificates.ts";
import type { RevokedAuthorityReader, RevokedAuthorityWriter } from "./revoked-authorities.ts";

/** What makes an entry the name of a family: its SPIFFE ID is their prefix then, and nobody's identity. */
export interface EntryTemplate {
  /** A SPIFFE ID with variables, as `IdTemplate` (spiffe/id-template.ts) reads it. */
  readonly id: string;
  /** The agent's word on the values is enough. */
  readonly trustAgent: boolean;
}

export { MAX_PAGE_SIZE, type Page, type PageRequest } from "./page.ts";

/** A registration entry as stored. Strings are already valid: the entries room checks them before they come here. */
export interface EntryRecord {
  readonly id: string;
  readonly spiffeId: string;
  readonly parentId: string;
  /** Canonical order (spiffe/selector.ts `canonicalSelectors`), at least one. */
  readonly selectors: readonly Selector[];
  /** Seconds; 0 = the server's default. */
  readonly x509SvidTtl: number;
  readonly jwtSvidTtl: number;
  /** Trust domain names, sorted; `*` alone: all that have a bundle. */
  readonly federatesWith: readonly string[];
  readonly admin: boolean;
  readonly downstream: boolean;
  readonly storeSvid: boolean;
  /** 0 = never. */
  readonly expiresAt: EpochSeconds;
  readonly dnsNames: readonly string[];
  readonly hint: string;
  readonly disableX509SvidPrefetch: boolean;
  readonly jwtSvidIncludeJti: boolean;
  /** JSON, as `ClaimTemplates` (spiffe/claim-templates.ts) reads it; absent or empty = none of its own. */
  readonly jwtClaims?: string;
  /** Absent = the entry is one identity. */
  readonly template?: EntryTemplate;
  /** Starts at 0 and rises by one with each update of this entry (SPIRE's revision_number). */
  readonly revisionNumber: number;
  readonly createdAt: EpochSeconds;
}

/**
 * How a record's set relates to the wanted one: equal; nothing but wanted members, at least one; all wanted ones; at
 * least one of them. An empty wanted set is `invalid`.
 */
export type SelectorMatch = "exact" | "subset" | "superset" | "any";

/** What is given must fit, all of it; an empty filter takes every entry. */
export interface EntryFilter {
  readonly spiffeId?: string;
  readonly parentId?: string;
  readonly selectors?: { readonly match: SelectorMatch; readonly selectors: readonly Selector[] };
  readonly federatesWith?: {
    readonly match: SelectorMatch;
    readonly trustDomains: readonly string[];
  };
  readonly hint?: string;
  readonly downstream?: boolean;
}

export interface EntryReader {
  get(id: string): Promise<EntryRecord | undefined>;
  /** Those that there are, in no order. @param ids any number, each once */
  getMany(ids: readonly string[]): Promise<readonly EntryRecord[]>;
  /** Ordered by creation, then id. Without `page`: all. */
  list(filter: EntryFilter, page?: PageRequest): Promise<Page<EntryRecord>>;
  count(filter: EntryFilter): Promise<number>;
  /** The entry with the same parent, SPIFFE ID and selector set, if there is one ("similar" in SPIRE's words). */
  findSimilar(entry: EntryRecord): Promise<EntryRecord | undefined>;
  /** Entries with 0 < expiresAt < now. */
  listExpired(now: EpochSeconds, limit: number): Promise<readonly EntryRecord[]>;
}

export interface EntryWriter extends EntryReader {
  /** @throws exists when the id or a similar entry is there */
  create(entry: EntryRecord): Promise<void>;
  /** Replaces the entry with this id. @throws not_found; exists when it became similar to another */
  update(entry: EntryRecord): Promise<void>;
  /** @returns whether there was one */
  delete(id: string): Promise<boolean>;
}

/** An attested node. */
export interface NodeRecord {
  readonly spiffeId: string;
  readonly attestationType: string;
  /** Lower-case hex of the active SVID's serial; empty = evicted or banned. */
  readonly serial: string;
  readonly expiresAt: EpochSeconds;
  /** The serial of an SVID that was given out but not yet used; its first use promotes it. */
  readonly newSerial: string;
  readonly newExpiresAt: EpochSeconds;
  readonly selectors: readonly Selector[];
  readonly banned: boolean;
  readonly canReattest: boolean;
  readonly agentVersion: string;
  /** SHA-256 (hex) of the CSR's public key of the admission, so that a lost reply can be retried by the same key. */
  readonly keyHash: string;
  /** Host facts as the agent reported them (assay.agent.v1), JSON; empty = none. */
  readonly hostFacts: string;
  readonly attestedAt: EpochSeconds;
  /** How often an operator had the agent replace all its SVIDs. */
  readonly rotation: number;
}

/** What is given must fit, all of it; an empty filter takes every node. */
export interface NodeFilter {
  readonly attestationType?: string;
  readonly selectors?: { readonly match: SelectorMatch; readonly selectors: readonly Selector[] };
  readonly banned?: boolean;
  readonly canReattest?: boolean;
  /** Those whose active SVID ends before. */
  readonly expiresBefore?: EpochSeconds;
}

export interface NodeReader {
  get(spiffeId: string): Promise<NodeRecord | undefined>;
  /** Ordered by SPIFFE ID. Without `page`: all. */
  list(filter: NodeFilter, page?: PageRequest): Promise<Page<NodeRecord>>;
  count(filter: NodeFilter): Promise<number>;
}

export interface NodeWriter extends NodeReader {
  /** Creates or replaces. */
  put(node: NodeRecord): Promise<void>;
  /** @returns whether there was one */
  delete(spiffeId: string): Promise<boolean>;
}

/** A join token that was given out; its node marks it as spent, so that it stays until it expires. */
export interface JoinTokenRecord {
  /** SHA-256 of the token, lower-case hex: the token itself is never stored. */
  readonly hash: string;
  readonly expiresAt: EpochSeconds;
  readonly createdAt: EpochSeconds;
}

export interface TokenReader {
  get(hash: string): Promise<JoinTokenRecord | undefined>;
  /** Tokens with expiresAt < now, the oldest first. */
  listExpired(now: EpochSeconds, limit: number): Promise<readonly JoinTokenRecord[]>;
}

export interface TokenWriter extends TokenReader {
  /** @throws exists */
  create(token: JoinTokenRecord): Promise<void>;
  /** @returns whether there was one */
  delete(hash: string): Promise<boolean>;
}

/** A token of another issuer that was used here: it counts for one key alone until it is refused for its age. */
export interface BoundTokenRecord {
  /** SHA-256 of what is signed in it, lower-case hex. */
  readonly fingerprint: string;
  /** SHA-256 of the key's DER SubjectPublicKeyInfo, lower-case hex. */
  readonly keyHash: string;
  /** When it is refused whoever shows it, and the row may go. */
  readonly expiresAt: EpochSeconds;
}

export interface BoundTokenReader {
  get(fingerprint: string): Promise<BoundTokenRecord | undefined>;
  count(): Promise<number>;
}

export interface BoundTokenWriter extends BoundTokenReader {
  /** @throws exists */
  create(token: BoundTokenRecord): Promise<void>;
  /** Deletes tokens with expiresAt < now. @returns how many */
  prune(now: EpochSeconds): Promise<number>;
}

/** A token that was given out for one entry, until it is spent or expires. */
export interface OneTimeTokenRecord {
  /** SHA-256 of the token, lower-case hex: the token itself is never stored; `certificate ` and that of one in its place. */
  readonly hash: string;
  readonly entryId: string;
  readonly expiresAt: EpochSeconds;
}

export interface OneTimeTokenReader {
  get(hash: string): Promise<OneTimeTokenRecord | undefined>;
  count(): Promise<number>;
}

export interface OneTimeTokenWriter extends OneTimeTokenReader {
  /** @throws exists */
  create(token: OneTimeTokenRecord): Promise<void>;
  /** @returns whether there was one: who gets `true` has spent it */
  delete(hash: string): Promise<boolean>;
  /** Deletes tokens with expiresAt < now. @returns how many */
  prune(now: EpochSeconds): Promise<number>;
}

/** A bundle as stored: own (one) and foreign. Content is the shape of spiffe/bundle.ts, as JSON text. */
export interface BundleRecord {
  readonly trustDomain: string;
  /** `encodeBundleRecord`'s JSON (spiffe/bundle.ts); opaque here. */
  readonly content: string;
  /** Rises with each change of content; the store counts it. */
  readonly sequence: number;
}

export interface BundleReader {
  get(trustDomain: string): Promise<BundleRecord | undefined>;
  /** Ordered by trust domain. Without `page`: all. */
  list(page?: PageRequest): Promise<Page<BundleRecord>>;
  count(): Promise<number>;
}

export interface BundleWriter extends BundleReader {
  /** Creates or replaces; an equal content changes nothing. @returns the record as it is now */
  put(trustDomain: string, content: string): Promise<BundleRecord>;
  /** Should it come back, its sequence goes on. @returns whether there was one */
  delete(trustDomain: string): Promise<boolean>;
}

/** How a bundle endpoint proves itself (SPIFFE Federation §5.2): by the web PKI, or by an SVID. */
export const ENDPOINT_PROFILES = ["https_web", "https_spiffe"] as const;
export type EndpointProfile = (typeof ENDPOINT_PROFILES)[number];

/** Where the bundle of a foreign trust domain is fetched. The bundle itself is a `BundleRecord`. */
export interface RelationshipRecord {
  readonly trustDomain: string;
  /** An https URL. */
  readonly endpointUrl: string;
  readonly endpointProfile: EndpointProfile;
  /** The endpoint's SPIFFE ID; empty with `https_web`. */
  readonly endpointSpiffeId: string;
  readonly createdAt: EpochSeconds;
}

export interface RelationshipReader {
  get(trustDomain: string): Promise<RelationshipRecord | undefined>;
  /** Ordered by trust domain. Without `page`: all. */
  list(page?: PageRequest): Promise<Page<RelationshipRecord>>;
  count(): Promise<number>;
}

export interface RelationshipWriter extends RelationshipReader {
  /** Creates or replaces. */
  put(relationship: RelationshipRecord): Promise<void>;
  /** @returns whether there was one */
  delete(trustDomain: string): Promise<boolean>;
}

/** What authorities sign: certificates, or tokens. */
export const AUTHORITY_KINDS = ["x509", "jwt"] as const;
export type AuthorityKind = (typeof AUTHORITY_KINDS)[number];
/** A requested one has a key and no certificate yet: its request is with whoever signs it. */
export const AUTHORITY_STATUSES = ["requested", "prepared", "active", "old"] as const;
export type AuthorityStatus = (typeof AUTHORITY_STATUSES)[number];

/** Another path from an X.509 authority's key to another root. */
export interface AlternateChain {
  /** DER, base64: a certificate of the authority first; without the root. */
  readonly chain: readonly string[];
  /** DER, base64. */
  readonly root: string;
  /** Of the link that ends first. */
  readonly notAfter: EpochSeconds;
}

/** One line of an authority set's journal. */
export interface AuthorityRecord {
  /** X.509: hex of the subject key identifier; of a requested one the one its key would have. JWT: the key id. */
  readonly id: string;
  /** Name of the authority set; `trust-domain` is the domain's own. */
  readonly set: string;
  readonly kind: AuthorityKind;
  readonly status: AuthorityStatus;
  readonly tainted: boolean;
  /** Name of the key in the key manager. */
  readonly keyName: string;
  /** X.509: DER chain, own certificate first, base64 each; without the root, unless that is the own one. JWT: empty. */
  readonly chain: readonly string[];
  /** X.509: what was to be trusted when it was signed, DER in base64, the chain's own root first. JWT: empty. */
  readonly roots: readonly string[];
  /** X.509: absent = none. */
  readonly alternates?: readonly AlternateChain[];
  /** DER SubjectPublicKeyInfo, base64. */
  readonly publicKey: string;
  readonly notBefore: EpochSeconds;
  readonly notAfter: EpochSeconds;
  readonly createdAt: EpochSeconds;
}

export interface AuthorityReader {
  /** Ordered by creation. */
  list(set: string): Promise<readonly AuthorityRecord[]>;
}

export interface AuthorityWriter extends AuthorityReader {
  /** Creates or replaces, by set, kind and id. */
  put(authority: AuthorityRecord): Promise<void>;
  /** @returns whether there was one */
  delete(set: string, kind: AuthorityKind, id: string): Promise<boolean>;
}

/** An X.509-SVID that was revoked before its end. */
export interface RevocationRecord {
  /** Of the X.509 authority that signed it. */
  readonly authorityId: string;
  /** Lower hex, no leading zeros. */
  readonly serial: string;
  /** Empty = unknown. */
  readonly spiffeId: string;
  /** A reason of x509/crl.ts. */
  readonly reason: string;
  readonly revokedAt: EpochSeconds;
  /** When it ends anyway. */
  readonly expiresAt: EpochSeconds;
}

/** The last revocation list of an X.509 authority. */
export interface CrlRecord {
  readonly authorityId: string;
  readonly number: number;
  readonly nextUpdate: EpochSeconds;
  /** Base64. */
  readonly der: string;
}

export interface RevocationReader {
  /** Ordered by time. The revocation room bounds their number. */
  list(): Promise<readonly RevocationRecord[]>;
  /** Ordered by authority. */
  crls(): Promise<readonly CrlRecord[]>;
  crl(authorityId: string): Promise<CrlRecord | undefined>;
}

export interface RevocationWriter extends RevocationReader {
  /** @returns false when it was revoked before, which stays as it is */
  create(revocation: RevocationRecord): Promise<boolean>;
  /** Deletes revocations with expiresAt < before. @returns how many */
  prune(before: EpochSeconds): Promise<number>;
  /** Creates or replaces. */
  putCrl(crl: CrlRecord): Promise<void>;
  /** @returns whether there was one */
  deleteCrl(authorityId: string): Promise<boolean>;
}

/** What the change feed tells of. Tokens, grants and all of ACME are looked up when they are needed. */
export const CHANGE_SUBJECTS = [
  "entry",
  "node",
  "bundle",
  "authority",
  "relationship",
  "revocation",
] as const;
export type ChangeSubject = (typeof CHANGE_SUBJECTS)[number];

/** One row of the change feed: what changed, not how; readers fetch the present state. */
export interface Change {
  readonly revision: number;
  readonly subject: ChangeSubject;
  /**
   * Entry id, node SPIFFE ID, trust domain (of a bundle or relationship), authority set or, of a revocation, authority
   * id.
   */
  readonly key: string;
  /** Wall clock of the commit, milliseconds. */
  readonly atMs: number;
}

export interface ChangeReader {
  /** The newest revision that is visible; 0 = none yet. */
  current(): Promise<number>;
  /**
   * The oldest revision still kept, `current() + 1` when none is. A reader that has seen r missed changes when
   * r < oldest() - 1 and must load everything anew; ask after `since`, as rows may be dropped in between.
   */
  oldest(): Promise<number>;
  /** Changes with revision > after, in order. */
  since(after: number, limit: number): Promise<readonly Change[]>;
}

/** What is committed; within a transaction a writer reads what it has written itself. */
export interface Readers {
  readonly entries: EntryReader;
  readonly nodes: NodeReader;
  readonly tokens: TokenReader;
  readonly boundTokens: BoundTokenReader;
  readonly oneTimeTokens: OneTimeTokenReader;
  readonly renewableCertificates: RenewableCertificateReader;
  readonly bundles: BundleReader;
  readonly relationships: RelationshipReader;
  readonly authorities: AuthorityReader;
  readonly revocations: RevocationReader;
  readonly provisionGrants: ProvisionGrantReader;
  readonly provisionApiTokens: ProvisionApiTokenReader;
  readonly acme: AcmeReader;
  readonly revokedAuthorities: RevokedAuthorityReader;
  readonly acmeExternalAccounts: AcmeExternalAccountReader;
  readonly changes: ChangeReader;
}

/** Of one transaction: not to be used once its work is over. */
export interface Writers {
  readonly entries: EntryWriter;
  readonly nodes: NodeWriter;
  readonly tokens: TokenWriter;
  readonly boundTokens: BoundTokenWriter;
  readonly oneTimeTokens: OneTimeTokenWriter;
  readonly renewableCertificates: RenewableCertificateWriter;
  readonly bundles: BundleWriter;
  readonly relationships: RelationshipWriter;
  readonly authorities: AuthorityWriter;
  readonly revocations: RevocationWriter;
  readonly provisionGrants: ProvisionGrantWriter;
  readonly provisionApiTokens: ProvisionApiTokenWriter;
  readonly acme: AcmeWriter;
  readonly revokedAuthorities: RevokedAuthorityWriter;
  readonly acmeExternalAccounts: AcmeExternalAccountWriter;
}

/** Each implementation passes test/server/datastore/conformance.ts. */
export interface Datastore extends Readers, AsyncDisposable {
  /**
   * Runs `work` in one transaction: all or nothing, durable (fsync) when the promise resolves.
   * An error of `work` rolls back and is thrown on, when all that `work` may have read is durable. Transactions do not
   * nest.
   */
  transaction<T>(work: (writers: Writers) => Promise<T>): Promise<T>;
  /** Called after each commit that appended to the change feed, with the newest visible revision. @returns unsubscribe */
  onCommit(listener: (revision: number) => void): () => void;
  /** Drops feed rows older than the newest `keep`. */
  pruneChanges(keep: number): Promise<void>;
}
