import { fail, isKind } from "../../base/errors.ts";
import type { ListRelationshipsResponse__Output } from "../../rpc/gen/assay/federation/v1/ListRelationshipsResponse.ts";
import type { Relationship__Output } from "../../rpc/gen/assay/federation/v1/Relationship.ts";
import type { RpcClient } from "../connection/rpc-clients.ts";

/** How the foreign bundles are being kept, by trust domain; `undefined` where the server does not tell (SPIRE's). */
export async function readRefreshStatuses(
  server: RpcClient,
): Promise<ReadonlyMap<string, Relationship__Output> | undefined> {
  const found = new Map<string, Relationship__Output>();
  for (let after = "", pages = 0; pages < MAX_PAGES; pages++) {
    let page: ListRelationshipsResponse__Output;
    try {
      page = await server.call(FEDERATION_SERVICE, "ListRelationships", { after });
    } catch (error) {
      if (isKind(error, "unsupported")) return undefined;
      throw error;
    }
    for (const each of page.relationships) found.set(each.trust_domain, each);
    const last = page.relationships.at(-1);
    if (!page.more || last === undefined) return found;
    after = last.trust_domain;
  }
  throw fail("limited", "the server lists relationships without an end");
}

const FEDERATION_SERVICE = "assay.federation.v1.Federation";
/** More than a server holds. */
const MAX_PAGES = 1000;
