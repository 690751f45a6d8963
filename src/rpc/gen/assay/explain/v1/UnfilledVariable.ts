// Original file: proto/assay/explain/v1/explain.proto

import type { ValueReason as _assay_explain_v1_ValueReason, ValueReason__Output as _assay_explain_v1_ValueReason__Output } from '../../../assay/explain/v1/ValueReason.ts';
import type { MissingReason as _assay_explain_v1_MissingReason, MissingReason__Output as _assay_explain_v1_MissingReason__Output } from '../../../assay/explain/v1/MissingReason.ts';

export interface UnfilledVariable {
  /**
   * As the template has it: `k8s.pod-label:app`.
   */
  'variable'?: (string);
  'reason'?: (_assay_explain_v1_ValueReason);
  /**
   * The values that the process has, where they do not fit.
   */
  'found'?: (string)[];
  /**
   * With NO_VALUE: why there is none.
   */
  'missing_reason'?: (_assay_explain_v1_MissingReason);
  /**
   * Why it could not be found out; empty unless an attestor failed at it.
   */
  'detail'?: (string);
  /**
   * It is none of the template's: the server asks the cluster by it.
   */
  'names_pod'?: (boolean);
}

export interface UnfilledVariable__Output {
  /**
   * As the template has it: `k8s.pod-label:app`.
   */
  'variable': (string);
  'reason': (_assay_explain_v1_ValueReason__Output);
  /**
   * The values that the process has, where they do not fit.
   */
  'found': (string)[];
  /**
   * With NO_VALUE: why there is none.
   */
  'missing_reason': (_assay_explain_v1_MissingReason__Output);
  /**
   * Why it could not be found out; empty unless an attestor failed at it.
   */
  'detail': (string);
  /**
   * It is none of the template's: the server asks the cluster by it.
   */
  'names_pod': (boolean);
}
