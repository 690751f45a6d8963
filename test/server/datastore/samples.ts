import type { Test } from "tap";
import { type ErrorKind, isKind } from "../../../src/base/errors.ts";
import type {
  AuthorityRecord,
  Change,
  Datastore,
  EntryFilter,
  EntryRecord,
  NodeRecord,
  RelationshipRecord,
  SelectorMatch,
} from "../../../src/server/datastore/contract.ts";
import { canonicalSelectors, parseSelector } from "../../../src/spiffe/selector.ts";

export function sampleEntry(id: string, over: Partial<EntryRecord> = {}): EntryRecord {
  return {
    id,
    spiffeId: `spiffe://example.org/${id}`,
    parentId: "spiffe://example.org/spire/agent/test/a",
    selectors: selectors("unix:uid:1000"),
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
    createdAt: 1_700_000_000,
    ...over,
  };
}

export function sampleNode(name: string, over: Partial<NodeRecord> = {}): NodeRecord {
  return {
    spiffeId: `spiffe://example.org/spire/agent/test/${name}`,
    attestationType: "join_token",
    serial: "01ab",
    expiresAt: 1_700_003_600,
    newSerial: "",
    newExpiresAt: 0,
    selectors: [],
    banned: false,
    canReattest: false,
    agentVersion: "",
    keyHash: "",
    hostFacts: "",
    attestedAt: 1_700_000_000,
    rotation: 0,
    ...over,
  };
}

export function selectors(...texts: string[]): EntryRecord["selectors"] {
  return canonicalSelectors(texts.map(parseSelector));
}

export function sampleAuthority(id: string, over: Partial<AuthorityRecord> = {}): AuthorityRecord {
  return {
    id,
    set: "set",
    kind: "x509",
    status: "prepared",
    tainted: false,
    keyName: "key-1",
    chain: ["AAAA", "BBBB"],
    roots: ["DDDD"],
    publicKey: "CCCC",
    notBefore: 1,
    notAfter: 2,
    createdAt: 1,
    ...over,
  };
}

export function sampleRelationship(
  trustDomain: string,
  over: Partial<RelationshipRecord> = {},
): RelationshipRecord {
  return {
    trustDomain,
    endpointUrl: `https://${trustDomain}.example:8443/bundle`,
    endpointProfile: "https_web",
    endpointSpiffeId: "",
    createdAt: 1_700_000_000,
    ...over,
  };
}

export function match(
  how: SelectorMatch,
  ...texts: string[]
): { selectors: NonNullable<EntryFilter["selectors"]> } {
  return { selectors: { match: how, selectors: texts.map(parseSelector) } };
}

export async function listIds(store: Datastore, filter: EntryFilter): Promise<string[]> {
  return (await store.entries.list(filter)).items.map(({ id }) => id);
}

export async function walk<T, R>(
  list: (page: { size: number; token?: string }) => Promise<{
    items: readonly T[];
    nextToken?: string;
  }>,
  size: number,
  pick: (item: T) => R,
): Promise<R[]> {
  const out: R[] = [];
  let token: string | undefined;
  do {
    const page = await list({ size, ...(token === undefined ? {} : { token }) });
    if (page.items.length > size) throw new Error("a page is longer than asked for");
    out.push(...page.items.map(pick));
    token = page.nextToken;
  } while (token !== undefined);
  return out;
}

export function ordered(t: Test, changes: readonly Change[]): void {
  const revisions = changes.map(({ revision }) => revision);
  t.same(
    revisions,
    [...new Set(revisions)].sort((a, b) => a - b),
    "revisions rise",
  );
}

export async function rejectsWith(t: Test, kind: ErrorKind, run: () => Promise<unknown>) {
  try {
    await run();
  } catch (thrown) {
    if (!isKind(thrown, kind)) t.fail(`expected ${kind}`, { thrown });
    else t.pass(kind);
    return;
  }
  t.fail(`expected ${kind}, got no error`);
}

/** `await using` for a value that came from elsewhere. */
export async function holding(resource: AsyncDisposable, body: () => Promise<void>): Promise<void> {
  await using _held = resource;
  await body();
}
