/** Who shows an X.509-SVID of the trust domain, and what that may still stand for. */
import type { EpochSeconds } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import type { CertificatesConfig } from "../../../config/server/certificates-front-end.ts";
import { TRUST_DOMAIN_SET } from "../../../config/own-sets.ts";
import { SpiffeId } from "../../../spiffe/spiffe-id.ts";
import type { EntryRecord } from "../../datastore/contract.ts";
import type { OwnEntries } from "../../entries/family.ts";
import { allowsAddress } from "./granted-names.ts";

/** The leaf, as the gate has verified it. */
export interface ShownSvid {
  readonly spiffeId: string;
  readonly expiresAt: EpochSeconds;
  /** In the certificate, canonical. */
  readonly ipAddresses: readonly string[];
}

export interface Standing {
  /** At least one, and one that takes an SVID first. */
  readonly entries: readonly EntryRecord[];
  /** Absent: no bound by the SVID. */
  readonly maxTtlSeconds?: number;
}

/**
 * What was given here is an SVID as well, and would renew itself for as long as its entry stands, when what it was given to
 * is long gone. So who is proven by tokens alone brings a token each time; a pod's certificate, which always names an
 * address, stands for nothing; and a member's ends with the SVID, which the agent has anew while its workload lives. Where
 * issuers' tokens and agents stand for one ID, nobody knows by which of them the SVID came: all their entries count, and
 * what is given ends with the SVID, too.
 * @throws denied
 */
export function standingOf(
  { spiffeId, expiresAt, ipAddresses }: ShownSvid,
  { plain, members }: OwnEntries,
  { config, now }: { readonly config: CertificatesConfig; readonly now: EpochSeconds },
): Standing {
  const all = [...plain, ...members];
  const entries = all.filter(({ parentId }) => wayOf(parentId) === undefined);
  const [first] = all;
  if (first === undefined) {
    throw fail(
      "denied",
      `no entry has the ID ${spiffeId} any more, and none with a template has such a member`,
    );
  }
  if (entries.length === 0) {
    const way = wayOf(first.parentId);
    throw fail(
      "denied",
      `entry ${first.id} is for those who bring a token each time, and its certificates renew nothing; ask with the token ('assay init-certificate --via ${way}')`,
    );
  }
  const tokens = all.filter(({ parentId }) => wayOf(parentId) === "oidc");
  const hasPods = all.some(({ parentId }) => wayOf(parentId) === "pod");
  // A pod may have asked for those alone that its ID is allowed.
  const stray = ipAddresses.find((address) => hasPods || !allowsAddress(spiffeId, address, config));
  if (stray !== undefined) {
    const pods = "ask with the pod's token ('assay init-certificate --via pod')";
    const way = hasPods
      ? `${pods} or the agent's own SVID`
      : `${pods}, or allow the address (frontends.certificates.networks)`;
    throw fail(
      "denied",
      `the SVID names the address ${stray}, as a pod's certificate does, which renews nothing; ${way}`,
    );
  }
  const isMember = entries.some((entry) => members.includes(entry));
  const standing = { entries: [...entries, ...tokens] };
  if (config.set !== TRUST_DOMAIN_SET || (!isMember && tokens.length === 0)) return standing;
  return { ...standing, maxTtlSeconds: Math.max(1, expiresAt - now) };
}

/** How those are proven whom no agent and no certificate stands for. */
function wayOf(parentId: string): string | undefined {
  const { path } = SpiffeId.parse(parentId);
  if (path.startsWith("/spire/pod/")) return "pod";
  return path.startsWith("/spire/token/") ? "oidc" : undefined;
}
