// Original file: proto/assay/explain/v1/explain.proto

import type { Obstacle as _assay_explain_v1_Obstacle, Obstacle__Output as _assay_explain_v1_Obstacle__Output } from '../../../assay/explain/v1/Obstacle.ts';
import type { MissingSelector as _assay_explain_v1_MissingSelector, MissingSelector__Output as _assay_explain_v1_MissingSelector__Output } from '../../../assay/explain/v1/MissingSelector.ts';
import type { ParentKind as _assay_explain_v1_ParentKind, ParentKind__Output as _assay_explain_v1_ParentKind__Output } from '../../../assay/explain/v1/ParentKind.ts';
import type { UnfilledVariable as _assay_explain_v1_UnfilledVariable, UnfilledVariable__Output as _assay_explain_v1_UnfilledVariable__Output } from '../../../assay/explain/v1/UnfilledVariable.ts';
import type { Long } from '@grpc/proto-loader';

export interface ExplainedEntry {
  'id'?: (string);
  'spiffe_id'?: (string);
  /**
   * Empty where the agent was not told.
   */
  'parent_id'?: (string);
  /**
   * Why it gives the process nothing; none for one that does.
   */
  'obstacles'?: (_assay_explain_v1_Obstacle)[];
  /**
   * The entry's selectors that the process does not have.
   */
  'missing'?: (_assay_explain_v1_MissingSelector)[];
  /**
   * How many of the entry's selectors the process has.
   */
  'selectors_present'?: (number);
  /**
   * Seconds since 1970; 0: never.
   */
  'expires_at'?: (number | string | Long);
  /**
   * Of the entry as the agent holds it; with NOT_HELD, as the server has it.
   */
  'revision_number'?: (number | string | Long);
  /**
   * For a matching one: until when an X.509-SVID is held, seconds since 1970; 0: none is.
   */
  'svid_expires_at'?: (number | string | Long);
  /**
   * What bears the parent's ID, where that is not one of this agent's.
   */
  'parent_kind'?: (_assay_explain_v1_ParentKind);
  /**
   * For one that the agent does not hold any more, seconds since 1970; 0: it holds it, or never did.
   */
  'removed_at'?: (number | string | Long);
  /**
   * With TEMPLATE: what it wants and does not have, in the template's order.
   */
  'unfilled'?: (_assay_explain_v1_UnfilledVariable)[];
}

export interface ExplainedEntry__Output {
  'id': (string);
  'spiffe_id': (string);
  /**
   * Empty where the agent was not told.
   */
  'parent_id': (string);
  /**
   * Why it gives the process nothing; none for one that does.
   */
  'obstacles': (_assay_explain_v1_Obstacle__Output)[];
  /**
   * The entry's selectors that the process does not have.
   */
  'missing': (_assay_explain_v1_MissingSelector__Output)[];
  /**
   * How many of the entry's selectors the process has.
   */
  'selectors_present': (number);
  /**
   * Seconds since 1970; 0: never.
   */
  'expires_at': (string);
  /**
   * Of the entry as the agent holds it; with NOT_HELD, as the server has it.
   */
  'revision_number': (string);
  /**
   * For a matching one: until when an X.509-SVID is held, seconds since 1970; 0: none is.
   */
  'svid_expires_at': (string);
  /**
   * What bears the parent's ID, where that is not one of this agent's.
   */
  'parent_kind': (_assay_explain_v1_ParentKind__Output);
  /**
   * For one that the agent does not hold any more, seconds since 1970; 0: it holds it, or never did.
   */
  'removed_at': (string);
  /**
   * With TEMPLATE: what it wants and does not have, in the template's order.
   */
  'unfilled': (_assay_explain_v1_UnfilledVariable__Output)[];
}
