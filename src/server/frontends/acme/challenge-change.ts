import type { AcmeAuthorizationRecord, AcmeChallengeRecord } from "../../datastore/acme.ts";

/** The authorization with one of its challenges changed. */
export function withChallenge(
  authorization: AcmeAuthorizationRecord,
  type: AcmeChallengeRecord["type"],
  change: Partial<AcmeChallengeRecord>,
): AcmeAuthorizationRecord {
  return {
    ...authorization,
    challenges: authorization.challenges.map((each) =>
      each.type === type ? { ...each, ...change } : each,
    ),
  };
}
