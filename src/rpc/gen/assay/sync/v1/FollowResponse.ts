// Original file: proto/assay/sync/v1/sync.proto

import type { Entry as _spire_api_types_Entry, Entry__Output as _spire_api_types_Entry__Output } from '../../../spire/api/types/Entry.ts';
import type { Bundle as _spire_api_types_Bundle, Bundle__Output as _spire_api_types_Bundle__Output } from '../../../spire/api/types/Bundle.ts';
import type { Position as _assay_sync_v1_Position, Position__Output as _assay_sync_v1_Position__Output } from '../../../assay/sync/v1/Position.ts';
import type { Rotation as _assay_sync_v1_Rotation, Rotation__Output as _assay_sync_v1_Rotation__Output } from '../../../assay/sync/v1/Rotation.ts';
import type { TemplatedEntry as _assay_template_v1_TemplatedEntry, TemplatedEntry__Output as _assay_template_v1_TemplatedEntry__Output } from '../../../assay/template/v1/TemplatedEntry.ts';
import type { Long } from '@grpc/proto-loader';

/**
 * One change, or a page of it; nothing but a position is a sign of life.
 */
export interface FollowResponse {
  /**
   * On the first page of a beginning: the agent forgets what it holds, once it has the last page.
   */
  'reset'?: (boolean);
  /**
   * Made, changed, or newly authorized; whole.
   */
  'entries'?: (_spire_api_types_Entry)[];
  /**
   * Ids of entries that are not authorized any more.
   */
  'removed_entries'?: (string)[];
  /**
   * Own and foreign bundles that changed or are newly needed; whole, with their tainted authorities.
   */
  'bundles'?: (_spire_api_types_Bundle)[];
  /**
   * Trust domains whose bundles are gone or not needed any more.
   */
  'removed_bundles'?: (string)[];
  /**
   * Another page of the same change follows; the agent takes over all of them at once.
   */
  'more'?: (boolean);
  /**
   * Reached with this page; on the last one of a change only.
   */
  'position'?: (_assay_sync_v1_Position | null);
  /**
   * Work that all agents begin because of this change (renewals, reconnecting) is to be spread over this time.
   */
  'spread_ms'?: (number | string | Long);
  /**
   * Of `entries`: nothing but the revision rose, as an operator wants new SVIDs. They are due within the spread.
   */
  'rotated_entries'?: (string)[];
  /**
   * On the first change of a stream and on each that raises it. When it differs from the one that the agent was told
   * before, an operator wants all its SVIDs replaced, its own too, within the spread.
   */
  'rotation'?: (_assay_sync_v1_Rotation | null);
  /**
   * As `entries`, of entries that have a template. Apart, as one that is read without its template would pass for an
   * identity.
   */
  'templated_entries'?: (_assay_template_v1_TemplatedEntry)[];
  /**
   * Revocation lists (DER) of the own trust domain's X.509 authorities, all of them; with each own bundle among `bundles`.
   */
  'crls'?: (Buffer | Uint8Array | string)[];
}

/**
 * One change, or a page of it; nothing but a position is a sign of life.
 */
export interface FollowResponse__Output {
  /**
   * On the first page of a beginning: the agent forgets what it holds, once it has the last page.
   */
  'reset': (boolean);
  /**
   * Made, changed, or newly authorized; whole.
   */
  'entries': (_spire_api_types_Entry__Output)[];
  /**
   * Ids of entries that are not authorized any more.
   */
  'removed_entries': (string)[];
  /**
   * Own and foreign bundles that changed or are newly needed; whole, with their tainted authorities.
   */
  'bundles': (_spire_api_types_Bundle__Output)[];
  /**
   * Trust domains whose bundles are gone or not needed any more.
   */
  'removed_bundles': (string)[];
  /**
   * Another page of the same change follows; the agent takes over all of them at once.
   */
  'more': (boolean);
  /**
   * Reached with this page; on the last one of a change only.
   */
  'position': (_assay_sync_v1_Position__Output | null);
  /**
   * Work that all agents begin because of this change (renewals, reconnecting) is to be spread over this time.
   */
  'spread_ms': (string);
  /**
   * Of `entries`: nothing but the revision rose, as an operator wants new SVIDs. They are due within the spread.
   */
  'rotated_entries': (string)[];
  /**
   * On the first change of a stream and on each that raises it. When it differs from the one that the agent was told
   * before, an operator wants all its SVIDs replaced, its own too, within the spread.
   */
  'rotation': (_assay_sync_v1_Rotation__Output | null);
  /**
   * As `entries`, of entries that have a template. Apart, as one that is read without its template would pass for an
   * identity.
   */
  'templated_entries': (_assay_template_v1_TemplatedEntry__Output)[];
  /**
   * Revocation lists (DER) of the own trust domain's X.509 authorities, all of them; with each own bundle among `bundles`.
   */
  'crls': (Buffer)[];
}
