// Original file: proto/assay/explain/v1/explain.proto

import type { Selector as _spire_api_types_Selector, Selector__Output as _spire_api_types_Selector__Output } from '../../../spire/api/types/Selector.ts';
import type { SelectorGap as _assay_explain_v1_SelectorGap, SelectorGap__Output as _assay_explain_v1_SelectorGap__Output } from '../../../assay/explain/v1/SelectorGap.ts';

export interface AttestorReport {
  /**
   * The selector type it owns.
   */
  'type'?: (string);
  /**
   * Names of selectors that it can find.
   */
  'names'?: (string)[];
  'selectors'?: (_spire_api_types_Selector)[];
  /**
   * Why it found nothing at all; empty when it did not fail.
   */
  'error'?: (string);
  'gaps'?: (_assay_explain_v1_SelectorGap)[];
}

export interface AttestorReport__Output {
  /**
   * The selector type it owns.
   */
  'type': (string);
  /**
   * Names of selectors that it can find.
   */
  'names': (string)[];
  'selectors': (_spire_api_types_Selector__Output)[];
  /**
   * Why it found nothing at all; empty when it did not fail.
   */
  'error': (string);
  'gaps': (_assay_explain_v1_SelectorGap__Output)[];
}
