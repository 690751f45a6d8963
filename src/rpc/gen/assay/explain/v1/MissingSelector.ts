// Original file: proto/assay/explain/v1/explain.proto

import type { Selector as _spire_api_types_Selector, Selector__Output as _spire_api_types_Selector__Output } from '../../../spire/api/types/Selector.ts';
import type { MissingReason as _assay_explain_v1_MissingReason, MissingReason__Output as _assay_explain_v1_MissingReason__Output } from '../../../assay/explain/v1/MissingReason.ts';

export interface MissingSelector {
  'selector'?: (_spire_api_types_Selector | null);
  'reason'?: (_assay_explain_v1_MissingReason);
  /**
   * Of the same type and name, as the process has them.
   */
  'found'?: (_spire_api_types_Selector)[];
  /**
   * Why it could not be found out; empty unless an attestor failed at it.
   */
  'detail'?: (string);
}

export interface MissingSelector__Output {
  'selector': (_spire_api_types_Selector__Output | null);
  'reason': (_assay_explain_v1_MissingReason__Output);
  /**
   * Of the same type and name, as the process has them.
   */
  'found': (_spire_api_types_Selector__Output)[];
  /**
   * Why it could not be found out; empty unless an attestor failed at it.
   */
  'detail': (string);
}
