import { fail } from "../../base/errors.ts";
import { readTextFile } from "../../base/text-file.ts";
import type { VaultLogin } from "../../vault/vault-client.ts";

/** How a server proves itself to OpenBao or Vault: one of these. */
export interface VaultAuth {
  readonly tokenFile?: string;
  readonly approle?: {
    readonly mount: string;
    readonly roleId: string;
    readonly secretIdFile?: string;
  };
  readonly cert?: {
    readonly mount: string;
    readonly certFile: string;
    readonly keyFile: string;
    readonly role?: string;
  };
  readonly kubernetes?: {
    readonly mount: string;
    readonly role: string;
    readonly tokenFile: string;
  };
}

/** @throws invalid unless exactly one is given */
export function vaultAccess(auth: VaultAuth): { tokenFile: string } | { login: VaultLogin } {
  const [name, ...others] = (["tokenFile", "approle", "cert", "kubernetes"] as const).filter(
    (each) => auth[each] !== undefined,
  );
  if (name === undefined || others.length > 0) {
    throw fail(
      "invalid",
      "upstreamAuthority.vault needs one of tokenFile, approle, cert and kubernetes, and one only",
    );
  }
  const { tokenFile, approle, cert, kubernetes } = auth;
  if (approle !== undefined) return { login: approleLogin(approle) };
  if (cert !== undefined) return { login: certLogin(cert) };
  if (kubernetes !== undefined) return { login: kubernetesLogin(kubernetes) };
  return { tokenFile: tokenFile ?? "" };
}

function approleLogin({
  mount,
  roleId,
  secretIdFile,
}: NonNullable<VaultAuth["approle"]>): VaultLogin {
  return {
    path: `auth/${mount}/login`,
    async proof() {
      const secretId =
        secretIdFile === undefined ? undefined : (await readTextFile(secretIdFile)).trim();
      return {
        body: { role_id: roleId, ...(secretId === undefined ? {} : { secret_id: secretId }) },
      };
    },
  };
}

function certLogin({ mount, certFile, keyFile, role }: NonNullable<VaultAuth["cert"]>): VaultLogin {
  return {
    path: `auth/${mount}/login`,
    async proof() {
      const [cert, key] = await Promise.all([readTextFile(certFile), readTextFile(keyFile)]);
      return { body: role === undefined ? {} : { name: role }, tls: { cert, key } };
    },
  };
}

function kubernetesLogin({
  mount,
  role,
  tokenFile,
}: NonNullable<VaultAuth["kubernetes"]>): VaultLogin {
  return {
    path: `auth/${mount}/login`,
    proof: async () => ({ body: { role, jwt: (await readTextFile(tokenFile)).trim() } }),
  };
}
