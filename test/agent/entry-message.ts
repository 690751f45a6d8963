import type { Entry__Output } from "../../src/rpc/gen/spire/api/types/Entry.ts";

/** An entry as a server sends it. */
export function entryMessage(id: string, change: Partial<Entry__Output> = {}): Entry__Output {
  return {
    id,
    spiffe_id: { trust_domain: "example.org", path: `/${id}` },
    parent_id: null,
    selectors: [{ type: "unix", value: "uid:1" }],
    x509_svid_ttl: 0,
    federates_with: [],
    admin: false,
    downstream: false,
    expires_at: "0",
    dns_names: [],
    revision_number: "0",
    store_svid: false,
    jwt_svid_ttl: 0,
    hint: "",
    created_at: "1",
    ...change,
  };
}
