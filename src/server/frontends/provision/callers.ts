/** Who may authorize over HTTP: an admin's workload, a program with an API token, or, where the operator says so, anyone. */
import { type Clock, epochSeconds } from "../../../base/clock.ts";
import { fail } from "../../../base/errors.ts";
import type { HttpCall } from "../../../http/http-call.ts";
import type { EntryReader } from "../../datastore/contract.ts";
import { PeerIdentity, type TrustedRoots } from "../../endpoints/peer-identity.ts";
import { type ApiTokens, apiTokenLabel } from "./api-tokens.ts";
import { type Grantor, administrator } from "./grant-request.ts";

export interface CallersOptions {
  readonly apiTokens: Pick<ApiTokens, "verify">;
  readonly entries: Pick<EntryReader, "list">;
  readonly roots: TrustedRoots;
  readonly isRevoked: (authorityId: string, serial: string) => boolean;
  readonly anonymous: boolean;
  readonly clock: Clock;
}

/** @throws unauthenticated when the caller has not said who it is; denied when that may not authorize */
export async function grantorOf(
  { headers, peer }: Pick<HttpCall, "headers" | "peer">,
  options: CallersOptions,
): Promise<Grantor> {
  const token = bearerOf(headers.authorization);
  if (token !== undefined) {
    const { hash, name, allowNames, allowEntries } = await options.apiTokens.verify(token);
    return {
      label: apiTokenLabel(name),
      allowNames,
      apiTokenHash: hash,
      allowEntries,
      isAdministrator: false,
      anonymous: false,
    };
  }
  if (peer !== undefined) return requireAdministrator(peer, options);
  if (options.anonymous) return ANYONE;
  throw fail(
    "unauthenticated",
    "say who you are: an api token as bearer, or an administrator's svid as client certificate",
  );
}

/** RFC 6750 §2.1. */
export function bearerOf(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
}

async function requireAdministrator(
  presented: readonly Uint8Array[],
  { entries, roots, isRevoked, clock }: CallersOptions,
): Promise<Grantor> {
  const peer = await new PeerIdentity(presented, roots, clock).resolve();
  if (peer.kind === "unknown") throw fail("unauthenticated", peer.why);
  const revoked = peer.presented.some((each) => isRevoked(each.authorityId, each.serial));
  if (peer.tainted || revoked) {
    throw fail("unauthenticated", "client certificate was revoked, or its authority is tainted");
  }
  const spiffeId = peer.id.toString();
  const { items } = await entries.list({ spiffeId });
  const now = epochSeconds(clock);
  if (!items.some(({ admin, expiresAt }) => admin && (expiresAt === 0 || expiresAt > now))) {
    throw fail("denied", `'${spiffeId}' is no administrator; its entry needs --admin`);
  }
  return administrator(`admin ${spiffeId}`);
}

const ANYONE: Grantor = {
  label: "anyone",
  allowNames: [],
  allowEntries: false,
  isAdministrator: false,
  anonymous: true,
};
