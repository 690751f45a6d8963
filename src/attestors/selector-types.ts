/**
 * The selector types that we own: every name that an attestor of ours, or SPIRE's plugin of the same type, can emit, and
 * the form of its values. An entry that demands a name which nobody emits would wait for ever, so it is refused; types
 * that are not here belong to somebody else and are taken as they are.
 *
 * Names: SPIRE 1.15's plugin documents (k8s with the object references of its broker, sigstore's below k8s and docker).
 */
import { fail } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { type Selector, formatSelector } from "../spiffe/selector.ts";

/** What stands behind `type:name:`. */
interface ValueForm {
  readonly pattern: RegExp;
  /** What a value is, after "is". */
  readonly words: string;
}

type Names = Readonly<Record<string, ValueForm>>;

/** True for a type whose names stand in the table. */
export function isOwnSelectorType(type: string): boolean {
  return TYPES.has(type) || WITH_ALIAS.has(type);
}

/**
 * Refuses a name that does not exist under a type of ours, naming the right one; passes every foreign type.
 * @throws invalid
 */
export function checkSelectorName(selector: Selector): void {
  const { type } = selector;
  if (WITH_ALIAS.has(type)) {
    if (/^[^:]+:[^:]+:./s.test(selector.value)) return;
    throw fail(
      "invalid",
      `selector ${quoted(selector)} is not written as ${type}:ISSUER:CLAIM:VALUE`,
    );
  }
  const { names, before, value } = scopeOf(selector);
  if (names === undefined || WHOLE_VALUE.has(type) || nameOf(names, value) !== undefined) return;
  const known = Object.keys(names);
  if (known.length === 0) {
    throw fail(
      "invalid",
      `selector ${quoted(selector)} is never found: there are none of the type ${type}; name the agent with spiffe_id:ID`,
    );
  }
  if (known.includes(value)) {
    throw fail(
      "invalid",
      `selector ${quoted(selector)} has no value; write ${type}:${before}${value}:VALUE`,
    );
  }
  const given = value.split(":", 1)[0] ?? "";
  // Names of two words (`sg:id`) are compared as such.
  const twoWords = known.filter((name) => name.includes(":"));
  const meant = nearest(value.split(":", 2).join(":"), twoWords) ?? nearest(given, known);
  const hint =
    meant === undefined
      ? `it has ${known.join(", ")}`
      : `did you mean '${type}:${before}${meant}'?`;
  throw fail("invalid", `selector type ${type} has no '${before}${clip(given)}'; ${hint}`);
}

/** Why a selector of a type of ours can match nothing, one sentence; `undefined` where nothing speaks against it. */
export function selectorDoubt(selector: Selector): string | undefined {
  const { type } = selector;
  const { names, before, value } = scopeOf(selector);
  if (names === undefined) return undefined;
  const name = WHOLE_VALUE.has(type) ? "" : nameOf(names, value);
  const form = name === undefined ? undefined : names[name];
  if (name === undefined || form === undefined) return undefined;
  const rest = name === "" ? value : value.slice(name.length + 1);
  if (form.pattern.test(rest)) return undefined;
  const what = name === "" ? type : `${type}:${before}${name}`;
  return `no process and no node has the selector ${quoted(selector)}: the value of ${what} is ${form.words}`;
}

/**
 * True when an attestor that emits these names could yield the selector.
 * @param emitted `type:name`, as agents report them
 */
export function isAmongNames(selector: Selector, emitted: ReadonlySet<string>): boolean {
  const text = formatSelector(selector);
  for (let at = text.indexOf(":"); at >= 0; at = text.indexOf(":", at + 1)) {
    if (emitted.has(text.slice(0, at))) return true;
  }
  return false;
}

/**
 * What stands between key and value of `type:name:KEY?VALUE`; empty for a name that has no keys, `undefined` for one
 * whose value never is a plain word, or that does not exist.
 */
export function keySeparator(type: string, name: string): "" | ":" | "=" | undefined {
  // The name is an issuer's alias, and the key a claim.
  if (WITH_ALIAS.has(type)) return ":";
  const names = TYPES.get(type);
  const form = names !== undefined && Object.hasOwn(names, name) ? names[name] : undefined;
  if (form === PAIR) return ":";
  if (form === VARIABLE) return "=";
  return form === TEXT || form === NUMBER || form === SHA256 ? "" : undefined;
}

