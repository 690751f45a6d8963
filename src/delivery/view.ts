/**
 * What is delivered as files, in the terms of SPIFFE alone: the room knows neither the Workload API nor an agent. Two
 * feed it: `assay watch --dir`, a client of the Workload API, and the agent's SVID store `file`.
 */
import type { EpochSeconds } from "../base/clock.ts";
import { fail } from "../base/errors.ts";

/** One X.509-SVID with its private key and the roots of its trust domain. */
export interface DeliveredSvid {
  readonly spiffeId: string;
  /** "" where the entry has none. */
  readonly hint: string;
  /** Lower hex. */
  readonly serialNumber: string;
  readonly expiresAt: EpochSeconds;
  /** DER, leaf first, without the root. */
  readonly chain: readonly Uint8Array[];
  /** PKCS #8. */
  readonly key: Uint8Array;
  readonly bundle: readonly Root[];
}

export interface Root {
  readonly der: Uint8Array;
  readonly expiresAt: EpochSeconds;
}

/** Everything that one target may need, as of one moment. */
export interface View {
  /** In the agent's order: the first is the default identity. Empty where no X.509-SVID was asked for. */
  readonly svids: readonly DeliveredSvid[];
  /** Roots of foreign trust domains, by trust domain name (`partner.example`). */
  readonly federated: ReadonlyMap<string, readonly Root[]>;
  /** DER revocation lists of the own trust domain; empty where revocation is off. */
  readonly crls: readonly Uint8Array[];
  /** The JWKS document of the own trust domain, where it was asked for. */
  readonly jwtBundle: Uint8Array | undefined;
  /** JWT-SVIDs by the name of the file that each goes into. */
  readonly tokens: ReadonlyMap<string, string>;
}

/** How one SVID is picked out of several; without either it is the first. */
export interface Pick {
  readonly spiffeId?: string;
  readonly hint?: string;
}

/** @throws not_found, naming what there is */
export function pickOf<T extends { readonly spiffeId: string; readonly hint: string }>(
  candidates: readonly T[],
  { spiffeId, hint }: Pick,
): T {
  const picked = candidates.find(
    (candidate) =>
      (spiffeId === undefined || candidate.spiffeId === spiffeId) &&
      (hint === undefined || candidate.hint === hint),
  );
  if (picked !== undefined) return picked;
  const wanted = [
    ...(spiffeId === undefined ? [] : [spiffeId]),
    ...(hint === undefined ? [] : [`hint '${hint}'`]),
  ].join(" and ");
  const known = candidates
    .slice(0, MAX_NAMED)
    .map(({ spiffeId, hint }) => (hint === "" ? spiffeId : `${spiffeId} (hint '${hint}')`));
  const more = candidates.length > MAX_NAMED ? `, and ${candidates.length - MAX_NAMED} more` : "";
  throw fail(
    "not_found",
    `the agent gives this process no SVID${wanted === "" ? "" : ` with ${wanted}`}${known.length === 0 ? "" : `, but ${known.join(", ")}${more}`}`,
    { reason: NO_SVID },
  );
}

/** The reason of an error that only another view can mend. */
export const NO_SVID = "NO_SVID";

const MAX_NAMED = 8;
