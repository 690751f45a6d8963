/**
 * Federation relationships: which foreign trust domains this one federates with and where their bundles are fetched.
 * It stores and serves them; fetching is not its matter.
 */
import { type Clock, epochSeconds } from "../../base/clock.ts";
import { type AssayError, fail } from "../../base/errors.ts";
import type { Bundle } from "../../spiffe/bundle.ts";
import { parseBundleRecord } from "../../spiffe/bundle-document.ts";
import type { TrustDomain } from "../../spiffe/trust-domain.ts";
import {
  type ForeignBundle,
  checkBundleCount,
  encodeForeignBundle,
} from "../bundles/foreign-bundle.ts";
import type {
  BundleReader,
  Datastore,
  Page,
  PageRequest,
  RelationshipRecord,
  Writers,
} from "../datastore/contract.ts";
import { checkEndpointUrl } from "../../spiffe/endpoint-url.ts";

/** How a bundle endpoint proves itself. */
export type Endpoint = Pick<RelationshipRecord, "endpointProfile" | "endpointSpiffeId">;

/** A relationship, and the bundle that its domain has here, if any. */
export interface Relationship {
  readonly record: RelationshipRecord;
  readonly bundle: Bundle | undefined;
}

export interface RelationshipDraft {
  readonly trustDomain: string;
  readonly endpointUrl: string;
  readonly endpoint: Endpoint;
  /** Replaces the bundle that is there. */
  readonly bundle?: ForeignBundle;
}

/** The parts to replace; absent ones stay. */
export type RelationshipPatch = Partial<Omit<RelationshipDraft, "trustDomain">>;

export interface RelationshipsOptions {
  readonly trustDomain: TrustDomain;
  readonly datastore: Datastore;
  readonly clock: Clock;
}

export class Relationships {
  readonly #trustDomain: TrustDomain;
  readonly #datastore: Datastore;
  readonly #clock: Clock;

  constructor({ trustDomain, datastore, clock }: RelationshipsOptions) {
    this.#trustDomain = trustDomain;
    this.#datastore = datastore;
    this.#clock = clock;
  }

  async get(trustDomain: string): Promise<Relationship | undefined> {
    const record = await this.#datastore.relationships.get(trustDomain);
    if (record === undefined) return undefined;
    return withBundle(record, this.#datastore.bundles);
  }

  /** By trust domain. */
  async list(page?: PageRequest): Promise<Page<Relationship>> {
    const { items, nextToken } = await this.#datastore.relationships.list(page);
    const relationships: Relationship[] = [];
    for (const record of items) {
      relationships.push(await withBundle(record, this.#datastore.bundles));
    }
    return { items: relationships, ...(nextToken === undefined ? {} : { nextToken }) };
  }

  /** @throws exists, invalid, limited */
  create({ trustDomain, endpointUrl, endpoint, bundle }: RelationshipDraft): Promise<Relationship> {
    return this.#write(trustDomain, bundle, async ({ relationships }) => {
      if ((await relationships.get(trustDomain)) !== undefined) {
        throw fail("exists", `there is a relationship with '${trustDomain}' already; update it`);
      }
      if ((await relationships.count()) >= MAX_RELATIONSHIPS) {
        throw fail("limited", `there are ${MAX_RELATIONSHIPS} relationships; delete one first`);
      }
      const createdAt = epochSeconds(this.#clock);
      return { trustDomain, endpointUrl: checkEndpointUrl(endpointUrl), ...endpoint, createdAt };
    });
  }

  /** @throws not_found, invalid */
  update(trustDomain: string, patch: RelationshipPatch): Promise<Relationship> {
    const { endpointUrl, endpoint, bundle } = patch;
    return this.#write(trustDomain, bundle, async ({ relationships }) => {
      const before = await relationships.get(trustDomain);
      if (before === undefined) throw unknownRelationship(trustDomain);
      return {
        ...before,
        ...(endpointUrl === undefined ? {} : { endpointUrl: checkEndpointUrl(endpointUrl) }),
        ...endpoint,
      };
    });
  }

  /** The domain's bundle stays. @throws not_found */
  async delete(trustDomain: string): Promise<void> {
    const there = await this.#datastore.transaction(({ relationships }) =>
      relationships.delete(trustDomain),
    );
    if (!there) throw unknownRelationship(trustDomain);
  }

  async #write(
    trustDomain: string,
    bundle: ForeignBundle | undefined,
    work: (writers: Writers) => Promise<RelationshipRecord>,
  ): Promise<Relationship> {
    if (trustDomain === this.#trustDomain.name) {
      throw fail("invalid", `'${trustDomain}' is the server's own trust domain`);
    }
    if (bundle !== undefined && bundle.trustDomain !== trustDomain) {
      throw fail(
        "invalid",
        `the bundle is that of '${bundle.trustDomain}', the relationship with '${trustDomain}'`,
      );
    }
    const content = bundle === undefined ? undefined : encodeForeignBundle(bundle);
    return this.#datastore.transaction(async (writers) => {
      const record = await work(writers);
      await writers.relationships.put(record);
      if (content !== undefined) {
        if ((await writers.bundles.get(trustDomain)) === undefined) {
          await checkBundleCount(writers.bundles);
        }
        await writers.bundles.put(trustDomain, content);
      }
      return withBundle(record, writers.bundles);
    });
  }
}

export function unknownRelationship(trustDomain: string): AssayError {
  return fail("not_found", `no federation relationship with '${trustDomain}'`);
}

async function withBundle(
  record: RelationshipRecord,
  bundles: BundleReader,
): Promise<Relationship> {
  const { trustDomain } = record;
  const stored = await bundles.get(trustDomain);
  if (stored === undefined) return { record, bundle: undefined };
  return { record, bundle: parseBundleRecord(trustDomain, stored.content, stored.sequence) };
}

const MAX_RELATIONSHIPS = 10_000;