interface Scope {
  /** `undefined` for a foreign type. */
  readonly names: Names | undefined;
  /** What stands before the name, with its colon; empty for all but a user's own engine. */
  readonly before: string;
  /** From the name on. */
  readonly value: string;
}

function scopeOf({ type, value }: Selector): Scope {
  const user = type === "podman" ? /^user:\d{1,10}:/.exec(value)?.[0] : undefined;
  if (user === undefined) return { names: TYPES.get(type), before: "", value };
  return { names: CONTAINER, before: user, value: value.slice(user.length) };
}

function nameOf(names: Names, value: string): string | undefined {
  for (let at = value.indexOf(":"); at >= 0; at = value.indexOf(":", at + 1)) {
    const name = value.slice(0, at);
    if (Object.hasOwn(names, name)) return name;
    if (at > LONGEST_NAME) break;
  }
  return undefined;
}

function quoted(selector: Selector): string {
  return `'${clip(formatSelector(selector))}'`;
}

function clip(text: string): string {
  return text.length > 64 ? `${text.slice(0, 64)}...` : text;
}

const TEXT: ValueForm = { pattern: /./s, words: "a text" };
const NUMBER: ValueForm = { pattern: /^(0|[1-9][0-9]{0,19})$/, words: "a number" };
const PAIR: ValueForm = { pattern: /:/, words: "written as KEY:VALUE" };
const SHA256: ValueForm = { pattern: /^[0-9a-f]{64}$/, words: "64 lower-case hex digits" };
const SHA1: ValueForm = { pattern: /^[0-9a-f]{40}$/, words: "40 lower-case hex digits" };
const DIGEST: ValueForm = { pattern: /^[a-z0-9]+:[0-9a-f]+$/, words: "written as sha256:HEX" };
const PATH: ValueForm = { pattern: /^\//, words: "an absolute path" };
const VARIABLE: ValueForm = { pattern: /=/, words: "written as NAME=VALUE" };
const VERIFIED: ValueForm = { pattern: /^verified$/, words: "'verified'" };
const FILE_NAME: ValueForm = {
  pattern: /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/,
  words: "the name of a folder",
};
const LABEL: ValueForm = { pattern: /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, words: "a DNS label" };
const DNS_NAME: ValueForm = {
  pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
  words: "a DNS name in lower case",
};
const VAULT_PATH: ValueForm = {
  pattern: /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/,
  words: "a path without a leading '/', of letters, digits, '.', '_' and '-'",
};
const HEX: ValueForm = { pattern: /^[0-9a-f]+$/, words: "lower-case hex digits" };
const ID: ValueForm = { pattern: /^spiffe:\/\/./, words: "a SPIFFE ID" };
const ACCOUNT: ValueForm = { pattern: /^\d{12}$/, words: "twelve digits" };
/** A rootless engine belongs to a user: podman:user:UID:label:KEY:VALUE. */
const OF_USER: ValueForm = { pattern: /^\d+:[a-z_]+:/, words: "written as UID:NAME:VALUE" };

const SIGSTORE: Names = {
  "image-signature": VERIFIED,
  "image-attestations": VERIFIED,
  "image-signature-value": TEXT,
  "image-signature-subject": TEXT,
  "image-signature-issuer": TEXT,
  "image-signature-log-id": TEXT,
  "image-signature-log-index": NUMBER,
  "image-signature-integrated-time": NUMBER,
  "image-signature-signed-entry-timestamp": TEXT,
};

const CONTAINER: Names = {
  label: PAIR,
  env: VARIABLE,
  image_id: TEXT,
  image_config_digest: DIGEST,
  name: TEXT,
  ...SIGSTORE,
};

const UNIX: Names = {
  uid: NUMBER,
  user: TEXT,
  gid: NUMBER,
  group: TEXT,
  supplementary_gid: NUMBER,
  supplementary_group: TEXT,
  path: PATH,
  sha256: SHA256,
};

const K8S: Names = {
  ns: TEXT,
  "ns-label": PAIR,
  sa: TEXT,
  "container-name": TEXT,
  "container-image": TEXT,
  "node-name": TEXT,
  "pod-label": PAIR,
  "pod-owner": PAIR,
  "pod-owner-uid": PAIR,
  "pod-uid": TEXT,
  "pod-name": TEXT,
  "pod-image": TEXT,
  "pod-image-count": NUMBER,
  "pod-init-image": TEXT,
  "pod-init-image-count": NUMBER,
  ...SIGSTORE,
  uid: TEXT,
  resource: TEXT,
  plural: TEXT,
  group: TEXT,
  version: TEXT,
  apiVersion: TEXT,
  kind: TEXT,
  name: TEXT,
  namespace: TEXT,
  key: TEXT,
  label: PAIR,
  "owner-key": TEXT,
  "owner-uid": TEXT,
  "controller-key": TEXT,
  "controller-uid": TEXT,
};

const K8S_PSAT: Names = {
  cluster: TEXT,
  agent_ns: TEXT,
  agent_sa: TEXT,
  agent_pod_name: TEXT,
  agent_pod_uid: TEXT,
  agent_pod_label: PAIR,
  agent_node_ip: TEXT,
  agent_node_name: TEXT,
  agent_node_uid: TEXT,
  agent_node_label: PAIR,
};

const AWS_IID: Names = {
  account_id: ACCOUNT,
  az: TEXT,
  iamrole: TEXT,
  "image:id": TEXT,
  "instance:id": TEXT,
  tag: PAIR,
  region: TEXT,
  "sg:id": TEXT,
  "sg:name": TEXT,
};

const GCP_IIT: Names = {
  "project-id": TEXT,
  zone: TEXT,
  "instance-name": TEXT,
  sa: TEXT,
  tag: TEXT,
  label: PAIR,
  metadata: PAIR,
};

const AZURE_IMDS: Names = {
  "subscription-id": TEXT,
  "vm-name": TEXT,
  "vmss-name": TEXT,
  "network-security-group": PAIR,
  "resource-group": TEXT,
  "vm-location": TEXT,
  "virtual-network": TEXT,
  "virtual-network-subnet": PAIR,
  "vm-tag": PAIR,
};

const AZURE_MSI: Names = {
  "subscription-id": TEXT,
  "vm-name": PAIR,
  "network-security-group": PAIR,
  "virtual-network": PAIR,
  "virtual-network-subnet": PAIR,
};

const TYPES: ReadonlyMap<string, Names> = new Map<string, Names>([
  ["unix", UNIX],
  ["docker", CONTAINER],
  ["podman", { ...CONTAINER, user: OF_USER }],
  ["k8s", K8S],
  ["systemd", { id: TEXT, fragment_path: PATH, slice: TEXT }],
  ["k8s_psat", K8S_PSAT],
  // An older SPIRE's; nodes that it attested may still be in a registry that moves here.
  ["k8s_sat", { cluster: TEXT, agent_ns: TEXT, agent_sa: TEXT }],
  ["x509pop", { "subject:cn": TEXT, "ca:fingerprint": SHA1, serialnumber: HEX, san: PAIR }],
  ["join_token", {}],
  ["sshpop", {}],
  ["http_challenge", { hostname: TEXT }],
  ["aws_iid", AWS_IID],
  ["gcp_iit", GCP_IIT],
  ["azure_imds", AZURE_IMDS],
  ["azure_msi", AZURE_MSI],
  // SPIRE's page says `fingerprint`; its plugin emits `ca:fingerprint`.
  ["tpm_devid", { "subject:cn": TEXT, "issuer:cn": TEXT, "ca:fingerprint": SHA1 }],
  ["spiffe_id", { "": ID }],
  // Where a stored SVID goes (the agent's `svidStores`), in the place of who gets it.
  ["file", { name: FILE_NAME }],
  ["kubernetes_secret", { namespace: LABEL, name: DNS_NAME }],
  ["vault", { path: VAULT_PATH }],
]);

/** Types whose value is no name with a value behind it. */
const WHOLE_VALUE: ReadonlySet<string> = new Set(["spiffe_id"]);

/** `type:issuer:claim:value`: the agent's or the server's configuration names the issuers. */
const WITH_ALIAS: ReadonlySet<string> = new Set(["oidc", "token"]);

/** Longer than any name in the table. */
const LONGEST_NAME = 64;
