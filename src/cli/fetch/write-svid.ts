import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeFolder } from "../../base/make-folder.ts";
import { replaceFile } from "../files/replace-file.ts";
import type { FetchedSvid } from "./svid.ts";

/**
 * Writes svid.pem, key.pem (0600), bundle.pem and, for each federated trust domain, federated/NAME.pem, each whole or not
 * at all; what is there of other trust domains goes. The key goes first and the certificate
 * last: whoever waits for a new svid.pem finds its key beside it.
 */
export async function writeSvid(folder: string, svid: FetchedSvid): Promise<readonly string[]> {
  makeFolder(folder, 0o700);
  const federated = join(folder, FEDERATED);
  const bundles = [...(svid.federated ?? [])];
  if (bundles.length > 0) makeFolder(federated, 0o700);
  const files = [
    [join(folder, "key.pem"), svid.keyPem, 0o600],
    [join(folder, "bundle.pem"), svid.bundlePem, 0o644],
    ...bundles.map(([name, pem]) => [join(federated, `${name}.pem`), pem, 0o644] as const),
    [join(folder, "svid.pem"), svid.chainPem, 0o644],
  ] as const;
  for (const [path, text, mode] of files) await replaceFile(path, text, mode);
  if (svid.federated !== undefined) {
    removeOthers(federated, new Set(bundles.map(([name]) => `${name}.pem`)));
  }
  return files.map(([path]) => path);
}

function removeOthers(folder: string, kept: ReadonlySet<string>): void {
  if (!existsSync(folder)) return;
  for (const name of readdirSync(folder)) {
    if (name.endsWith(".pem") && !kept.has(name)) rmSync(join(folder, name));
  }
}

const FEDERATED = "federated";
