/** Reads kubeconfig files (kubectl's own format, `v1` `Config`): one context, its cluster and its user. */
import { readFileSync, statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { AssayError, fail } from "../../base/errors.ts";
import { isObject } from "../../base/is-object.ts";
import type { Credential, KubernetesConnection } from "./connection.ts";

/**
 * The connection that a kubeconfig file describes; relative paths in it are relative to the file.
 * @param context its current context when absent
 * @throws precondition when it cannot be read; invalid when it asks for what is not done here (plugins, passwords)
 */
export async function readKubeconfig(
  file: string,
  context?: string,
): Promise<KubernetesConnection> {
  // Only those who have a kubeconfig pay for the parser.
  const yaml = await import("yaml");
  try {
    return connectionOf(yaml.parse(readText(file), { maxAliasCount: 0 }), dirname(file), context);
  } catch (cause) {
    const why = cause instanceof AssayError ? cause.message : "it is neither YAML nor JSON";
    const kind = cause instanceof AssayError ? cause.kind : "invalid";
    throw fail(kind, `kubeconfig ${file}: ${why}`, { cause });
  }
}

function connectionOf(
  root: unknown,
  folder: string,
  wanted: string | undefined,
): KubernetesConnection {
  if (!isObject(root)) throw fail("invalid", "it is no mapping");
  const name = wanted ?? textOf(root, "current-context");
  if (name === undefined) throw fail("invalid", "it has no current-context; name a context");
  const context = named(root, "contexts", name, "context");
  const cluster = named(root, "clusters", textOf(context, "cluster") ?? "", "cluster");
  const userName = textOf(context, "user");
  const credentials = userName === undefined ? {} : credentialsOf(root, userName, folder);
  const server = textOf(cluster, "server");
  if (server === undefined || URL.parse(server)?.protocol !== "https:") {
    throw fail("invalid", `cluster '${textOf(context, "cluster") ?? ""}' has no https server`);
  }
  const authorities = credential(cluster, "certificate-authority", folder);
  const serverName = textOf(cluster, "tls-server-name");
  return {
    server,
    ...(authorities === undefined ? {} : { authorities }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(cluster["insecure-skip-tls-verify"] === true ? { isUnverified: true } : {}),
    ...credentials,
  };
}

/** What the user proves itself with. @throws invalid for a way that is not done here */
function credentialsOf(
  root: Fields,
  name: string,
  folder: string,
): Pick<KubernetesConnection, "token" | "clientCertificate"> {
  const user = named(root, "users", name, "user");
  for (const plugin of ["exec", "auth-provider", "username", "password"]) {
    if (user[plugin] !== undefined) {
      throw fail(
        "invalid",
        `user '${name}' has '${plugin}', which is not supported; give it a token, a tokenFile or a client certificate`,
      );
    }
  }
  const token = tokenOf(user, folder);
  const cert = credential(user, "client-certificate", folder);
  const key = credential(user, "client-key", folder);
  if ((cert === undefined) !== (key === undefined)) {
    throw fail("invalid", `user '${name}' has one half of a client certificate`);
  }
  return {
    ...(token === undefined ? {} : { token }),
    ...(cert === undefined || key === undefined ? {} : { clientCertificate: { cert, key } }),
  };
}

function tokenOf(user: Fields, folder: string): Credential | undefined {
  const file = textOf(user, "tokenFile");
  if (file !== undefined) return { file: resolve(folder, file) };
  const text = textOf(user, "token");
  return text === undefined ? undefined : { text };
}

/** `NAME-data` (base64) goes before `NAME` (a path), as in kubectl. */
function credential(fields: Fields, name: string, folder: string): Credential | undefined {
  const data = textOf(fields, `${name}-data`);
  if (data !== undefined) return { text: Buffer.from(data, "base64").toString("utf8") };
  const file = textOf(fields, name);
  return file === undefined ? undefined : { file: resolve(folder, file) };
}

function named(root: Fields, list: string, name: string, member: string): Fields {
  const items = root[list];
  const found = Array.isArray(items)
    ? items.find((item: unknown) => isObject(item) && item["name"] === name)
    : undefined;
  const value: unknown = isObject(found) ? found[member] : undefined;
  if (!isObject(value)) throw fail("invalid", `there is no ${member} '${name}' in it`);
  return value;
}

function textOf(fields: Fields, name: string): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw fail("invalid", `${name} is no text`);
  return value;
}

function readText(file: string): string {
  try {
    if (statSync(file).size > MAX_KUBECONFIG_BYTES) {
      throw fail("invalid", `it is larger than ${MAX_KUBECONFIG_BYTES} bytes`);
    }
    return readFileSync(file, "utf8");
  } catch (cause) {
    if (cause instanceof AssayError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw fail("precondition", `it cannot be read (${code})`, { cause });
  }
}

type Fields = Readonly<Record<string, unknown>>;

const MAX_KUBECONFIG_BYTES = 1024 * 1024;
