import { LISTEN_ADDRESS } from "./common-settings.ts";
import { duration, flag, section, text } from "../settings/shape.ts";
import { VAULT_ADDRESS, VAULT_CA_FILE, VAULT_NAMESPACE, mountPath } from "./vault-fields.ts";

const DISK_FILES = {
  certFile: {
    shape: text(),
    help: "the issuing authority (PEM), followed by those between it and the root",
    required: true,
  },
  keyFile: { shape: text(), help: "its private key (PEM)", required: true },
  passphraseFile: { shape: text(), help: "passphrase of that key, where it is encrypted" },
  bundleFile: {
    shape: text(),
    help: "the roots (PEM); not needed where the issuing authority is the root",
  },
} as const;

const NESTED = section({
  server: {
    shape: LISTEN_ADDRESS,
    help: "the upstream server, Assay's or SPIRE's, of the same trust domain",
    required: true,
  },
  workloadApiSocket: {
    shape: text(),
    help: "Workload API socket of an agent of that server, where this server has a downstream entry",
    required: true,
  },
});

const mountText = mountPath("an engine, for example pki");

const VAULT_FIELDS = {
  address: VAULT_ADDRESS,
  caFile: VAULT_CA_FILE,
  vaultNamespace: VAULT_NAMESPACE,
  mount: { shape: mountText, help: "path of the PKI engine", default: "pki" },
  issuer: { shape: text({ maxLength: 256 }), help: "one of its issuers; its default one" },
  bundleFile: {
    shape: text(),
    help: "the roots (PEM), where the engine does not hold them",
  },
  timeout: { shape: duration(1), help: "for one request", default: "10s" },
  tokenFile: { shape: text(), help: "a token, read again when it is refused" },
  approle: {
    shape: section({
      mount: { shape: mountText, help: "path of the method", default: "approle" },
      roleId: { shape: text({ maxLength: 256 }), help: "ID of the role", required: true },
      secretIdFile: { shape: text(), help: "its secret ID, read at each login" },
    }),
    help: "log in with AppRole",
  },
  cert: {
    shape: section({
      mount: { shape: mountText, help: "path of the method", default: "cert" },
      certFile: { shape: text(), help: "client certificate (PEM)", required: true },
      keyFile: { shape: text(), help: "its private key (PEM)", required: true },
      role: { shape: text({ maxLength: 256 }), help: "role; any that the certificate fits" },
    }),
    help: "log in with a TLS certificate",
  },
  kubernetes: {
    shape: section({
      mount: { shape: mountText, help: "path of the method", default: "kubernetes" },
      role: { shape: text({ maxLength: 256 }), help: "role", required: true },
      tokenFile: {
        shape: text(),
        help: "service account token, read at each login; that of the pod",
        default: "/var/run/secrets/kubernetes.io/serviceaccount/token",
      },
    }),
    help: "log in with a service account token",
  },
} as const;

const OFFLINE = section({});

const DISK_HELP = "an issuing authority in files, read for each signature";
const VAULT_HELP = "the PKI engine of OpenBao or HashiCorp Vault signs";
/** Of sets: the trust domain's own authorities do name SPIFFE IDs. */
const NAME_CONSTRAINTS = {
  nameConstraints: {
    shape: flag(),
    help: "keep the set's authorities from naming URIs, SPIFFE IDs among them; no: for verifiers that do not know name constraints",
    default: true,
  },
} as const;
const OFFLINE_FIELD = {
  shape: OFFLINE,
  help: "a root kept elsewhere: 'assay authority x509 csr' and 'import' carry requests and certificates",
} as const;

/** `upstreamAuthority` of a set beside the trust domain's own. */
export const SET_UPSTREAM = section({
  disk: { shape: section({ ...DISK_FILES, ...NAME_CONSTRAINTS }), help: DISK_HELP },
  vault: { shape: section({ ...VAULT_FIELDS, ...NAME_CONSTRAINTS }), help: VAULT_HELP },
  offline: OFFLINE_FIELD,
});

/** `upstreamAuthority` of a server's file: who signs its X.509 authorities. */
export const UPSTREAM_AUTHORITY = section({
  disk: { shape: section(DISK_FILES), help: DISK_HELP },
  nested: {
    shape: NESTED,
    help: "another server of the trust domain signs, by its downstream API",
  },
  vault: { shape: section(VAULT_FIELDS), help: VAULT_HELP },
  offline: OFFLINE_FIELD,
});
