// Original file: proto/assay/template/v1/template.proto

import type { Value as _assay_template_v1_Value, Value__Output as _assay_template_v1_Value__Output } from '../../../assay/template/v1/Value.ts';
import type { Pod as _assay_template_v1_Pod, Pod__Output as _assay_template_v1_Pod__Output } from '../../../assay/template/v1/Pod.ts';

/**
 * One member of an entry's family.
 */
export interface Member {
  'entry_id'?: (string);
  /**
   * One for each variable of the template and no others.
   */
  'values'?: (_assay_template_v1_Value)[];
  /**
   * The workload's; wanted unless the template trusts the agent.
   */
  'pod'?: (_assay_template_v1_Pod | null);
}

/**
 * One member of an entry's family.
 */
export interface Member__Output {
  'entry_id': (string);
  /**
   * One for each variable of the template and no others.
   */
  'values': (_assay_template_v1_Value__Output)[];
  /**
   * The workload's; wanted unless the template trusts the agent.
   */
  'pod': (_assay_template_v1_Pod__Output | null);
}
