/** Pages as a browser gets them that trusts the root and nothing else. */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { get } from "node:https";
import type { PeerCertificate, TLSSocket } from "node:tls";
import type { Rig } from "./rig.ts";
import { PATIENCE_MS } from "../support/patience.ts";

export interface Page {
  readonly body: string;
  readonly certificate: PeerCertificate;
}

/** A page as a browser gets it that trusts the root and nothing else. @throws when anything is unverified */
export async function page(rig: Rig, host: string): Promise<Page> {
  const call = get({
    host: "127.0.0.1",
    port: rig.tlsPort,
    servername: host,
    headers: { host },
    ca: readFileSync(rig.root),
    agent: false,
  });
  const [answer] = (await once(call, "response")) as [IncomingMessage];
  const certificate = (answer.socket as TLSSocket).getPeerCertificate();
  let body = "";
  for await (const part of answer.setEncoding("utf8")) body += String(part);
  return { body: `${answer.statusCode} ${body}`, certificate };
}

/** Until the page comes with a certificate that `isWanted`. @param log the web server's own words, for when it does not */
export async function pageOnce(
  rig: Rig,
  host: string,
  log: () => string,
  isWanted: (certificate: PeerCertificate) => boolean = () => true,
): Promise<Page> {
  const end = AbortSignal.timeout(PATIENCE_MS);
  for (let last: unknown = "another certificate"; ; ) {
    if (end.aborted) throw new Error(`${host}: ${String(last)}\n${log()}`);
    try {
      const found = await page(rig, host);
      if (isWanted(found.certificate)) return found;
    } catch (thrown) {
      last = thrown;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
