// Original file: proto/assay/explain/v1/explain.proto

import type { Selector as _spire_api_types_Selector, Selector__Output as _spire_api_types_Selector__Output } from '../../../spire/api/types/Selector.ts';
import type { Obstacle as _assay_explain_v1_Obstacle, Obstacle__Output as _assay_explain_v1_Obstacle__Output } from '../../../assay/explain/v1/Obstacle.ts';
import type { ParentKind as _assay_explain_v1_ParentKind, ParentKind__Output as _assay_explain_v1_ParentKind__Output } from '../../../assay/explain/v1/ParentKind.ts';
import type { Long } from '@grpc/proto-loader';

export interface NearEntry {
  'id'?: (string);
  'spiffe_id'?: (string);
  'parent_id'?: (string);
  'missing'?: (_spire_api_types_Selector)[];
  'selectors_present'?: (number);
  /**
   * PARENT, EXPIRED and NODE_ALIAS; none for an entry that the agent may serve.
   */
  'obstacles'?: (_assay_explain_v1_Obstacle)[];
  'expires_at'?: (number | string | Long);
  'revision_number'?: (number | string | Long);
  'parent_kind'?: (_assay_explain_v1_ParentKind);
}

export interface NearEntry__Output {
  'id': (string);
  'spiffe_id': (string);
  'parent_id': (string);
  'missing': (_spire_api_types_Selector__Output)[];
  'selectors_present': (number);
  /**
   * PARENT, EXPIRED and NODE_ALIAS; none for an entry that the agent may serve.
   */
  'obstacles': (_assay_explain_v1_Obstacle__Output)[];
  'expires_at': (string);
  'revision_number': (string);
  'parent_kind': (_assay_explain_v1_ParentKind__Output);
}
