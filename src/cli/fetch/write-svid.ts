import { join } from "node:path";
import { makeFolder } from "../../base/make-folder.ts";
import { replaceFile } from "../replace-file.ts";
import type { FetchedSvid } from "./svid.ts";

/**
 * Writes svid.pem, key.pem (0600) and bundle.pem, each whole or not at all. The key goes first and the certificate
 * last: whoever waits for a new svid.pem finds its key beside it.
 */
export async function writeSvid(folder: string, svid: FetchedSvid): Promise<readonly string[]> {
  makeFolder(folder, 0o700);
  const files = [
    [join(folder, "key.pem"), svid.keyPem, 0o600],
    [join(folder, "bundle.pem"), svid.bundlePem, 0o644],
    [join(folder, "svid.pem"), svid.chainPem, 0o644],
  ] as const;
  for (const [path, text, mode] of files) await replaceFile(path, text, mode);
  return files.map(([path]) => path);
}
