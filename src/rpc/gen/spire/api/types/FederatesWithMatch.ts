// Original file: proto/spire/api/types/federateswith.proto


// Original file: proto/spire/api/types/federateswith.proto

export const _spire_api_types_FederatesWithMatch_MatchBehavior = {
  /**
   * Same set.
   */
  MATCH_EXACT: 'MATCH_EXACT',
  /**
   * The entry's trust domains are all among the given ones.
   */
  MATCH_SUBSET: 'MATCH_SUBSET',
  /**
   * The entry has all the given ones, and perhaps more.
   */
  MATCH_SUPERSET: 'MATCH_SUPERSET',
  /**
   * At least one in common.
   */
  MATCH_ANY: 'MATCH_ANY',
} as const;

export type _spire_api_types_FederatesWithMatch_MatchBehavior =
  /**
   * Same set.
   */
  | 'MATCH_EXACT'
  | 0
  /**
   * The entry's trust domains are all among the given ones.
   */
  | 'MATCH_SUBSET'
  | 1
  /**
   * The entry has all the given ones, and perhaps more.
   */
  | 'MATCH_SUPERSET'
  | 2
  /**
   * At least one in common.
   */
  | 'MATCH_ANY'
  | 3

export type _spire_api_types_FederatesWithMatch_MatchBehavior__Output = typeof _spire_api_types_FederatesWithMatch_MatchBehavior[keyof typeof _spire_api_types_FederatesWithMatch_MatchBehavior]

/**
 * Picks entries by the trust domains they federate with.
 */
export interface FederatesWithMatch {
  'trust_domains'?: (string)[];
  'match'?: (_spire_api_types_FederatesWithMatch_MatchBehavior);
}

/**
 * Picks entries by the trust domains they federate with.
 */
export interface FederatesWithMatch__Output {
  'trust_domains': (string)[];
  'match': (_spire_api_types_FederatesWithMatch_MatchBehavior__Output);
}
