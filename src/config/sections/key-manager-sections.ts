import { duration, section, text } from "../settings/shape.ts";
import { VAULT_ADDRESS, VAULT_CA_FILE, VAULT_NAMESPACE, mountPath } from "./vault-fields.ts";

const NAMESPACE = text({
  maxLength: 128,
  pattern: "^[a-z0-9][a-z0-9._-]*$",
  rule: "has anything but lower case letters, digits, dots, dashes and underscores",
});

/** `keyManagers` of a server's file: key managers that are elsewhere; `keyManager` names the one that is used. */
export const KEY_MANAGERS = section({
  pkcs11: {
    shape: section({
      module: { shape: text(), help: "path of the PKCS #11 module", required: true },
      token: { shape: text({ maxLength: 32 }), help: "label of the token", required: true },
      pinFile: { shape: text(), help: "file with the user's PIN; or $ASSAY_PKCS11_PIN" },
      namespace: {
        shape: NAMESPACE,
        help: "part of the keys' labels, so that servers can share a token; the trust domain unless given",
      },
      timeout: { shape: duration(1), help: "for one signature", default: "5s" },
    }),
    help: "a hardware security module, or whatever else speaks PKCS #11",
  },
  vault: {
    shape: section({
      address: VAULT_ADDRESS,
      tokenFile: {
        shape: text(),
        help: "file with a token, read again when it changes; or $ASSAY_VAULT_TOKEN",
      },
      caFile: VAULT_CA_FILE,
      mount: {
        shape: mountPath("a secrets engine, for example transit"),
        help: "path of the transit secrets engine",
        default: "transit",
      },
      vaultNamespace: VAULT_NAMESPACE,
      namespace: {
        shape: NAMESPACE,
        help: "part of the keys' names, so that servers can share an engine; the trust domain unless given",
      },
      timeout: { shape: duration(1), help: "for one request", default: "5s" },
    }),
    help: "the transit engine of OpenBao or HashiCorp Vault",
  },
});
