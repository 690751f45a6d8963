import type { HttpRoute } from "../../http/http-listener.ts";
import { type Clock, epochSeconds } from "../../base/clock.ts";
import type { Revocations } from "./revocations.ts";

/** `/crl/AUTHORITY.crl`: the authority's present list, DER (RFC 5280 §4.2.1.13, RFC 2585 §3). */
export function crlRoutes(
  revocations: Pick<Revocations, "crls">,
  clock: Clock,
): { get(path: string): HttpRoute | undefined } {
  return {
    get(path) {
      const authorityId = CRL_PATH.exec(path)?.[1];
      const crl = revocations.crls.find((each) => each.authorityId === authorityId);
      if (crl === undefined) return undefined;
      const { der, nextUpdate } = crl;
      const seconds = Math.max(0, Math.min(MAX_AGE, nextUpdate - epochSeconds(clock)));
      return async () => ({
        status: 200,
        type: "application/pkix-crl",
        body: der,
        headers: { "cache-control": `public, max-age=${seconds}` },
      });
    },
  };
}

const CRL_PATH = /^\/crl\/([0-9a-f]{40})\.crl$/;
/** A revocation is seen within a minute also behind a cache. */
const MAX_AGE = 60;
