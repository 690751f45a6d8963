/** What every section for OpenBao or HashiCorp Vault has. */
import { text } from "../settings/shape.ts";

export const VAULT_ADDRESS = {
  shape: text({
    maxLength: 1024,
    pattern: "^https?://[!-~]+$",
    rule: "is no http or https URL, for example https://vault.example.org:8200",
  }),
  help: "of OpenBao or HashiCorp Vault",
  required: true,
} as const;

export const VAULT_CA_FILE = {
  shape: text(),
  help: "authorities (PEM) of the address; the system's unless given",
} as const;

export const VAULT_NAMESPACE = {
  shape: text({ maxLength: 256 }),
  help: "namespace of the Vault, if it has any",
} as const;

/** Path of a secrets engine or an authentication method. @param whose for the message: `an engine, for example pki` */
export function mountPath(whose: string) {
  return text({
    maxLength: 256,
    pattern: "^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
    rule: `is no path of ${whose}`,
  });
}
