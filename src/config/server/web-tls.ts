/** What a listener of the web shows of itself, as front ends are configured. */
import { resolve } from "node:path";
import { fail } from "../../base/errors.ts";

export type WebTls =
  | { readonly kind: "none" }
  | { readonly kind: "files"; readonly certificateFile: string; readonly keyFile: string }
  /** An SVID of the server's own with these DNS names. */
  | { readonly kind: "svid"; readonly dnsNames: readonly string[] };

/** Undefined when there are none. @throws invalid when one is without the other */
export function certificateFilesOf(
  given: { readonly certificateFile?: string; readonly keyFile?: string },
  where: string,
): Extract<WebTls, { kind: "files" }> | undefined {
  const { certificateFile, keyFile } = given;
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    throw fail("invalid", `${where}: certificateFile and keyFile go together; give both`);
  }
  if (certificateFile === undefined || keyFile === undefined) return undefined;
  return { kind: "files", certificateFile: resolve(certificateFile), keyFile: resolve(keyFile) };
}

/** Whether what listens there, or is asked there, is this machine alone. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || /^127(\.\d{1,3}){3}$/.test(host) || /^\[?::1\]?$/.test(host);
}

/** Whether an address of the web is one and nothing more: no name or password in it, no query, no fragment. */
export function plainUrl(text: string): URL | undefined {
  if (!URL.canParse(text) || /[?#\s]/.test(text)) return undefined;
  const url = new URL(text);
  return url.username === "" && url.password === "" ? url : undefined;
}
