/** What a listener of the web shows of itself, as front ends are configured. */
import { resolve } from "node:path";
import { fail } from "../../base/errors.ts";
import { isLoopback } from "../../base/loopback.ts";

export type WebTls =
  | { readonly kind: "none" }
  | { readonly kind: "files"; readonly certificateFile: string; readonly keyFile: string }
  /** An SVID of the server's own with these DNS names. */
  | { readonly kind: "svid"; readonly dnsNames: readonly string[] };

export interface WebTlsPlace {
  /** Names of the SVID, where one is asked for. @throws invalid */
  readonly dnsNames: () => readonly string[];
  /** Listened on; undefined: a Unix socket. */
  readonly host: () => string | undefined;
  /** Where a proxy that ends TLS would ask: `a loopback address`. */
  readonly behindProxy: string;
}

/** What a section with `webTlsFields` asks for. @throws invalid for two ways at once, and for none on an open address */
export function webTlsOf(
  given: CertificateKeys & { readonly svid: boolean; readonly plainHttp: boolean },
  where: string,
  { dnsNames, host: hostOf, behindProxy }: WebTlsPlace,
): WebTls {
  const { svid, plainHttp } = given;
  const files = certificateFilesOf(given, where);
  if ([files !== undefined, svid, plainHttp].filter(Boolean).length > 1) {
    throw fail("invalid", `${where}: give certificateFile and keyFile, svid or plainHttp, not two`);
  }
  if (files !== undefined) return files;
  if (svid) return { kind: "svid", dnsNames: dnsNames() };
  const host = hostOf();
  if (plainHttp || host === undefined || isLoopback(host)) return { kind: "none" };
  throw fail(
    "invalid",
    `${where}: there is no TLS on ${host}; give certificateFile and keyFile, or svid: true, or listen on ${behindProxy} behind a proxy`,
  );
}

interface CertificateKeys {
  readonly certificateFile?: string;
  readonly keyFile?: string;
}

/** Undefined when there are none. @throws invalid when one is without the other */
export function certificateFilesOf(
  given: CertificateKeys,
  where: string,
): Extract<WebTls, { kind: "files" }> | undefined {
  const { certificateFile, keyFile } = given;
  if ((certificateFile === undefined) !== (keyFile === undefined)) {
    throw fail("invalid", `${where}: certificateFile and keyFile go together; give both`);
  }
  if (certificateFile === undefined || keyFile === undefined) return undefined;
  return { kind: "files", certificateFile: resolve(certificateFile), keyFile: resolve(keyFile) };
}

/** Whether an address of the web is one and nothing more: no name or password in it, no query, no fragment. */
export function plainUrl(text: string): URL | undefined {
  if (!URL.canParse(text) || /[?#\s]/.test(text)) return undefined;
  const url = new URL(text);
  return url.username === "" && url.password === "" ? url : undefined;
}
