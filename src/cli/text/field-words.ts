/** The API names what is wrong by its own fields; whoever types commands or writes files knows them by other names. */

/** A command's own names for fields, such as `--life`. */
export type FieldNames = Readonly<Record<string, string>>;

/** The same sentence, the field it begins with as people call it; any other sentence as it is. */
export function withFieldWords(message: string, names: FieldNames = {}): string {
  const match = FIELD.exec(message);
  if (match === null) return message;
  const [whole, path = "", rest = ""] = match;
  const name = path.replace(/\[\d+\]$/, "");
  // A peer's words: `constructor` is no field.
  const words = Object.hasOwn(names, name) ? names[name] : wordsOf(path);
  return words === undefined ? whole : `${words}: ${rest}`;
}

/** `params.csr` is the CSR, `selectors[0].value` the value of the first selector. */
function wordsOf(path: string): string | undefined {
  const steps = path.split(".").map((step) => {
    const [, name = "", index] = /^([a-z0-9_]+)(?:\[(\d+)\])?$/.exec(step) ?? [];
    const words = FIELDS.get(name);
    return words === undefined || index === undefined ? words : `${words} ${Number(index) + 1}`;
  });
  if (steps.includes(undefined)) return undefined;
  return steps.filter((words) => words !== "").join(", ");
}

const FIELD = /^((?:[a-z0-9_]+(?:\[\d+\])?\.)*[a-zA-Z0-9_]+(?:\[\d+\])?): ([^]+)$/;

/** Empty: it holds what was meant, and says nothing by itself. */
const FIELDS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    agent_id: "SPIFFE ID",
    audience: "audience",
    authority_id: "authority ID",
    bundle: "bundle",
    bundle_endpoint_profile: "profile",
    bundle_endpoint_url: "URL of the bundle endpoint",
    csr: "CSR",
    dns_names: "DNS name",
    endpoint_spiffe_id: "SPIFFE ID of the endpoint",
    entry_id: "entry ID",
    expires_at: "expiry",
    federates_with: "federated trust domain",
    federation_relationships: "relationship",
    hint: "hint",
    https_spiffe: "",
    id: "ID",
    ids: "ID",
    key_id: "key ID",
    jwt_authorities: "JWT authority",
    jwt_svid_ttl: "life of JWT-SVIDs",
    names: "name",
    networks: "network",
    params: "",
    parent_id: "parent ID",
    preferred_ttl: "life",
    public_key: "public key",
    refresh_hint: "refresh hint",
    selectors: "selector",
    sequence_number: "sequence number",
    spiffe_id: "SPIFFE ID",
    token: "token",
    trust_domain: "trust domain",
    trust_domain_bundle: "bundle",
    ttl: "life",
    type: "type",
    value: "value",
    x509_authorities: "X.509 authority",
    x509_svid_ttl: "life of X.509-SVIDs",
  }),
);
