// Original file: proto/spire/api/types/selector.proto

import type { Selector as _spire_api_types_Selector, Selector__Output as _spire_api_types_Selector__Output } from '../../../spire/api/types/Selector.ts';

// Original file: proto/spire/api/types/selector.proto

export const _spire_api_types_SelectorMatch_MatchBehavior = {
  /**
   * Same set.
   */
  MATCH_EXACT: 'MATCH_EXACT',
  /**
   * The record's selectors are all among the given ones.
   */
  MATCH_SUBSET: 'MATCH_SUBSET',
  /**
   * The record has all the given ones, and perhaps more.
   */
  MATCH_SUPERSET: 'MATCH_SUPERSET',
  /**
   * At least one in common.
   */
  MATCH_ANY: 'MATCH_ANY',
} as const;

export type _spire_api_types_SelectorMatch_MatchBehavior =
  /**
   * Same set.
   */
  | 'MATCH_EXACT'
  | 0
  /**
   * The record's selectors are all among the given ones.
   */
  | 'MATCH_SUBSET'
  | 1
  /**
   * The record has all the given ones, and perhaps more.
   */
  | 'MATCH_SUPERSET'
  | 2
  /**
   * At least one in common.
   */
  | 'MATCH_ANY'
  | 3

export type _spire_api_types_SelectorMatch_MatchBehavior__Output = typeof _spire_api_types_SelectorMatch_MatchBehavior[keyof typeof _spire_api_types_SelectorMatch_MatchBehavior]

/**
 * Picks records by their selectors.
 */
export interface SelectorMatch {
  'selectors'?: (_spire_api_types_Selector)[];
  'match'?: (_spire_api_types_SelectorMatch_MatchBehavior);
}

/**
 * Picks records by their selectors.
 */
export interface SelectorMatch__Output {
  'selectors': (_spire_api_types_Selector__Output)[];
  'match': (_spire_api_types_SelectorMatch_MatchBehavior__Output);
}
