// Original file: proto/assay/explain/v1/explain.proto

import type { Selector as _spire_api_types_Selector, Selector__Output as _spire_api_types_Selector__Output } from '../../../spire/api/types/Selector.ts';

export interface NearestRequest {
  /**
   * All that the workload has; at most 1000.
   */
  'selectors'?: (_spire_api_types_Selector)[];
}

export interface NearestRequest__Output {
  /**
   * All that the workload has; at most 1000.
   */
  'selectors': (_spire_api_types_Selector__Output)[];
}
