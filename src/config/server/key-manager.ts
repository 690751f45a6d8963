import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fail } from "../../base/errors.ts";
import type { PathContext } from "../paths.ts";
import type { ServerSettings } from "./server-settings.ts";
import type { KeyManagerConfig } from "./server-config.ts";
import type { Settings } from "../settings/source.ts";

type Given = Settings<ServerSettings>;

/** @throws invalid when settings contradict each other */
export function keyManagerSetting(settings: Given, context: PathContext): KeyManagerConfig {
  const kind = settings.get("key-manager");
  const keyFile = settings.get("key-file");
  const where = settings.where("key-file");
  if (kind === "memory") {
    if (keyFile !== undefined) {
      throw fail("invalid", `${where} has no meaning with key-manager memory; leave one out`);
    }
    return { kind };
  }
  if (kind === "pkcs11" || kind === "vault") {
    if (keyFile !== undefined) {
      throw fail("invalid", `${where} has no meaning with key-manager ${kind}; leave one out`);
    }
    return kind === "pkcs11" ? pkcs11Setting(settings, context) : vaultSetting(settings, context);
  }
  const dataDir = resolve(settings.get("data-dir"));
  const keyText = context.env["ASSAY_KEY_ENCRYPTION_KEY"];
  if (keyText !== undefined && keyText !== "") {
    if (keyFile !== undefined) {
      throw fail("invalid", `${where} and ASSAY_KEY_ENCRYPTION_KEY are both given; leave one out`);
    }
    return { kind, keyFile: join(dataDir, KEY_FILE), keyText };
  }
  if (keyFile !== undefined) return { kind, keyFile: resolve(keyFile) };
  // systemd puts credentials of the unit here (systemd.exec(5), LoadCredential=).
  const credentials = context.env["CREDENTIALS_DIRECTORY"];
  if (credentials !== undefined && existsSync(join(credentials, CREDENTIAL_NAME))) {
    return { kind, keyFile: join(credentials, CREDENTIAL_NAME) };
  }
  return { kind, keyFile: join(dataDir, KEY_FILE) };
}

function pkcs11Setting(settings: Given, { env }: PathContext): KeyManagerConfig {
  const given = settings.get("key-managers")?.pkcs11;
  if (given === undefined) throw missing(settings, "pkcs11");
  const { pinFile, timeout, namespace = settings.get("trust-domain"), ...rest } = given;
  const pin = oneSecret(
    { text: env["ASSAY_PKCS11_PIN"] ?? "", variable: "ASSAY_PKCS11_PIN" },
    { path: pinFile, key: "keyManagers.pkcs11.pinFile" },
  );
  return {
    kind: "pkcs11",
    ...rest,
    namespace: bare(namespace),
    timeoutMs: timeout * 1000,
    ...("text" in pin ? { pin: pin.text } : { pinFile: pin.file }),
  };
}

function vaultSetting(settings: Given, { env }: PathContext): KeyManagerConfig {
  const given = settings.get("key-managers")?.vault;
  if (given === undefined) throw missing(settings, "vault");
  const { tokenFile, caFile, address, timeout, ...rest } = given;
  const { namespace = settings.get("trust-domain") } = rest;
  const token = oneSecret(
    { text: env["ASSAY_VAULT_TOKEN"] ?? "", variable: "ASSAY_VAULT_TOKEN" },
    { path: tokenFile, key: "keyManagers.vault.tokenFile" },
  );
  return {
    kind: "vault",
    ...rest,
    address: address.replace(/\/+$/, ""),
    namespace: bare(namespace),
    timeoutMs: timeout * 1000,
    ...(caFile === undefined ? {} : { caFile: resolve(caFile) }),
    ...("text" in token ? { token: token.text } : { tokenFile: token.file }),
  };
}

function missing(settings: Given, kind: string): Error {
  const where = settings.where("key-manager");
  return fail("invalid", `${where}: ${kind} needs the section keyManagers.${kind} of the file`);
}

/** A secret comes from one place. @returns the text, or the file's path */
function oneSecret(
  { text, variable }: { readonly text: string; readonly variable: string },
  { path, key }: { readonly path: string | undefined; readonly key: string },
): { readonly text: string } | { readonly file: string } {
  if (text !== "" && path !== undefined) {
    throw fail("invalid", `${key} and ${variable} are both given; leave one out`);
  }
  if (text !== "") return { text };
  if (path === undefined) throw fail("invalid", `${key} is missing, and ${variable} is not set`);
  return { file: resolve(path) };
}

/** A trust domain may be written as an ID. */
function bare(trustDomain: string): string {
  return trustDomain.replace(/^spiffe:\/\//, "");
}

const KEY_FILE = "keys.key";
const CREDENTIAL_NAME = "assay-key";
